"""`segline recover`: complete the store from the seals of the artifacts, the origins of served models and the runs.

A damaged store is set aside first, and a new one is written. What no seal says is lost with it: runs that failed or
were removed, reasons, and the slots of schedules. Nothing is removed, and no result is run again.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.step_names import EXPORT, STEP_NAMES
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.orchestration import promotion, served_origin
from pipeline.orchestration.graph import RAW, SERVED
from pipeline.workspace import digest, lock, properties, store_file
from pipeline.workspace.fingerprint import canonical_json, key_of
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, DamagedError, Seal, read_seal
from pipeline.workspace.store import Store
from pipeline.workspace.store_file import StoreError


@dataclass
class Recovered:
    """What was written into the store.

    Attributes:
        damage: Why the old store was set aside; empty if it was sound.
        aside: Folder with the old store; None if it was sound, or not there.
        runs, artifacts, served: Names and paths of what the store did not know.
        skipped: What could not be read, and so is not in the store.
    """

    damage: str = ""
    aside: Path | None = None
    runs: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def recover(workspace: Workspace, *, dry_run: bool, wait: bool) -> Recovered:
    """Complete the store of a workspace; with `dry_run` change nothing and return what would be done.

    Raises:
        UserError: There is no result, or the store is of a newer Segline.
        LockHeldError: A run is in progress, and `wait` is false.
    """
    if not workspace.holds_results:
        raise UserError(f"{workspace.root} holds no results. Name the workspace: --workspace DIR.")
    if dry_run:
        recovered = Recovered(damage=_damage(workspace))
        is_kept = workspace.store.is_file() and not recovered.damage
        memory = store_file.in_memory(workspace.store) if is_kept else sqlite3.connect(":memory:", isolation_level=None)
        _Rebuild(workspace, Store(workspace.store, memory), recovered).complete()
        return recovered
    with lock.exclusive(workspace.in_use, wait=wait, on_wait=print):
        recovered = Recovered(damage=_damage(workspace))
        if recovered.damage:
            recovered.aside = _set_aside(workspace)
        store = Store(workspace.store)
        with store.transaction():  # a kill leaves the store without all of it, and no execution without its result
            _Rebuild(workspace, store, recovered).complete()
        store.close()
    return recovered


def lines(recovered: Recovered, *, dry_run: bool) -> list[str]:
    """Describe what was, or would be, written."""
    described = [f"damaged   {recovered.damage}"] if recovered.damage else []
    described += [f"aside     {recovered.aside}"] if recovered.aside else []
    for kind, names in (("run", recovered.runs), ("artifact", recovered.artifacts), ("served", recovered.served)):
        described += [f"{kind:<9} {name}" for name in names]
    described += [f"left out  {text}" for text in recovered.skipped]
    known = len(recovered.runs), len(recovered.artifacts), len(recovered.served)
    counts = "{} runs, {} artifacts, {} served models".format(*known)
    return [*described, f"{'would be written' if dry_run else 'written'} into the store: {counts}"]


def _damage(workspace: Workspace) -> str:
    if not workspace.store.exists():
        return ""
    try:
        store = Store.reading(workspace.store)
        try:
            return "; ".join(store.damage()[:3])
        finally:
            store.close()
    except StoreError as error:
        return str(error).removesuffix(store_file.REMEDY).strip()


def _set_aside(workspace: Workspace) -> Path:
    numbers = (number for number in range(1, 10**6) if not _aside(workspace, number).exists())
    folder = _aside(workspace, next(numbers))
    folder.mkdir()
    for suffix in ("", *store_file.SIDE_FILES):
        file = workspace.store.with_name(workspace.store.name + suffix)
        if file.exists():
            file.rename(folder / file.name.replace("store", "damaged", 1))  # no workspace of its own
    return folder


def _aside(workspace: Workspace, number: int) -> Path:
    return workspace.root / f"damaged-store-{number}"


class _Rebuild:
    """Writes into a store what it does not know."""

    def __init__(self, workspace: Workspace, store: Store, recovered: Recovered) -> None:
        self.workspace, self.store, self.recovered = workspace, store, recovered
        self.seals = dict(sorted(self._read_seals(), key=lambda item: item[1]["made"]))
        self.resolved = {path.resolve(): path for path in self.seals}

    def complete(self) -> None:
        runs = [path for path in (self.workspace.root / "runs").glob("[!.]*") if path.is_dir()]
        for name in sorted({*(path.name for path in runs), *(seal["run"] for seal in self.seals.values())}):
            self._run(name)
        for artifact, seal in self.seals.items():
            self._artifact(artifact, seal)
        for run in runs:
            self._reused(run)
        for served in sorted(self.workspace.serving.glob("*")):
            for version in sorted(promotion.versions(served)):
                self._served(served / str(version))

    def _read_seals(self) -> Iterator[tuple[Path, Seal]]:
        for file in sorted((self.workspace.root / "artifacts").glob(f"*/[!.]*/{SEAL}")):
            if file.parent.suffix != ".partial":
                try:
                    yield file.parent, read_seal(file.parent)
                except DamagedError as error:
                    self.recovered.skipped.append(str(error))

    def _run(self, name: str) -> None:
        if self.store.rows("SELECT id FROM runs WHERE id = ?", name):
            return
        folder, made = RunFolder(self.workspace.run(name)), [s for s in self.seals.values() if s["run"] == name]
        times = [seal["made"] for seal in made]
        if folder.path.is_dir():
            times.append(folder.path.stat().st_mtime)
        code = made[0].get("code", "unknown") if made else "unknown"
        facts_of = {"command": _text(folder.path / "command.txt"), "code": _text(folder.path / "code.txt", code)}
        moments = {"started": min(times), "finished": max(times)}
        self.store.restore_run({"id": name, "recipe": _recipe(folder), **facts_of, **moments})
        self.recovered.runs.append(name)

    def _artifact(self, artifact: Path, seal: Seal) -> None:
        uri, step = self.workspace.relative(artifact), seal["step"]
        known = self.store.artifact(uri)
        if known and known["digest"] == seal["digest"] and self.store.producer(known["id"]):
            return
        execution = self.store.restore(seal["run"], step, "done", *_fingerprint(seal), seal["made"])
        for name, content in seal["fingerprint"]["inputs"].items():
            if source := self._input(name, content, seal):
                self.store.link(execution, "input", name, name, source, content)
        self.store.link(execution, "output", step, step, uri, seal["digest"], _properties(artifact))
        self.recovered.artifacts.append(uri)

    def _input(self, name: str, content: str, seal: Seal) -> str | None:
        """Return the path of what a step read, given its digest; None where it is no longer known."""
        if name in STEP_NAMES:
            same = [path for path, one in self.seals.items() if one["step"] == name and one["digest"] == content]
            earlier = [path for path in same if self.seals[path]["made"] <= seal["made"]]
            return self.workspace.relative((earlier or same)[-1]) if same else None
        if name == SERVED:
            files = sorted(self.workspace.serving.glob(f"*/*/{facts.FILE}"))
            versions = [file.parents[1] for file in files if digest.file_digest(file) == content]
            return self.workspace.relative(versions[0]) if versions else None
        return _raw_folder(self.workspace, RunFolder(self.workspace.run(seal["run"]))) if name == RAW else None

    def _reused(self, run: Path) -> None:
        """Record what a run used that another run had made: its links to it."""
        listed = {row["uri"] for row in self.store.outputs(run.name)}
        for link in sorted(path for path in run.glob("[!.]*") if path.is_symlink()):
            artifact = self.resolved.get(link.resolve())
            if artifact and (uri := self.workspace.relative(artifact)) not in listed:
                seal, moment = self.seals[artifact], link.lstat().st_mtime
                execution = self.store.restore(run.name, link.name, "reused", *_fingerprint(seal), moment)
                self.store.link(execution, "output", link.name, link.name, uri, seal["digest"])

    def _served(self, served: Path) -> None:
        uri = self.workspace.relative(served)
        if self.store.artifact(uri):
            return
        try:
            origin = served_origin.read(served)
        except DamagedError as error:
            self.recovered.skipped.append(str(error))
            return
        if "files" not in origin:  # copied there by hand
            return
        run, contents = origin.get("run", "unknown"), digest.of_contents(origin["files"])
        moment = (served / served_origin.ORIGIN).stat().st_mtime
        unknown = {"recipe": "unknown", "command": "unknown", "code": "unknown"}
        self.store.restore_run({"id": run, **unknown, "started": moment, "finished": moment})
        step = "rollback" if "restores" in origin else "promote"
        execution = self.store.restore(run, step, "done", contents[:16], "{}", moment)
        if seal := self.seals.get(self.workspace.root / origin.get("export", "")):
            self.store.link(execution, "input", EXPORT, EXPORT, origin["export"], seal["digest"])
        self.store.link(execution, "output", "served", "served", uri, contents)
        self.recovered.served.append(uri)


def _fingerprint(seal: Seal) -> tuple[str, str]:
    return key_of(seal["fingerprint"]), canonical_json(seal["fingerprint"])


def _properties(artifact: Path) -> dict[str, object]:
    try:
        return properties.of(artifact)
    except (OSError, ValueError, KeyError, TypeError):  # a damaged file, which `segline verify` names
        return {}


def _recipe(folder: RunFolder) -> str:
    try:
        return folder.recipe().name
    except (UserError, OSError):
        return "unknown"


def _raw_folder(workspace: Workspace, folder: RunFolder) -> str | None:
    try:
        return workspace.relative(folder.recipe().data.manual_dir.expanduser())
    except (UserError, OSError):
        return None


def _text(path: Path, otherwise: str = "unknown") -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or otherwise
    except OSError:
        return otherwise
