"""Run a recipe: each step is reused or run, in a process of its own, and published whole or not at all.

fingerprint -> complete? reuse : lock the slot -> run into <key>.partial -> check -> seal -> rename -> record
"""

import json
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pipeline.cluster.watchdog import Watch
from pipeline.config.recipe import Recipe, settings
from pipeline.console.quiet import stderr_to
from pipeline.data import drift
from pipeline.errors import GateError, Interrupted
from pipeline.evaluation import evaluation_check
from pipeline.export import facts
from pipeline.lineage.status import duration
from pipeline.orchestration import network_check, promotion, shared_results
from pipeline.orchestration.child_process import run_child
from pipeline.orchestration.error_advice import explain
from pipeline.orchestration.graph import CACHE, CACHE_ANEW, DIGESTS, RAW, REFUSAL, SERVED, STEPS, Step
from pipeline.orchestration.plan import Input, Plan
from pipeline.orchestration.rendezvous import Crew
from pipeline.storage import raw_files, remote
from pipeline.workspace import digest, lock, properties
from pipeline.workspace.fingerprint import Fingerprint, code_of, environment_of
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


class Runner:
    """Executes the steps of one run.

    Attributes:
        workspace, recipe, run: Where, what, and which run.
        wait: Wait where another run holds the slot of a step; otherwise end with LockHeldError.
        crew: The other workers, where this is the chief of several.
    """

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        run: RunFolder,
        store: Store,
        *,
        wait: bool,
        crew: Crew | None = None,
    ) -> None:
        self.workspace, self.recipe, self.run, self.store, self.wait = workspace, recipe, run, store, wait
        self.crew = crew

    def run_all(self, until: str | None, rerun: frozenset[str]) -> None:
        """Bring every step up to date, in order. A step that must run does so in a child process.

        Args:
            until: Last step, or None for all.
            rerun: Steps that run even where their result could be reused.
        """
        uploads = shared_results.Uploads(self.workspace.shared)
        for step in STEPS:
            again = step.name in rerun
            plan = self.plan(step, again=again)
            if plan.found:
                self._reuse(plan, plan.found)
            elif uploads.cut or not self._fetched(plan, again=again):
                if step.name == "ingest" and until not in ("ingest", "validate"):
                    network_check.require(self.recipe, self.run)
                print(f"{step.name:<9} runs     {plan.reason}")
                with self._called(step, again=again) as watch:
                    run_child(self.run, self.workspace, step.name, again=again, wait=self.wait, watch=watch)
            uploads.add(self.run.artifact(step.name))
            if step.name == until:
                break
            if step.name == "ingest":
                evaluation_check.require(self.run.artifact(step.name), self.recipe.evaluate)
        uploads.finish()

    def _called(self, step: Step, *, again: bool) -> AbstractContextManager[Watch | None]:
        """Call the other workers to help, where there are some and the step is done together."""
        if self.crew and step.shared_out(self.recipe):
            return self.crew.called(self.run.id, step.name, again=again)
        return nullcontext()

    def plan(self, step: Step, *, again: bool) -> Plan:
        """Work out whether `step` can be reused. Imports nothing heavy and changes nothing but remembered digests."""
        inputs = self.inputs(step)
        fingerprint = self.fingerprint(step, inputs)
        found = None if again else self.workspace.complete(step.name, fingerprint.key)
        if found:
            return Plan(step, inputs, fingerprint, found, "nothing it depends on has changed")
        reason = "--rerun asks for it" if again else self.why(step, fingerprint)
        return Plan(step, inputs, fingerprint, None, reason)

    def fingerprint(self, step: Step, inputs: Mapping[str, Input]) -> Fingerprint:
        """What the result of `step` depends on, given what it reads."""
        chosen = [module for name in step.sections for module in self.recipe.section(name).modules()]
        code, libraries = code_of([step.module, *chosen])
        files = [file for name in step.sections for file in self.recipe.section(name).files().items()]
        return Fingerprint(
            settings=settings(self.recipe, step.sections),
            inputs={name: found.digest for name, found in inputs.items()}
            | {name: digest.file_digest(path) for name, path in files},
            code=code,
            libraries=libraries,
            version=step.version,
            environment=environment_of(libraries),
        )

    def execute(self, step: Step, *, again: bool) -> None:
        """Reuse or run one step in this process. `segline step` and every orchestrator come here."""
        if step.name == "train":  # run_all looks before; of an orchestrator's steps this one would be in vain
            evaluation_check.require(self.run.artifact("ingest"), self.recipe.evaluate)
        plan = self.plan(step, again=again)
        with self._slot(plan):
            if again or not self._have(plan):
                self._make(plan, again=again)

    def _slot(self, plan: Plan) -> AbstractContextManager[None]:
        """Hold the lock under which a step's result is made, or fetched."""
        slot, said = self.workspace.lock(plan.step.name, plan.fingerprint.key), f"{plan.step.name:<9} "
        return lock.hold(slot, self.run.id, wait=self.wait, on_wait=lambda line: print(said + line))

    def _have(self, plan: Plan) -> bool:
        """Use a result that is there, here or on the shared storage, if it is. The slot must be held."""
        # Whoever held the slot before us may have made just what we need.
        if found := self.workspace.complete(plan.step.name, plan.fingerprint.key):
            self._reuse(plan, found)
        elif found := shared_results.take(plan, self.workspace, self.run, self.store):
            self._follow(plan.step, found)
        return found is not None

    def _fetched(self, plan: Plan, *, again: bool) -> bool:
        if again or not self.workspace.shared:
            return False
        with self._slot(plan):
            return self._have(plan)

    def _make(self, plan: Plan, *, again: bool) -> None:
        step, key = plan.step, plan.fingerprint.key
        partial = self.workspace.partial(step.name, key)
        if not step.resumes:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        (partial / SEAL).unlink(missing_ok=True)  # of one that was killed before its rename
        execution = self.store.begin(self.run.id, step.name, plan.reason, key, plan.fingerprint.to_json())
        for name, found in plan.inputs.items():
            self.store.link(execution, "input", name, found.kind, self.workspace.relative(found.path), found.digest)
        began = time.monotonic()
        try:
            with stderr_to(self.run.log_file):  # the import of TensorFlow
                work = step.run
            paths = {name: found.path for name, found in plan.inputs.items()}
            work(self.recipe.only(step.sections), paths | self.aids(plan, again=again), partial)
            step.require_written(partial)
        except BaseException as error:
            if not step.resumes:
                shutil.rmtree(partial, ignore_errors=True)
            told = explain(error, self.workspace.root)
            self.store.end(execution, _state(told), str(told) or type(told).__name__)
            raise
        artifact = self._publish(plan, partial, execution)
        self._promote(step, artifact)
        self._report(step)
        print(f"{step.name:<9} done     in {duration(time.monotonic() - began)}")
        self._check_drift(step)

    def _publish(self, plan: Plan, partial: Path, execution: int) -> Path:
        """Seal the finished folder and rename it into place: before the rename nothing is there, after it all is."""
        step, key = plan.step, plan.fingerprint.key
        files = digest.manifest(partial)
        contents = digest.digest(files)
        seal = {
            "step": step.name,
            "run": self.run.id,
            "execution": execution,
            "code": (self.run.path / "code.txt").read_text(encoding="utf-8").strip(),
            "made": time.time(),
            "digest": contents,
            "fingerprint": json.loads(plan.fingerprint.to_json()),
            "files": {name: found for name, (_, _, found) in files.items()},
        }
        digest.write_atomically(partial / SEAL, json.dumps(seal))
        artifact = self.workspace.next_attempt(step.name, key)
        partial.rename(artifact)
        self.run.link(step.name, artifact)
        self.store.finish(execution, step.name, self.workspace.relative(artifact), contents, properties.of(artifact))
        return artifact

    def _reuse(self, plan: Plan, artifact: Path) -> None:
        seal = read_seal(artifact)
        self._complete_record(plan, artifact, seal)
        key = plan.fingerprint.key
        execution = self.store.begin(self.run.id, plan.step.name, plan.reason, key, plan.fingerprint.to_json())
        self.store.link(
            execution, "output", plan.step.name, plan.step.name, self.workspace.relative(artifact), seal["digest"]
        )
        self.store.end(execution, "reused")
        self.run.link(plan.step.name, artifact)
        print(f"{plan.step.name:<9} reused   made by run {seal['run']}")
        self._follow(plan.step, artifact)

    def _follow(self, step: Step, artifact: Path) -> None:
        """Do what follows from a result, whoever made it."""
        self._promote(step, artifact)
        self._report(step)
        self._check_drift(step)

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
        self.store.finish(execution, step, uri, seal["digest"], properties.of(artifact))

    def _promote(self, step: Step, artifact: Path) -> None:
        if step.promotes:
            name = serving_name(self.recipe)
            served = promotion.promote(self.workspace, name, artifact, self.run, self.store)
            print(f"{'serving':<9} {self.workspace.relative(served)}")
            if self.recipe.export.url and (uploaded := remote.publish(served, self.recipe.export.url)):
                print(f"{'uploaded':<9} {uploaded}")

    def _check_drift(self, step: Step) -> None:
        if step.name == "validate":
            limits = self.recipe.validate_.drift
            drift.check(self.workspace, self.run, self.store, name=serving_name(self.recipe), config=limits)

    def _report(self, step: Step) -> None:
        """Write the run's report where `step` gives it something to tell."""
        if step.name in ("evaluate", "export"):
            from pipeline.report import page as report  # NumPy and Pillow: where a report is due, and not before

            report.write(self.workspace, self.run)

    def inputs(self, step: Step, without: Collection[str] = ()) -> dict[str, Input]:
        """What `step` reads, by name, but for those `without`."""
        found: dict[str, Input] = {}
        for name in (name for name in step.reads if name not in without):
            if name == RAW:
                found[name] = self._raw()
            elif name == SERVED:
                if before := promotion.before(self.workspace, serving_name(self.recipe), self.run.artifact("train")):
                    found[name] = Input(before, digest.file_digest(before / facts.FILE), "served")
            else:
                artifact = self.run.artifact(name)
                found[name] = Input(artifact, read_seal(artifact)["digest"], name)
        return found

    def _raw(self) -> Input:
        data = self.recipe.data
        folder = raw_files.local(data)
        return Input(folder, raw_files.contents(data, self.workspace, folder), RAW)

    def aids(self, plan: Plan, *, again: bool) -> dict[str, Path]:
        """Give what a cached step works with: a folder for all runs, and the raw files' digests."""
        if not plan.step.cached:
            return {}
        if RAW not in plan.inputs:  # what is kept there is named by all that it depends on
            return {CACHE: self.workspace.cache(plan.step.name, "shared")}
        return {
            CACHE_ANEW if again else CACHE: self.workspace.cache(plan.step.name, plan.fingerprint.code_key(RAW)),
            REFUSAL: self.run.refusal,
            DIGESTS: raw_files.memory(self.recipe.data, self.workspace, plan.inputs[RAW].path),
        }

    def why(self, step: Step, fingerprint: Fingerprint) -> str:
        """Say in one line what has changed since the step's newest result."""
        old = self.store.last_fingerprint(step.name, self.recipe.name)
        if old is None:
            return "for the first time"
        return fingerprint.difference(old) or "its earlier result is no longer there"


def serving_name(recipe: Recipe) -> str:
    """Folder under serving/ that a recipe's model goes to."""
    return recipe.export.name or recipe.name


def _state(error: BaseException) -> str:
    if isinstance(error, Interrupted):
        return "interrupted"
    return "refused" if isinstance(error, GateError) else "failed"
