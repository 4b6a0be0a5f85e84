"""The origin of a served version: a file beside its facts, which says what it was promoted from.

It carries a digest of itself, as a seal does; that of an older Segline has none.
"""

from pathlib import Path
from typing import Any

from pipeline.config.step_names import EVALUATE
from pipeline.export import facts
from pipeline.workspace import digest, integrity, sealed_json
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import DamagedError

ORIGIN = facts.FILE.with_name("origin.json")
"""Origin of a served model: artifact, run, training, its data's statistics; its number, its files' digests."""

KEYS = {
    **dict.fromkeys(("export", "train", "run", "by", "restores"), str),
    **{"withdrawn": list, "statistics": dict, "version": int, "files": dict},
}
"""What an origin may hold, and of which type."""


def read(served: Path) -> dict[str, Any]:
    """Return the origin of a served version; {} where it was copied there by hand.

    Raises:
        DamagedError: It is damaged.
    """
    try:
        content = sealed_json.parse((served / ORIGIN).read_bytes())
        sealed_json.require_kinds(content, {}, KEYS)
    except FileNotFoundError:
        return {}
    except (ValueError, IsADirectoryError, NotADirectoryError) as error:
        remedy = (
            "Move this folder away and serve its model again: segline promote RUN. Until then the version before it is "
            "served, even one that was rolled back."
        )
        raise DamagedError(served, f"{ORIGIN} is damaged ({error})", remedy) from None
    return content


def example_images(served: Path) -> list[Path]:
    """Return images of the evaluated split, as the report shows them; none where the run is not beside the model."""
    run, above = read(served).get("run"), served.resolve().parents
    if not run or len(above) < 3:
        return []
    pictures = Workspace(above[2]).run(run) / EVALUATE / "pictures"
    return sorted(path for path in pictures.glob("*-input.jpg") if not path.name.startswith("confused"))


def require_facts(served: Path) -> None:
    """Compare the facts of a served version, which a gate reads, with its origin; raise DamagedError if they differ."""
    _require(served, facts.FILE.parent.as_posix())


def require_intact(served: Path) -> None:
    """Read a whole served version and compare it with its origin; raise DamagedError if they differ."""
    _require(served, ".")


def is_intact(served: Path) -> bool:
    """Whether `require_intact` passes."""
    try:
        require_intact(served)
    except DamagedError:
        return False
    return True


def _require(served: Path, part: str) -> None:
    within = "" if part == "." else f"{part}/"
    recorded = {name: content for name, content in read(served).get("files", {}).items() if name.startswith(within)}
    present = integrity.contents_of(digest.manifest(served, (part,), note_unreadable=True))
    present.pop(ORIGIN.as_posix(), None)
    if recorded and (problems := integrity.differences(recorded, present)):
        remedy = "Serve its model again, as a new version: segline promote RUN. Then remove this folder."
        raise DamagedError(served, ", ".join(problems), remedy)
