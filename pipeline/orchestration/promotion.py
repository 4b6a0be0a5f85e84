"""Promotion: copy an exported model to serving/<name>/<version>/, whole or not at all.

TensorFlow Serving watches serving/<name> and loads the highest number; it ignores other names, such as the hidden
folder in which a version is prepared.
"""

import os
import re
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pipeline.config.section import NAME
from pipeline.config.step_names import EXPORT, GATE, TRAIN, VALIDATE
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.orchestration import served_origin
from pipeline.orchestration.graph import SERVED
from pipeline.workspace import digest, integrity, json_file, lock, sealed_json
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import DamagedError, read_seal
from pipeline.workspace.store import Store


def promote(workspace: Workspace, name: str, artifact: Path, run: RunFolder, store: Store) -> Path:
    """Serve an exported model unless it is served already.

    Args:
        workspace: Where serving/ is.
        name: Folder under serving/.
        artifact: Published folder of the export step; its saved_model/ is served.
        run: Run that promotes it.
        store: Where the promotion is recorded.

    Returns:
        serving/<name>/<version>.

    Raises:
        UserError: The artifact is damaged, or what is served and stays so; or another model was promoted since the
            gate compared this one.
    """
    with _held(workspace, name, run.id):
        served = newest(workspace, name)
        uri = workspace.relative(artifact)
        if served and (uri in withdrawn(served) or served_origin.read(served).get("export") == uri):
            served_origin.require_intact(served)  # it stays, and the caller uploads it
        if served and uri in withdrawn(served):
            print(f"serving   {name}: this model was rolled back by hand. To serve it again:")
            print(f"          segline promote {uri}")
            return served
        if served is None or served_origin.read(served).get("export") != uri:
            integrity.require_intact(workspace, artifact, contents=True)
            _require_compared(workspace, name, run)
            train = workspace.relative(run.artifact(TRAIN))
            came_from = {"export": uri, "train": train, "run": run.id, "withdrawn": withdrawn(served)}
            came_from |= _statistics(run)
            served = publish(workspace, name, artifact / "saved_model", came_from)
        if store.artifact(workspace.relative(served)) is None:
            record(workspace, store, served, run.id, "promote", f"as {name} version {served.name}", artifact)
        return served


def promote_by_hand(
    workspace: Workspace, artifact: Path, store: Store, name: str | None = None, *, dry_run: bool = False
) -> Path:
    """Serve an exported model by hand; it passed the gate when it was exported.

    Args:
        workspace: Where serving/ is.
        artifact: Published folder of the export step.
        store: Where the promotion is recorded, under the run that made the artifact.
        name: Folder under serving/; None: that of its run.
        dry_run: Check everything, write nothing.

    Returns:
        serving/<name>/<version>, a new version unless the model is served already, and intact.

    Raises:
        UserError: The artifact is damaged, its run is no longer there, or `name` cannot name a folder.
    """
    if name is not None:
        _require_name(name)
    run = RunFolder.open(workspace, read_seal(artifact)["run"])
    recipe = run.recipe()
    name = name or recipe.serving_name
    integrity.require_intact(workspace, artifact, contents=True)
    uri = workspace.relative(artifact)
    with nullcontext() if dry_run else _held(workspace, name, run.id):
        served = newest(workspace, name)
        is_served = served and served_origin.read(served).get("export") == uri and served_origin.is_intact(served)
        if dry_run:
            return served if served and is_served else _next(workspace, name)
        train = workspace.relative(run.artifact(TRAIN))
        others = [export for export in withdrawn(served) if export != uri]
        came_from = {"export": uri, "train": train, "run": run.id, "by": "hand", "withdrawn": others}
        if served is None or not is_served:
            served = publish(workspace, name, artifact / "saved_model", came_from | _statistics(run))
        if store.artifact(workspace.relative(served)) is None:
            record(workspace, store, served, run.id, "promote", f"by hand, as {name} version {served.name}", artifact)
        return served


def rollback(
    workspace: Workspace, name: str, store: Store, version: int | None = None, *, dry_run: bool = False
) -> tuple[Path, int, int]:
    """Serve an earlier version again: as a new version with its contents, as TensorFlow Serving takes the highest.

    The model that was served is withdrawn: an unchanged recipe does not promote it again by itself.

    Args:
        workspace: Where serving/ is.
        name: Folder under serving/.
        store: Where it is recorded.
        version: Version to go back to; None: the newest one of another model that was not withdrawn.
        dry_run: Check everything, write nothing.

    Returns:
        serving/<name>/<version>, the version that was served, and the one whose contents are served now.

    Raises:
        UserError: There is no such version, or none to go back to.
    """
    _require_name(name)
    numbers = sorted(versions(workspace.serving / name)) if (workspace.serving / name).is_dir() else []
    if not numbers:
        raise UserError(f"Nothing is served as {name!r}. Served: {', '.join(_names(workspace)) or 'nothing'}.")
    with nullcontext() if dry_run else _held(workspace, name, "rollback"):
        served = newest(workspace, name)
        assert served
        bad = served_origin.read(served).get("export")
        out = sorted({*withdrawn(served), *([bad] if bad else [])})
        if version is None:
            earlier = [one for one in numbers if _export_of(served.parent / str(one)) not in (*out, None)]
            if not earlier:
                raise UserError(f"{name} has no earlier version of another model to go back to. Versions: {numbers}.")
            version = earlier[-1]
        elif version not in numbers or version == int(served.name):
            allowed = ", ".join(map(str, numbers[:-1])) or "there is none"
            raise UserError(f"--to must be an earlier version of {name}: {allowed}. Received: {version}.")
        if dry_run:
            return _next(workspace, name), int(served.name), version
        source = served.parent / str(version)
        served_origin.require_intact(source)
        old = served_origin.read(source)
        out = [export for export in out if export != old.get("export")]
        new = publish(workspace, name, source, {**old, "by": "rollback", "restores": str(version), "withdrawn": out})
        if old.get("run") and old.get("export"):
            reason = f"from version {served.name} to the model of version {version}, as version {new.name}"
            record(workspace, store, new, old["run"], "rollback", reason, workspace.root / old["export"])
        return new, int(served.name), version


