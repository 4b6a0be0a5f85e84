"""Run a recipe: each step is reused or run, in a process of its own, and published whole or not at all.

fingerprint -> complete? reuse : lock the slot -> run into <key>.partial -> check -> seal -> rename -> record
"""

import json
import shutil
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import catalog
from pipeline import digest, facts, lock, records, serving
from pipeline.child import run_child
from pipeline.config import Recipe, settings
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.explain import explain
from pipeline.fingerprint import Fingerprint, code_of
from pipeline.graph import RAW, SERVED, STEPS, Step
from pipeline.quiet import stderr_to
from pipeline.run_folder import RunFolder
from pipeline.status import duration
from pipeline.store import Store
from pipeline.workspace import SEAL, Workspace, read_seal


@dataclass(frozen=True)
class Input:
    """One thing that a step reads: a folder and the digest of what is in it."""

    path: Path
    digest: str
    kind: str


@dataclass(frozen=True)
class Plan:
    """What is to be done for one step.

    Attributes:
        step: The step.
        inputs: What it reads, by name.
        fingerprint: What its result depends on.
        found: A complete artifact with this fingerprint, or None.
        reason: Why it is reused or run, in one line.
    """

    step: Step
    inputs: dict[str, Input]
    fingerprint: Fingerprint
    found: Path | None
    reason: str


