"""What a worker that is not the chief does: wait for the chief's calls, and run its part of the steps called for."""

import time
from collections.abc import Callable

from pipeline.cluster.members import Cluster
from pipeline.cluster.watchdog import Watch
from pipeline.console.quiet import stderr_to
from pipeline.errors import Interrupted, WorkerLost
from pipeline.orchestration.child_process import ChildError, run_child
from pipeline.orchestration.graph import Step
from pipeline.orchestration.rendezvous import (
    CHIEF,
    GRACE_SECONDS,
    POLL_SECONDS,
    Facts,
    StatusFile,
    StatusView,
    worker_file,
)
from pipeline.orchestration.runner import Runner
from pipeline.workspace import lock
from pipeline.workspace.digest import text_digest
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder


def attend(workspace: Workspace, cluster: Cluster, timeout_s: float) -> int:
    """Help the chief until its run is over; return its exit code, or that of a step that failed here.

    Args:
        workspace: The chief's: all hosts share it.
        cluster: The workers, and which of them this is.
        timeout_s: Seconds without a sign of life from the chief after which this worker ends.

    Raises:
        WorkerLost: The chief sent none in time.
    """
    folder = workspace.cluster(text_digest("\n".join(cluster.workers)))
    print(f"worker    {cluster.index} of {len(cluster.workers)} follows {cluster.workers[0]}", flush=True)
    with StatusFile(folder / worker_file(cluster.index), job=None, failed=None) as own:
        code = Interrupted.exit_code
        try:
            code = _Attendance(workspace, own, StatusView(folder / CHIEF), timeout_s).until_over()
        finally:
            own.post(job=None, failed=code)
    return code


def assist(runner: Runner, step: Step, *, again: bool) -> None:
    """Run this worker's part of a step whose result the chief publishes, in this process.

    Args:
        runner: Of the chief's run.
        step: The step.
        again: Whether the chief runs it even where its result could be reused.

    Raises:
        WorkerLost: The chief did not begin it, or began it with other code or libraries than this host's.
    """
    plan, limit = runner.plan(step, again=again), runner.recipe.train.timeout_s
    key = plan.fingerprint.key
    partial, slot = runner.workspace.partial(step.name, key), runner.workspace.lock(step.name, key)
    start = time.monotonic()
    # A step begun by another run is not the chief's: the chief waits for its end and then uses the result.
    while not (lock.last_run(slot) == runner.run.id and partial.is_dir()):
        if not again and runner.workspace.complete(step.name, key):
            return
        if lock.last_run(slot) != runner.run.id and lock.is_held(slot):
            start = time.monotonic()
        if time.monotonic() - start > limit:
            old = runner.store.last_fingerprint(step.name, runner.recipe.name)
            differences = "; ".join(plan.fingerprint.changes(old)) if old else ""
            raise WorkerLost(
                f"the chief did not begin step {step.name} as this host would within {limit:g} s (train.timeout_s). "
                f"Chief -> here: {differences or 'no difference is known'}. "
                "All hosts must have the same code and libraries, and share the workspace."
            )
        time.sleep(POLL_SECONDS)
    with stderr_to(runner.run.log_file):  # the import of TensorFlow
        run_step = step.run
    run_step(runner.recipe.only(step.sections), runner.paths(plan, again=False), partial)


class _Attendance:
    def __init__(self, workspace: Workspace, own: StatusFile, chief: StatusView, timeout_s: float) -> None:
        self._workspace, self._own, self._chief, self._timeout = workspace, own, chief, timeout_s
        self._done = 0

    def until_over(self) -> int:
        while True:
            facts = self._chief()
            job = self._own.facts["job"]
            if facts.get("over") is None and facts.get("name") != job:
                self._own.post(job=facts["name"])
                self._done = 0
            elif job and facts["over"] is not None:
                return int(facts["over"])
            elif (call := facts.get("call")) and self._is_for_this(call) and (code := self._help(call)):
                return code
            if self._chief.silent > self._timeout:
                raise WorkerLost(f"no sign of life from the chief for {self._timeout:g} s (train.timeout_s).")
            time.sleep(POLL_SECONDS)

    def _is_for_this(self, call: Facts) -> bool:
        return self._own.facts["name"] in call["workers"] and call["number"] > self._done

    def _help(self, call: Facts) -> int:
        """Run a step; return the exit code of its process."""
        print(f"{call['step']:<9} helps    with run {call['run']}", flush=True)
        run = RunFolder.open(self._workspace, call["run"])
        try:
            watch = Watch(self._timeout, self._trouble(call))
            run_child(run, self._workspace, call["step"], again=call["again"], wait=True, watch=watch)
        except ChildError as error:
            if error.reason:
                print(f"segline: {error.reason}", flush=True)
            return error.exit_code
        self._done = int(call["number"])
        return 0

    def _trouble(self, call: Facts) -> Callable[[], str | None]:
        since: list[float] = []

        def trouble() -> str | None:
            if self._chief().get("call") != call:
                since.append(time.monotonic())
                if time.monotonic() - since[0] > GRACE_SECONDS:
                    return "the chief's own step has ended"
            if self._chief.silent > self._timeout:
                return f"no sign of life from the chief for {self._timeout:g} s (train.timeout_s)"
            return None

        return trouble
