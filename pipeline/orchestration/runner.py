"""Run a recipe: each step is reused or run, in a process of its own, and published whole or not at all.

fingerprint -> complete? reuse : lock the slot -> run into <key>.partial -> check -> seal -> rename -> record
"""

import itertools
import json
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from pipeline.cluster.watchdog import Watch
from pipeline.config.recipe import Recipe, settings
from pipeline.config.step_names import STEP_NAMES
from pipeline.console.quiet import stderr_to
from pipeline.console.terminal import duration
from pipeline.errors import GateError, Interrupted, UserError
from pipeline.orchestration import publication, shared_results
from pipeline.orchestration.child_process import run_child
from pipeline.orchestration.error_advice import as_user_error
from pipeline.orchestration.follow_up import around
from pipeline.orchestration.graph import CACHE, DIGESTS, FRESH_CACHE, RAW, REFUSAL, STEPS, Step
from pipeline.orchestration.outside_inputs import OUTSIDE
from pipeline.orchestration.plan import Context, Input, Plan
from pipeline.orchestration.rendezvous import Workers
from pipeline.storage import raw_files
from pipeline.workspace import digest, integrity, lock
from pipeline.workspace.fingerprint import Fingerprint, code_of, environment_of
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, DamagedError, Seal, damaged, read_seal
from pipeline.workspace.store import Store