class Runner:
    """Executes the steps of one run.

    Attributes:
        workspace, recipe, run: Where, what, and which run.
        wait: Wait where another run holds the slot of a step; otherwise end with LockHeldError.
    """

    def __init__(self, workspace: Workspace, recipe: Recipe, run: RunFolder, store: Store, *, wait: bool) -> None:
        self.workspace, self.recipe, self.run, self.store, self.wait = workspace, recipe, run, store, wait

    def run_all(self, until: str | None, rerun: frozenset[str]) -> None:
        """Bring every step up to date, in order. A step that must run does so in a child process.

        Args:
            until: Last step, or None for all.
            rerun: Steps that run even where their result could be reused.
        """
        for step in STEPS:
            again = step.name in rerun
            plan = self.plan(step, again=again)
            if plan.found:
                self._reuse(plan, plan.found)
            else:
                print(f"{step.name:<9} runs     {plan.reason}")
                run_child(self.run, self.workspace, step.name, again=again, wait=self.wait)
            if step.name == until:
                return
            if step.name == "ingest":  # an hour of training later would be late to learn it
                records.require(self.run.artifact(step.name) / "records", self.recipe.evaluate.split)

    def plan(self, step: Step, *, again: bool) -> Plan:
        """Work out whether `step` can be reused. Imports nothing heavy and changes nothing but remembered digests."""
        inputs = self._inputs(step)
        chosen = [module for name in step.sections for module in self.recipe.section(name).modules()]
        code, libraries = code_of([step.module, *chosen])
        files = [file for name in step.sections for file in self.recipe.section(name).files().items()]
        fingerprint = Fingerprint(
            settings=settings(self.recipe, step.sections),
            inputs={name: found.digest for name, found in inputs.items()}
            | {name: digest.file_digest(path) for name, path in files},
            code=code,
            libraries=libraries,
            version=step.version,
        )
        found = None if again else self.workspace.complete(step.name, fingerprint.key)
        if found:
            return Plan(step, inputs, fingerprint, found, "nothing it depends on has changed")
        reason = "--rerun asks for it" if again else self._why(step, fingerprint)
        return Plan(step, inputs, fingerprint, None, reason)

    def execute(self, step: Step, *, again: bool) -> None:
        """Reuse or run one step in this process. `segline step` and every orchestrator come here."""
        plan = self.plan(step, again=again)
        slot = self.workspace.lock(step.name, plan.fingerprint.key)
        with ExitStack() as stack:
            said = f"{step.name:<9} "
            stack.enter_context(lock.hold(slot, self.run.id, wait=self.wait, on_wait=lambda line: print(said + line)))
            # Whoever held the slot before us may have made just what we need.
            found = None if again else self.workspace.complete(step.name, plan.fingerprint.key)
            if found:
                self._reuse(plan, found)
                return
            self._make(plan)

    def _make(self, plan: Plan) -> None:
        step, key = plan.step, plan.fingerprint.key
        partial = self.workspace.partial(step.name, key)
        if not step.resumes:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        execution = self.store.begin(self.run.id, step.name, plan.reason, key, plan.fingerprint.to_json())
        for name, found in plan.inputs.items():
            self.store.link(execution, "input", name, found.kind, self.workspace.relative(found.path), found.digest)
        began = time.monotonic()
        try:
            with stderr_to(self.run.log_file):  # the import of TensorFlow
                work = step.run
            work(self.recipe.only(step.sections), {name: found.path for name, found in plan.inputs.items()}, partial)
            self._check_complete(step, partial)
        except BaseException as error:
            if not step.resumes:
                shutil.rmtree(partial, ignore_errors=True)
            told = explain(error, self.workspace.root)
            self.store.end(execution, _state(told), str(told) or type(told).__name__)
            raise
        artifact = self._publish(plan, partial, execution)
        self._promote(step, artifact)
        print(f"{step.name:<9} done     in {duration(time.monotonic() - began)}")

    def _publish(self, plan: Plan, partial: Path, execution: int) -> Path:
        """Seal the finished folder and rename it into place: before the rename nothing is there, after it all is."""
        step, key = plan.step, plan.fingerprint.key
        contents = digest.digest(digest.manifest(partial))
        seal = {
            "step": step.name,
            "run": self.run.id,
            "execution": execution,
            "made": time.time(),
            "digest": contents,
            "fingerprint": json.loads(plan.fingerprint.to_json()),
        }
        digest.write_atomically(partial / SEAL, json.dumps(seal))
        artifact = self.workspace.next_attempt(step.name, key)
        partial.rename(artifact)
        self.run.link(step.name, artifact)
        self.store.finish(execution, step.name, self.workspace.relative(artifact), contents)
        return artifact

    def _reuse(self, plan: Plan, artifact: Path) -> None:
        seal = read_seal(artifact)
        self._complete_record(plan, artifact, seal)
        key = plan.fingerprint.key
        execution = self.store.begin(self.run.id, plan.step.name, plan.reason, key, plan.fingerprint.to_json())
        self.store.end(execution, "reused")
        self.run.link(plan.step.name, artifact)
        print(f"{plan.step.name:<9} reused   made by run {seal['run']}")
        self._promote(plan.step, artifact)

    def _complete_record(self, plan: Plan, artifact: Path, seal: dict[str, Any]) -> None:
        """Record who made an artifact where the store does not know: its run was killed, or the store is a new one."""
        uri, step = self.workspace.relative(artifact), plan.step.name
        known = self.store.artifact(uri)
        if known and self.store.producer(known["id"]):
            return
        execution, maker = seal["execution"], self.store.execution(seal["execution"])
        if maker is None or (maker["run"], maker["step"], maker["key"]) != (seal["run"], step, plan.fingerprint.key):
            reason = f"made by run {seal['run']}, which this store does not know"
            execution = self.store.begin(self.run.id, step, reason, plan.fingerprint.key, plan.fingerprint.to_json())
            for name, found in plan.inputs.items():
                self.store.link(execution, "input", name, found.kind, self.workspace.relative(found.path), found.digest)
        self.store.finish(execution, step, uri, seal["digest"])

    def _promote(self, step: Step, artifact: Path) -> None:
        if step.promotes:
            name = serving_name(self.recipe)
            served = serving.promote(self.workspace, name, artifact, self.run, self.store)
            print(f"{'serving':<9} {self.workspace.relative(served)}")

    def _inputs(self, step: Step) -> dict[str, Input]:
        found: dict[str, Input] = {}
        for name in step.reads:
            if name == RAW:
                found[name] = self._raw()
            elif name == SERVED:
                if before := serving.before(self.workspace, serving_name(self.recipe), self.run.artifact("train")):
                    found[name] = Input(before, digest.file_digest(before / facts.FILE), "served")
            else:
                artifact = self.run.artifact(name)
                found[name] = Input(artifact, read_seal(artifact)["digest"], name)
        return found

    def _raw(self) -> Input:
        folder = self.recipe.data.manual_dir.expanduser()
        sources = catalog.spec(self.recipe.data.name).sources
        if not folder.is_dir():
            raise UserError(
                f"data.manual_dir: there is no folder {str(folder)!r} (looked from {Path.cwd()}). "
                f"It should hold the raw files of {self.recipe.data.name}: {', '.join(sources)}."
            )
        folder = folder.resolve()
        memory = self.workspace.memory(digest.text_digest(str(folder)))
        return Input(folder, digest.remembered(folder, sources, memory), "raw")

    def _why(self, step: Step, fingerprint: Fingerprint) -> str:
        old = self.store.last_fingerprint(step.name, self.recipe.name)
        if old is None:
            return "for the first time"
        changes = fingerprint.changes(old)
        if not changes:
            return "its earlier result is no longer there"
        more = f" (and {len(changes) - 2} more)" if len(changes) > 2 else ""
        return "; ".join(changes[:2]) + more

    @staticmethod
    def _check_complete(step: Step, folder: Path) -> None:
        missing = [name for name in step.writes if not (folder / name).exists()]
        if missing:
            raise RuntimeError(f"Step {step.name} ended without writing {', '.join(missing)}.")


def remove_leftovers(workspace: Workspace) -> None:
    """Remove what killed steps left behind that can no longer be resumed; a living step holds its slot's lock."""
    for step in STEPS:
        for partial in workspace.partials(step.name) if not step.resumes else []:
            if not lock.is_held(workspace.lock(step.name, partial.stem)):
                shutil.rmtree(partial, ignore_errors=True)


def serving_name(recipe: Recipe) -> str:
    """Folder under serving/ that a recipe's model goes to."""
    return recipe.export.name or recipe.name


def _state(error: BaseException) -> str:
    if isinstance(error, Interrupted):
        return "interrupted"
    return "refused" if isinstance(error, GateError) else "failed"
