"""The seal of an artifact: its last file, which says what made it and holds the digest of every other file.

It carries a digest of itself. A seal of an older Segline has none: its shape is checked, and `segline verify` says so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from pipeline.errors import UserError
from pipeline.workspace import digest, sealed_json

SEAL = "artifact.json"
"""Last file written into an artifact. A folder without it is not complete."""

MOST = 2**53
"""Above every number of a seal; more is damage, which neither SQLite nor a float holds."""


class Seal(TypedDict):
    """What a seal says.

    Attributes:
        step, run, execution: What made the artifact; `execution` is the id in the store.
        made: When, in seconds since 1970.
        code: Version of Segline's code.
        digest: Digest of all files (digest.digest).
        fingerprint: What the result depends on; see fingerprint.Fingerprint.
        files: {path in the artifact: SHA-256}.
        fetched: Of an artifact that was fetched: the URL and the run that made it; run and execution are those here.
    """

    step: str
    run: str
    execution: int
    made: float
    code: NotRequired[str]
    digest: str
    fingerprint: dict[str, Any]
    files: dict[str, str]
    fetched: NotRequired[dict[str, str]]


class DamagedError(UserError):
    """An artifact or a served version is not what was published.

    Attributes:
        what: What is wrong with it.
    """

    def __init__(self, folder: Path, what: str, remedy: str) -> None:
        super().__init__(f"{folder} is damaged: {what}. {remedy}")
        self.what = what


def damaged(artifact: Path, what: str, step: str | None = None) -> DamagedError:
    """Return the error that names a damaged artifact, what is wrong with it, and the command that makes it again.

    Args:
        artifact: Its folder.
        what: What is wrong with it.
        step: The step that made it; None: the seal cannot tell, and the name of the folder above does.
    """
    step = step or artifact.parent.name
    again = f"segline run RECIPE --rerun {step} (step by step: segline step {step} --run RUN --rerun)"
    return DamagedError(artifact, what, f"To make it again: {again}.")


def read_seal(artifact: Path) -> Seal:
    """Read the seal of an artifact.

    Raises:
        DamagedError: It is not there, or damaged.
    """
    try:
        return parse((artifact / SEAL).read_bytes())
    except PermissionError:
        raise
    except OSError as error:
        raise damaged(artifact, f"{SEAL} is damaged ({error.strerror})") from None
    except ValueError as error:
        raise damaged(artifact, f"{SEAL} is damaged ({error})") from None


def write_seal(artifact: Path, content: Mapping[str, Any]) -> None:
    """Write a seal, with the digest of itself, into a folder that is about to be published."""
    digest.write_atomically(artifact / SEAL, sealed_json.text(content))


def parse(data: bytes) -> Seal:
    """Return a seal, given the bytes of its file.

    Raises:
        ValueError: They are not those of a seal; the text says why.
    """
    content = sealed_json.parse(data)
    for key in ("made", "execution"):
        if isinstance(number := content.get(key), int | float) and not 0 <= number < MOST:
            raise ValueError(f"{key!r} is out of range")
    if "made" in content and isinstance(content["made"], int):
        content["made"] = float(content["made"])
    sealed_json.require_kinds(
        content,
        {"step": str, "run": str, "execution": int, "made": float, "digest": str, "fingerprint": dict, "files": dict},
        {"code": str, "fetched": dict},
    )
    files, fingerprint = content["files"], content["fingerprint"]
    if not all(isinstance(value, str) for value in files.values()) or digest.of_contents(files) != content["digest"]:
        raise ValueError("its digest is not that of its files")
    if any(name.startswith("/") or ".." in name.split("/") for name in files):
        raise ValueError("it names a file outside of its folder")
    parts = ("settings", "inputs", "code", "libraries")
    if not all(isinstance(fingerprint.get(part), dict) for part in parts) or "version" not in fingerprint:
        raise ValueError("its fingerprint has another shape")
    return cast(Seal, content)


def is_older(seal: Seal) -> bool:
    """Whether a seal is of an older Segline and carries no digest of itself."""
    return sealed_json.OWN not in seal
