"""Promotion: copy an exported model to serving/<name>/<version>/, whole or not at all.

TensorFlow Serving watches serving/<name> and loads the highest number; it passes over other names, such as the hidden
folder in which a version is prepared.
"""

import json
import os
import shutil
from pathlib import Path

from pipeline import digest, facts, lock
from pipeline.errors import UserError
from pipeline.run_folder import RunFolder
from pipeline.store import Store
from pipeline.workspace import SEAL, Workspace, read_seal

ORIGIN = facts.FILE.with_name("origin.json")
"""Where a served model came from: artifact, run, training. Beside what the model says of itself."""


def promote(workspace: Workspace, name: str, artifact: Path, run: RunFolder, store: Store) -> Path:
    """Serve an exported model unless it is what is served already.

    Args:
        workspace: Where serving/ is.
        name: Folder under serving/.
        artifact: Published folder of the export step; its saved_model/ is served.
        run: Run that asks for it.
        store: Where the promotion is recorded.

    Returns:
        serving/<name>/<version>.

    Raises:
        UserError: The artifact is damaged; or another model was promoted since the gate compared this one.
    """
    folder = workspace.serving / name
    folder.mkdir(parents=True, exist_ok=True)
    with lock.hold(folder / ".lock", run.id, wait=True, on_wait=print):
        served = newest(workspace, name)
        uri = workspace.relative(artifact)
        if served is None or origin(served).get("export") != uri:
            _require_intact(artifact)
            _require_compared(workspace, name, run)
            served = folder / str(int(served.name) + 1 if served else 1)
            came_from = {"export": uri, "train": workspace.relative(run.artifact("train")), "run": run.id}
            _copy(artifact / "saved_model", came_from, served)
        if store.artifact(workspace.relative(served)) is None:
            contents = read_seal(artifact)["digest"]
            execution = store.begin(run.id, "promote", f"as {name} version {served.name}", contents[:16], "{}")
            store.link(execution, "input", "export", "export", uri, contents)
            store.finish(execution, "served", workspace.relative(served), contents)
        return served


def before(workspace: Workspace, name: str, train: Path) -> Path | None:
    """Newest served version that did not come from this training: what a new model is compared with.

    A version that was put there by hand and says nothing of itself is passed over.
    """
    ours = workspace.relative(train)
    for version in sorted(versions(workspace.serving / name), reverse=True):
        served = workspace.serving / name / str(version)
        if (served / facts.FILE).is_file() and origin(served).get("train") != ours:
            return served
    return None


def newest(workspace: Workspace, name: str) -> Path | None:
    """Version that is served now."""
    found = versions(workspace.serving / name)
    return workspace.serving / name / str(max(found)) if found else None


def versions(folder: Path) -> list[int]:
    """Version numbers below serving/<name>."""
    return [int(path.name) for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()]


def origin(served: Path) -> dict[str, str]:
    """What a served version says of where it came from; nothing where it was put there by hand."""
    file = served / ORIGIN
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _require_intact(artifact: Path) -> None:
    sealed = read_seal(artifact)["digest"]
    found = {name: facts for name, facts in digest.manifest(artifact).items() if name != SEAL}
    if digest.digest(found) != sealed:
        raise UserError(f"{artifact} is damaged: its files are not those that were sealed. Run with --rerun export.")


def _require_compared(workspace: Workspace, name: str, run: RunFolder) -> None:
    """The gate looked at the model served when evaluate ran; refuse if that is no longer the one to beat."""
    compared = read_seal(run.artifact("evaluate"))["fingerprint"]["inputs"].get("served")
    now = before(workspace, name, run.artifact("train"))
    if compared != (digest.file_digest(now / facts.FILE) if now else None):
        raise UserError(
            f"Another model was promoted to serving/{name} since this one was compared with what is served. "
            "Give the same command again: evaluate then compares them."
        )


def _copy(saved_model: Path, came_from: dict[str, str], served: Path) -> None:
    partial = served.parent / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(saved_model, partial, copy_function=_link_or_copy)
    digest.write_atomically(partial / ORIGIN, json.dumps(came_from, indent=2))
    partial.rename(served)


def _link_or_copy(source: str, target: str) -> None:
    """Share the bytes where the file system can; artifacts are never written again."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
