"""The layout of a workspace. No other module knows where a thing lies.

store.sqlite   artifacts/<step>/<fingerprint>/   runs/<id>/   cache/   locks/   serving/<name>/<version>/
reproduced/<run>/ (a workspace of its own)
"""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets.workspace_mark import STORE
from pipeline.console.url_secrets import hide
from pipeline.errors import UserError
from pipeline.workspace.seal import SEAL

SHARED = "SEGLINE_ARTIFACTS"
"""Environment variable with the URL of the storage that shares results. Like its credentials it belongs to the host, so
that every command and timer of the host uses the same; no recipe names it."""


MAY_BE_LINKS = ("*", "artifacts/*", "serving/*")
"""Folders of a workspace that may lie on another disk."""


@dataclass(frozen=True)
class Workspace:
    """The folder of everything that runs make. It may be moved: nothing inside depends on its own location.

    Attributes:
        root: The folder.
        shared: URL where workspaces share results (pipeline/orchestration/shared_results.py); None: not shared.
    """

    root: Path
    shared: str | None = None

    @classmethod
    def of(cls, root: Path, environment: Mapping[str, str]) -> "Workspace":
        """Return the workspace in a folder, with the shared storage that the environment names.

        Raises:
            UserError: SEGLINE_ARTIFACTS is no URL.
        """
        url = environment.get(SHARED, "").rstrip("/")
        if url and "://" not in url:
            raise UserError(f"{SHARED} must be a URL, such as s3://bucket/segline. Received: {url!r}.")
        return cls(root, hide(url) or None)

    @property
    def store(self) -> Path:
        """SQLite file with the lineage."""
        return self.root / STORE

    @property
    def shared_name(self) -> Path:
        """File with the workspace's name on the shared storage (pipeline/orchestration/shared_lineage.py)."""
        return self.root / "shared_name.txt"

    @property
    def serving(self) -> Path:
        """Folder whose subfolders TensorFlow Serving can watch."""
        return self.root / "serving"

    @property
    def holds_results(self) -> bool:
        """Whether any result was made here, even if the store has been lost since."""
        return self.store.is_file() or (self.root / "artifacts").is_dir()

    def complete(self, step: str, key: str) -> Path | None:
        """Return the newest complete artifact of a step: <key>, or <key>-2, <key>-3 ... after --rerun."""
        attempts = [path for path in self._attempts(step, key) if (path / SEAL).is_file()]
        return attempts[-1] if attempts else None

    def next_attempt(self, step: str, key: str) -> Path:
        """Return the free path of a new artifact; an older one with the same fingerprint stays as it is."""
        attempts = self._attempts(step, key)
        return self._folder(step) / (f"{key}-{_attempt(attempts[-1]) + 1}" if attempts else key)

    def partial(self, step: str, key: str) -> Path:
        """Return the folder in which an artifact is made before it is published."""
        return self._folder(step) / f"{key}.partial"

    def partials(self, step: str) -> list[Path]:
        """Return every unfinished artifact of a step, named by its fingerprint and ".partial"."""
        return list(self._folder(step).glob("[!.]*.partial"))

    def fetched(self, step: str, key: str) -> Path:
        """Return the folder into which an artifact is fetched before it is published; `segline gc` removes it."""
        return self._folder(step) / f".{key}.partial"

    def lock(self, step: str, key: str) -> Path:
        """Return the lock of an artifact's slot."""
        return self.root / "locks" / f"{step}-{key}.lock"

    def cluster(self, key: str) -> Path:
        """Return the folder of the status files of a job's workers; `key` names the workers."""
        return self.root / "cluster" / key

    def run(self, run_id: str) -> Path:
        """Return the folder of one run: recipe, library versions, command, log, and links to its artifacts."""
        return self.root / "runs" / run_id

    def run_lock(self, run_id: str) -> Path:
        """Return the lock that `segline run` holds while it works, which tells a living run from a killed one."""
        return self.run(run_id) / "run.lock"

    @property
    def in_use(self) -> Path:
        """Lock that every run shares while it works, and that `segline gc` takes exclusively."""
        return self.root / "locks" / "in_use.lock"

    def reproduction(self, run_id: str) -> Path:
        """Return the workspace in which `segline reproduce` repeats a run."""
        return self.root / "reproduced" / run_id

    def new_run_id(self, recipe: str) -> str:
        """Return a name for a new run, which sorts by time and holds the recipe's name."""
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{recipe}-{secrets.token_hex(2)}"

    def memory(self, name: str) -> Path:
        """Return the file that keeps a manifest between runs."""
        return self.root / "cache" / "manifests" / f"{name}.json"

    def checked(self, artifact: Path) -> Path:
        """Return the file that keeps the manifest of an artifact as it was compared last (integrity.py)."""
        artifact = artifact.resolve()
        return self.memory(f"{artifact.parent.name}-{artifact.name}")

    def cache(self, step: str, key: str) -> Path:
        """Return the folder in which a step caches what it may use again; it can be removed at any time."""
        return self.root / "cache" / step / key

    def relative(self, path: Path) -> str:
        """Return `path` relative to the workspace if it lies inside, else as an absolute path.

        A folder that was moved to another disk, with a link left in its place, counts as inside.
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
        attempts = [path for path in self._folder(step).glob(f"{key}*") if not path.name.endswith(".partial")]
        return sorted(attempts, key=_attempt)


def _attempt(path: Path) -> int:
    _, _, number = path.name.partition("-")
    return int(number or 1)