def publish(workspace: Workspace, name: str, saved_model: Path, came_from: dict[str, Any]) -> Path:
    """Copy a SavedModel to the next version of serving/<name>, whole or not at all; the lock of `name` must be held."""
    target = _next(workspace, name)
    _copy(saved_model, came_from, target)
    return target


def record(workspace: Workspace, store: Store, served: Path, run: str, step: str, reason: str, artifact: Path) -> None:
    """Record that `served` was made of `artifact`, under a run."""
    contents = read_seal(artifact)["digest"]
    store.begin_run(run, "unknown", "unknown", "unknown", "stepwise")  # kept as it is where the store knows the run
    execution = store.begin(run, step, reason, contents[:16], "{}")
    store.link(execution, "input", EXPORT, EXPORT, workspace.relative(artifact), contents)
    store.finish(execution, "served", workspace.relative(served), digest_of(served))


def withdrawn(served: Path | None) -> list[str]:
    """Return the exports that were rolled back by hand; each served version inherits the list."""
    exports: list[str] = served_origin.read(served).get("withdrawn", []) if served else []
    return exports


def before(workspace: Workspace, name: str, train: Path) -> Path | None:
    """Return the newest served version of another training, with which a new model is compared.

    Skipped are versions that were copied there by hand without metadata, and those rolled back.
    """
    ours, now = workspace.relative(train), newest(workspace, name)
    out = withdrawn(now)
    for version in sorted(versions(workspace.serving / name), reverse=True):
        served = workspace.serving / name / str(version)
        came_from = served_origin.read(served)
        if (served / facts.FILE).is_file() and came_from.get("train") != ours and came_from.get("export") not in out:
            return served
    return None


def newest(workspace: Workspace, name: str) -> Path | None:
    """Return the version that is served now, or None."""
    numbers = versions(workspace.serving / name)
    return workspace.serving / name / str(max(numbers)) if numbers else None


def versions(folder: Path) -> list[int]:
    """Return the version numbers below serving/<name>."""
    return [int(path.name) for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()]


def digest_of(served: Path) -> str:
    """Return the digest of a served version without its origin file."""
    return digest.digest(_files(served))


def _require_name(name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise UserError(
            "What is served must be named with letters, digits, `_`, `.` and `-`, a letter or digit first: it names a "
            f"folder under serving/. Received: {name!r}."
        )


def _next(workspace: Workspace, name: str) -> Path:
    """Return the folder of the next version."""
    served = newest(workspace, name)
    return workspace.serving / name / str(int(served.name) + 1 if served else 1)


def _require_compared(workspace: Workspace, name: str, run: RunFolder) -> None:
    """Raise UserError unless the gate compared this model with the one that is served now."""
    compared = read_seal(run.artifact(GATE))["fingerprint"]["inputs"].get(SERVED)
    now = before(workspace, name, run.artifact(TRAIN))
    if compared != (digest.file_digest(now / facts.FILE) if now else None):
        raise UserError(
            f"Another model was promoted to serving/{name} since this one was compared with what is served. "
            "Give the same command again: the gate then compares them."
        )


def _export_of(served: Path) -> str | None:
    """Return the export of a served version; None for one copied there by hand, or damaged, which is printed."""
    try:
        export: str | None = served_origin.read(served).get("export")
    except DamagedError as error:
        print(f"skipped   version {served.name}: {error.what}")
        return None
    return export


def _statistics(run: RunFolder) -> dict[str, Any]:
    """Return the statistics of a model's training data, with which later data are compared (pipeline/data/drift.py)."""
    file = run.path / VALIDATE / "statistics.json"
    return {"statistics": json_file.read(file)} if file.is_file() else {}


def _held(workspace: Workspace, name: str, holder: str) -> AbstractContextManager[None]:
    """Hold the lock of serving/<name>."""
    folder = workspace.serving / name
    folder.mkdir(parents=True, exist_ok=True)
    return lock.hold(folder / ".lock", holder, wait=True, on_wait=print)


def _names(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in workspace.serving.glob("*") if versions(path))


def _copy(saved_model: Path, came_from: dict[str, Any], served: Path) -> None:
    partial = served.parent / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(saved_model, partial, copy_function=_link_or_copy)
    files = {name: content for name, (_, _, content) in _files(partial).items()}
    described = {**came_from, "version": int(served.name), "files": files}
    digest.write_atomically(partial / served_origin.ORIGIN, sealed_json.text(described, indent=2))
    partial.rename(served)


def _files(served: Path) -> digest.Manifest:
    return {name: entry for name, entry in digest.manifest(served).items() if name != served_origin.ORIGIN.as_posix()}


def _link_or_copy(source: str, target: str) -> None:
    """Link the file where the file system can, which is safe: artifacts are never written again."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