class Runner:
    """Executes the steps of one run.

    Attributes:
        workspace, recipe, run: Where, what, and which run.
        wait: Wait where another run holds the slot of a step; otherwise end with LockHeldError.
        verify: Read every file of what is used again, not only those whose size or mtime has changed.
        workers: The other workers, where this is the chief of several.
    """

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        run: RunFolder,
        store: Store,
        *,
        wait: bool,
        verify: bool = False,
        workers: Workers | None = None,
    ) -> None:
        self.workspace, self.recipe, self.run, self.store, self.wait = workspace, recipe, run, store, wait
        self.verify, self.workers = verify, workers
        self.context = Context(workspace, recipe, run, store)

    def run_all(self, until: str | None, rerun: frozenset[str]) -> None:
        """Bring every step up to date, in order. A step that must run does so in a child process.

        Args:
            until: Last step, or None for all.
            rerun: Steps that run even where their result could be reused.
        """
        uploads = shared_results.Uploads(self.workspace.shared)
        names = [step.name for step in STEPS]
        reached = names[: names.index(until) + 1] if until else names
        for step in STEPS[: len(reached)]:
            again = step.name in rerun
            self._check_before(step)
            plan = self.plan(step, again=again)
            if plan.complete:
                self._reuse(plan, plan.complete)
            elif uploads.cut or not self._fetched(plan, again=again):
                for later, check in around(step.name).foresee:
                    if later in reached:
                        check(self.context)
                print(f"{step.name:<9} runs     {plan.reason}")
                with self._called(step, again=again) as watch:
                    options = {"again": again, "wait": self.wait, "verify": self.verify}
                    run_child(self.run, self.workspace, step.name, **options, watch=watch)
            uploads.add(self.run.artifact(step.name))
        uploads.finish()

    def _called(self, step: Step, *, again: bool) -> AbstractContextManager[Watch | None]:
        """Call the other workers to a step that all of them do together."""
        if self.workers and step.is_shared(self.recipe):
            return self.workers.called(self.run.id, step.name, again=again)
        return nullcontext()

    def plan(self, step: Step, *, again: bool) -> Plan:
        """Work out whether `step` can be reused. Imports nothing heavy; changes nothing but remembered digests.

        Raises:
            DamagedError: Its result is there, and damaged.
        """
        inputs = self.inputs(step)
        fingerprint = self.fingerprint(step, inputs)
        complete = None if again else self._complete(step, fingerprint)
        if complete:
            return Plan(step, inputs, fingerprint, complete, "nothing it depends on has changed")
        reason = "--rerun asks for it" if again else self.why(step, fingerprint)
        return Plan(step, inputs, fingerprint, None, reason)

    def fingerprint(self, step: Step, inputs: Mapping[str, Input]) -> Fingerprint:
        """Compute what the result of `step` depends on, given what it reads."""
        sections = [self.recipe.section(name) for name in step.sections]
        code, libraries = code_of([step.module, *(module for section in sections for module in section.modules())])
        files = {key: path for section in sections for key, path in section.files().items()}
        return Fingerprint(
            settings=settings(self.recipe, step.sections, step.name),
            inputs={name: source.digest for name, source in inputs.items()}
            | {key: digest.file_digest(path) for key, path in files.items()},
            code=code,
            libraries=libraries,
            version=step.version,
            environment=environment_of(libraries),
        )

    def execute(self, step: Step, *, again: bool) -> None:
        """Reuse or run one step in this process. `segline step` and every orchestrator come here."""
        self._require_intact(step, contents=self.verify)
        self._check_before(step)
        plan = self.plan(step, again=again)
        with self._slot(plan):
            if again or not self._have(plan):
                self._make(plan, again=again)

    def _damage(self, step: Step) -> DamagedError | None:
        """Read in full what a failed step has read; return the damage, if there is any: as of a disk that decays."""
        try:
            self._require_intact(step, contents=True)
        except (DamagedError, OSError) as error:
            return error if isinstance(error, DamagedError) else None  # else the step's own error says more
        return None

    def _require_intact(self, step: Step, *, contents: bool) -> None:
        """Hold every earlier result of the run against its seal: the step, and what surrounds it, read them.

        Raises:
            DamagedError: One is not what was published.
        """
        for name in itertools.takewhile(lambda name: name != step.name, STEP_NAMES):
            if (self.run.path / name).is_dir():
                artifact = self.run.artifact(name)
                if integrity.require_intact(self.workspace, artifact, contents=contents)["step"] != name:
                    raise damaged(artifact, f"it is no result of step {name}, as which run {self.run.id} links it")

    def _complete(self, step: Step, fingerprint: Fingerprint) -> Path | None:
        """Return the complete result of a step, held against its seal, if there is one."""
        artifact = self.workspace.complete(step.name, fingerprint.key)
        if artifact:
            seal = integrity.require_intact(self.workspace, artifact, contents=self.verify)
            if seal["fingerprint"] != json.loads(fingerprint.to_json()):
                raise damaged(artifact, "its seal is that of another result", step.name)
        return artifact

    def _check_before(self, step: Step) -> None:
        for check in around(step.name).before:
            try:
                check(self.context)
            except GateError as error:
                text = str(error)
                execution = self.store.begin(
                    self.run.id, step.name, text.split("\n")[0], digest.text_digest(text), "{}"
                )
                self.store.end(execution, "refused", text)
                raise

    def _slot(self, plan: Plan) -> AbstractContextManager[None]:
        """Hold the lock under which a step's result is made or fetched."""
        slot, prefix = self.workspace.lock(plan.step.name, plan.fingerprint.key), f"{plan.step.name:<9} "
        return lock.hold(slot, self.run.id, wait=self.wait, on_wait=lambda line: print(prefix + line))

    def _have(self, plan: Plan) -> bool:
        """Use a complete result, from here or from the shared storage, if there is one. The slot must be held."""
        # The previous holder of the slot may have made just what we need.
        if artifact := self._complete(plan.step, plan.fingerprint):
            self._reuse(plan, artifact)
        elif artifact := shared_results.take(self.context, plan):
            self._follow(plan.step)
        return artifact is not None

    def _fetched(self, plan: Plan, *, again: bool) -> bool:
        if again or not self.workspace.shared:
            return False
        with self._slot(plan):
            return self._have(plan)

    def _make(self, plan: Plan, *, again: bool) -> None:
        step = plan.step
        partial = self.workspace.partial(step.name, plan.fingerprint.key)
        if not step.resumes:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        (partial / SEAL).unlink(missing_ok=True)  # of one that was killed before its rename
        execution = publication.begin(self.context, plan, plan.reason)
        start = time.monotonic()
        try:
            with stderr_to(self.run.log_file):  # the import of TensorFlow
                run_step = step.run
            run_step(self.recipe.only(step.sections), self.paths(plan, again=again), partial)
            step.require_written(partial)
        except BaseException as error:
            if not step.resumes:
                shutil.rmtree(partial, ignore_errors=True)
            advice = as_user_error(error, self.workspace.root)
            state = "interrupted" if isinstance(advice, Interrupted) else "failed"
            self.store.end(execution, state, str(advice) or type(advice).__name__)
            if _is_unforeseen(advice) and (cause := self._damage(step)):
                self.store.end(execution, state, str(cause))
                raise cause from error
            raise
        publication.publish(self.context, plan, partial, execution, self._seal(plan, partial))
        print(f"{step.name:<9} done     in {duration(time.monotonic() - start)}")
        self._follow(step)

    def _seal(self, plan: Plan, folder: Path) -> dict[str, Any]:
        files = digest.manifest(folder)
        return {
            "step": plan.step.name,
            "code": (self.run.path / "code.txt").read_text(encoding="utf-8").strip(),
            "made": time.time(),
            "digest": digest.digest(files),
            "fingerprint": json.loads(plan.fingerprint.to_json()),
            "files": integrity.contents_of(files),
        }

    def _reuse(self, plan: Plan, artifact: Path) -> None:
        seal, step = read_seal(artifact), plan.step.name
        self.run.link(step, artifact)  # before the store says so: `verify` misses no link after a kill between them
        self._complete_record(plan, artifact, seal)
        fingerprint = plan.fingerprint
        execution = self.store.begin(self.run.id, step, plan.reason, fingerprint.key, fingerprint.to_json())
        self.store.link(execution, "output", step, step, self.workspace.relative(artifact), seal["digest"])
        self.store.end(execution, "reused")
        print(f"{step:<9} reused   made by run {seal['run']}")
        self._follow(plan.step)

    def _follow(self, step: Step) -> None:
        """Run the actions that follow a result, made now or reused."""
        for action in around(step.name).after:
            action(self.context)

    def _complete_record(self, plan: Plan, artifact: Path, seal: Seal) -> None:
        """Record who made an artifact where the store does not know: its run was killed, or the store is a new one."""
        known = self.store.artifact(self.workspace.relative(artifact))
        if known and self.store.producer(known["id"]):
            return
        execution, maker = seal["execution"], self.store.execution(seal["execution"])
        expected = (seal["run"], plan.step.name, plan.fingerprint.key)
        if maker is None or (maker["run"], maker["step"], maker["key"]) != expected:
            reason = f"made by run {seal['run']}, which this store does not know"
            execution = publication.begin(self.context, plan, reason)
        else:
            publication.complete_folder(self.workspace, seal["run"], plan.step.name, artifact)
        publication.record(self.context, plan, execution, artifact, seal["digest"])

    def inputs(self, step: Step, without: Collection[str] = ()) -> dict[str, Input]:
        """Return what `step` reads, by name, but for those `without`."""
        inputs: dict[str, Input] = {}
        for name in (name for name in step.reads if name not in without):
            if name in OUTSIDE:
                source = OUTSIDE[name](self.context)
            else:
                artifact = self.run.artifact(name)
                source = Input(artifact, read_seal(artifact)["digest"], name)
            if source:
                inputs[name] = source
        return inputs

    def paths(self, plan: Plan, *, again: bool) -> dict[str, Path]:
        """Return the paths that the step's code is given: its inputs, and where it is cached what it may keep."""
        paths = {name: source.path for name, source in plan.inputs.items()}
        if not plan.step.cached:
            return paths
        if RAW not in plan.inputs:  # what is kept there is named by all that it depends on
            return paths | {CACHE: self.workspace.cache(plan.step.name, "shared")}
        return paths | {
            FRESH_CACHE if again else CACHE: self.workspace.cache(plan.step.name, plan.fingerprint.code_key(RAW)),
            REFUSAL: self.run.refusal,
            DIGESTS: raw_files.digest_file(self.recipe.data, self.workspace, plan.inputs[RAW].path),
        }

    def why(self, step: Step, fingerprint: Fingerprint) -> str:
        """Return in one line what has changed since the step's newest result."""
        old = self.store.last_fingerprint(step.name, self.recipe.name)
        if old is None:
            return "for the first time"
        return fingerprint.difference(old) or "its earlier result is no longer there"


def _is_unforeseen(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, UserError)
