"""How the processes of a job find each other and show that they live: a small file each, in the shared workspace.

chief.json      {name, beat, call, over}    call: {number, run, step, again, workers} while all work
worker-1.json   {name, beat, job, failed}   job: name of the chief that this worker follows

Each process draws a new random name, so that files of an earlier job are never mistaken for an answer; `beat` goes up
once a second. No clocks are compared.
"""

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.cluster.members import Cluster
from pipeline.cluster.watchdog import Watch
from pipeline.errors import WorkerLost
from pipeline.workspace import json_file
from pipeline.workspace.digest import text_digest
from pipeline.workspace.layout import Workspace

BEAT_SECONDS = 1.0
POLL_SECONDS = 0.2

GRACE_SECONDS = 20.0
"""Time for a step to end by itself after another worker's has ended."""

DISMISS_SECONDS = 5.0
"""Time for a worker to notice that a job is over; one that is stopped or lost does not hold up the chief."""

CHIEF = "chief.json"

Facts = dict[str, Any]


class StatusFile(AbstractContextManager["StatusFile"]):
    """A file of facts that its process refreshes while the block runs.

    Raises:
        OSError: It cannot be written at first. Later failures of the file system may pass: the next beat writes what
            this one could not, and where none can, the others count this process as lost.
    """

    def __init__(self, path: Path, **facts: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.facts: Facts = {"name": secrets.token_hex(8), "beat": 0, **facts}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, daemon=True)

    def __enter__(self) -> "StatusFile":
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def post(self, **facts: Any) -> None:
        """Change some facts; if they cannot be written now, the next beat does."""
        with suppress(OSError):
            self._write(**facts)

    def _write(self, **facts: Any) -> None:
        with self._lock:
            self.facts |= facts
            self.facts["beat"] += 1
            # In place, not by renaming: a network file system shows it to other hosts sooner.
            with self._path.open("w", encoding="utf-8") as file:
                file.write(json.dumps(self.facts))

    def _keep_fresh(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self.post()


class StatusView:
    """The latest facts of another process, and how long they have not changed."""

    def __init__(self, path: Path) -> None:
        self._path, self._facts, self._since = path, Facts(), time.monotonic()

    def __call__(self) -> Facts:
        """Return the newest facts; {} where there are none yet.

        Raises:
            PermissionError: They may not be read.
        """
        try:
            facts = json_file.read(self._path)
        except PermissionError:
            raise  # does not pass: another user's process wrote it
        except (OSError, ValueError):  # a stale handle of a network file system, or a half-written file
            return self._facts
        if (facts["name"], facts["beat"]) != (self._facts.get("name"), self._facts.get("beat")):
            self._facts, self._since = facts, time.monotonic()
        return self._facts

    @property
    def silent(self) -> float:
        """Seconds without a change."""
        return time.monotonic() - self._since


class Workers:
    """The other workers, as the chief sees them.

    Args:
        cluster: All workers.
        status: The chief's own status file.
        folder: Folder of the status files.
        timeout_s: Seconds without a sign of life after which a worker counts as lost.
    """

    def __init__(self, cluster: Cluster, status: StatusFile, folder: Path, timeout_s: float) -> None:
        self._cluster, self._status, self._timeout = cluster, status, timeout_s
        self._views = {index: StatusView(folder / worker_file(index)) for index in range(1, len(cluster.workers))}
        self._calls = 0

    def gather(self) -> None:
        """Wait until every worker follows this chief and is alive.

        Raises:
            WorkerLost: One did not join in time.
        """
        start, printed = time.monotonic(), False
        while missing := [index for index in self._views if not self._follows(index)]:
            names = ", ".join(f"{index} ({self._cluster.workers[index]})" for index in missing)
            if time.monotonic() - start > self._timeout:
                raise WorkerLost(
                    f"no sign of life from worker {names} for {self._timeout:g} s (train.timeout_s). Is the same "
                    "command running there, with the same workspace and the same list of workers?"
                )
            if not printed and time.monotonic() - start > BEAT_SECONDS:
                print(f"workers   waiting for {names}", flush=True)
                printed = True
            time.sleep(POLL_SECONDS)

    @contextmanager
    def called(self, run: str, step: str, *, again: bool = False) -> Iterator[Watch]:
        """Call all workers to a step while the block runs; yields the watchdog of the chief's own child.

        Args:
            run: The run's name.
            step: The step's.
            again: Whether it runs even where its result could be reused.
        """
        self.gather()
        self._calls += 1
        names = [view()["name"] for view in self._views.values()]
        call = {"number": self._calls, "run": run, "step": step, "again": again, "workers": names}
        self._status.post(call=call)
        try:
            yield Watch(self._timeout, self._trouble(names))
        finally:
            self._status.post(call=None)

    def dismiss(self) -> None:
        """Wait until every worker has noticed that this job is over, so that it joins the chief's next one afresh."""
        start = time.monotonic()
        while any(map(self._follows, self._views)) and time.monotonic() - start < DISMISS_SECONDS:
            time.sleep(POLL_SECONDS / 4)

    def _follows(self, index: int) -> bool:
        view = self._views[index]
        return view().get("job") == self._status.facts["name"] and view.silent < 3 * BEAT_SECONDS

    def _trouble(self, names: list[str]) -> Callable[[], str | None]:
        ended: dict[int, float] = {}

        def trouble() -> str | None:
            for (index, view), name in zip(self._views.items(), names, strict=True):
                facts = view()
                if facts.get("name") != name or facts.get("failed") is not None:
                    since = ended.setdefault(index, time.monotonic())
                    if time.monotonic() - since > GRACE_SECONDS:
                        return f"worker {index} ({self._cluster.workers[index]}) has ended"
                if view.silent > self._timeout:
                    return f"no sign of life from worker {index} ({self._cluster.workers[index]})"
            return None

        return trouble


@contextmanager
def lead(workspace: Workspace, cluster: Cluster, timeout_s: float) -> Iterator[tuple[Workers, Callable[[int], None]]]:
    """Lead the job while the block runs; yields the workers, and a function that takes the exit code of the job.

    Raises:
        WorkerLost: Not all workers joined.
    """
    folder = workspace.cluster(text_digest("\n".join(cluster.workers)))
    code = 1
    with StatusFile(folder / CHIEF, call=None, over=None) as status:

        def end(exit_code: int) -> None:
            nonlocal code
            code = exit_code

        workers = Workers(cluster, status, folder, timeout_s)
        try:
            workers.gather()
            yield workers, end
        finally:
            status.post(over=code)
            workers.dismiss()


def worker_file(index: int) -> str:
    """Return the name of the status file of a worker that is not the chief."""
    return f"worker-{index}.json"
