"""Where a workspace keeps what. The only module that knows the layout.

store.sqlite   artifacts/<step>/<fingerprint>/   runs/<id>/   cache/   locks/   serving/<name>/<version>/
reproduced/<run>/ (a workspace of its own)
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.workspace_mark import STORE
from pipeline.errors import UserError

SEAL = "artifact.json"
"""Last file written into an artifact; it says what made it. A folder without it is not complete."""

SHARED = "SEGLINE_ARTIFACTS"
"""Variable of the environment with the URL of the storage that shares results, as credentials for it are: it says where
a host keeps things, so that every command and timer of the host means the same, and no recipe names it."""


MAY_BE_LINKS = ("*", "artifacts/*", "serving/*")
"""Folders of a workspace that may lie on another disk."""


@dataclass(frozen=True)
class Workspace:
    """Folder that holds everything that runs make. It may be moved: nothing inside depends on where it lies.

    Attributes:
        root: The folder.
        shared: URL where workspaces share results (pipeline/orchestration/shared_results.py); None: not shared.
    """

    root: Path
    shared: str | None = None

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str]) -> "Workspace":
        """The workspace in a folder, with the shared storage that the environment names.

        Raises:
            UserError: What stands there is no URL.
        """
        url = environment.get(SHARED, "").rstrip("/")
        if url and "://" not in url:
            raise UserError(f"{SHARED} must be a URL, such as s3://bucket/segline. Received: {url!r}.")
        return cls(root, url or None)

    @property
    def store(self) -> Path:
        """SQLite file with the lineage."""
        return self.root / STORE

    @property
    def serving(self) -> Path:
        """Folder whose subfolders TensorFlow Serving can watch."""
        return self.root / "serving"

    @property
    def holds_results(self) -> bool:
        """Whether anything was ever made here, also where the store was lost since."""
        return self.store.is_file() or (self.root / "artifacts").is_dir()

    def complete(self, step: str, key: str) -> Path | None:
        """Newest complete artifact of a step with this fingerprint: <key>, or <key>-2, <key>-3 ... after --rerun."""
        attempts = [path for path in self._attempts(step, key) if (path / SEAL).is_file()]
        return attempts[-1] if attempts else None

    def next_attempt(self, step: str, key: str) -> Path:
        """Free path for a new artifact; an older one with the same fingerprint stays what it is."""
        attempts = self._attempts(step, key)
        return self._folder(step) / (f"{key}-{_attempt(attempts[-1]) + 1}" if attempts else key)

    def partial(self, step: str, key: str) -> Path:
        """Where an artifact is made before it is published."""
        return self._folder(step) / f"{key}.partial"

    def partials(self, step: str) -> list[Path]:
        """Every unfinished artifact of a step: its name is the fingerprint and ".partial"."""
        return list(self._folder(step).glob("[!.]*.partial"))

    def fetched(self, step: str, key: str) -> Path:
        """Where an artifact is fetched to from the shared storage before it is published; `segline gc` removes it."""
        return self._folder(step) / f".{key}.partial"

    def lock(self, step: str, key: str) -> Path:
        """Lock of the slot that this artifact has in the workspace."""
        return self.root / "locks" / f"{step}-{key}.lock"

    def cluster(self, key: str) -> Path:
        """Folder in which the workers of a job find each other; `key` names the workers."""
        return self.root / "cluster" / key

    def run(self, run_id: str) -> Path:
        """Folder of one run: recipe, library versions, command, log, and links to its artifacts."""
        return self.root / "runs" / run_id

    def run_lock(self, run_id: str) -> Path:
        """Held while `segline run` works on a run, so that others can tell a living run from a killed one."""
        return self.run(run_id) / "run.lock"

    @property
    def in_use(self) -> Path:
        """Lock that every run shares while it works, and that `segline gc` wants for itself alone."""
        return self.root / "locks" / "in_use.lock"

    def reproduction(self, run_id: str) -> Path:
        """Workspace in which `segline reproduce` makes a run anew."""
        return self.root / "reproduced" / run_id

    def new_run_id(self, recipe: str) -> str:
        """Name for a new run that sorts by time and says what it runs."""
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}-{secrets.token_hex(2)}"

    def memory(self, name: str) -> Path:
        """File that remembers a manifest between runs."""
        return self.root / "cache" / "manifests" / f"{name}.json"

    def cache(self, step: str, key: str) -> Path:
        """Folder in which a step keeps what it may use again; it can be removed at any time."""
        return self.root / "cache" / step / key

    def relative(self, path: Path) -> str:
        """Name `path` relative to the workspace where it lies inside, else as an absolute path.

        Inside is also what lies in a folder that was moved to another disk, with a link to it left in its place.
        """
        path, root = path.resolve(), self.root.resolve()
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
        for folder in (folder for pattern in MAY_BE_LINKS for folder in sorted(root.glob(pattern))):
            if folder.is_symlink() and path.is_relative_to(folder.resolve()):
                return (folder.relative_to(root) / path.relative_to(folder.resolve())).as_posix()
        return path.as_posix()

    def _folder(self, step: str) -> Path:
        return self.root / "artifacts" / step

    def _attempts(self, step: str, key: str) -> list[Path]:
        found = [path for path in self._folder(step).glob(f"{key}*") if not path.name.endswith(".partial")]
        return sorted(found, key=_attempt)


def read_seal(artifact: Path) -> dict[str, Any]:
    """What the seal of an artifact says: step, run, execution, code, made, digest, fingerprint, files (digest of each).

    One that was fetched says in `fetched` from which URL, and which run made it; run and execution are those here.

    Raises:
        UserError: The seal is damaged.
    """
    try:
        seal: dict[str, Any] = json.loads((artifact / SEAL).read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{artifact / SEAL} is damaged. Remove the folder {artifact}; it is then made anew.") from None
    return seal


def _attempt(path: Path) -> int:
    _, _, number = path.name.partition("-")
    return int(number or 1)
