"""How the processes of a job find each other and tell that they live: a small file each, in the shared workspace.

chief.json      {name, beat, call, over}    call: {number, run, step, again, workers} while all are wanted
worker-1.json   {name, beat, job, failed}   job: name of the chief that this worker follows

A name is drawn anew by each process, so that what an earlier job left behind is never taken for an answer; `beat` goes
up once a second. Nobody compares clocks.
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
from pipeline.workspace.digest import text_digest
from pipeline.workspace.layout import Workspace

BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.2

GRACE_SECONDS = 20.0
"""Time for a step to end by itself, where another worker's has ended."""

DISMISS_SECONDS = 5.0
"""Time for a worker to see that a job is over; one that is stopped or gone does not hold up the chief."""

CHIEF = "chief.json"

Facts = dict[str, Any]


class Notice(AbstractContextManager["Notice"]):
    """A file of facts that its process keeps fresh while the block runs.

    Raises:
        OSError: It cannot be written at first. Later a file system may fail for a moment: the next beat tells what this
            one could not, and where none can any more, the others count this process as lost.
    """

    def __init__(self, path: Path, **facts: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.facts: Facts = {"name": secrets.token_hex(8), "beat": 0, **facts}
        self._lock, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._keep_fresh, daemon=True)

    def __enter__(self) -> "Notice":
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def post(self, **facts: Any) -> None:
        """Change some facts; where they cannot be written now, the next beat does."""
        with suppress(OSError):
            self._write(**facts)

    def _write(self, **facts: Any) -> None:
        with self._lock:
            self.facts |= facts
            self.facts["beat"] += 1
            # In place, not by renaming: a network file system shows that to other hosts sooner.
            with self._path.open("w", encoding="utf-8") as file:
                file.write(json.dumps(self.facts))

    def _keep_fresh(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            self.post()


class Look:
    """Looks at another process's notice; tells how long it has not changed."""

    def __init__(self, path: Path) -> None:
        self._path, self._facts, self._since = path, Facts(), time.monotonic()

    def __call__(self) -> Facts:
        """Give the newest facts; {} where there are none yet.

        Raises:
            PermissionError: They may not be read.
        """
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except PermissionError:
            raise  # no fault that passes: another user's process wrote it
        except (OSError, ValueError):  # a stale handle of a network file system; or it is just being written
            return self._facts
        if (facts["name"], facts["beat"]) != (self._facts.get("name"), self._facts.get("beat")):
            self._facts, self._since = facts, time.monotonic()
        return self._facts

    @property
    def silent(self) -> float:
        """Seconds without a change."""
        return time.monotonic() - self._since


class Crew:
    """The other workers, as the chief sees them.

    Args:
        cluster: All workers.
        notice: The chief's own.
        folder: Where the notices lie.
        timeout_s: Seconds without a sign of life after which a worker counts as lost.
    """

    def __init__(self, cluster: Cluster, notice: Notice, folder: Path, timeout_s: float) -> None:
        self._cluster, self._notice, self._timeout = cluster, notice, timeout_s
        self._looks = {index: Look(folder / worker(index)) for index in range(1, len(cluster.workers))}
        self._calls = 0

    def gather(self) -> None:
        """Wait until every worker follows this chief and is alive.

        Raises:
            WorkerLost: One did not come in time.
        """
        began, said = time.monotonic(), False
        while missing := [index for index in self._looks if not self._follows(index)]:
            names = ", ".join(f"{index} ({self._cluster.workers[index]})" for index in missing)
            if time.monotonic() - began > self._timeout:
                raise WorkerLost(
                    f"no sign of life from worker {names} for {self._timeout:g} s (train.timeout_s). Is the same "
                    "command running there, with the same workspace and the same list of workers?"
                )
            if not said and time.monotonic() - began > BEAT_SECONDS:
                print(f"workers   waiting for {names}", flush=True)
                said = True
            time.sleep(LOOK_SECONDS)

    @contextmanager
    def called(self, run: str, step: str, *, again: bool = False) -> Iterator[Watch]:
        """Have all workers do a step while the block runs; gives what tells when the chief's own must end.

        Args:
            run: The run's name.
            step: The step's.
            again: Whether it is done even where its result is there.
        """
        self.gather()
        self._calls += 1
        names = [look()["name"] for look in self._looks.values()]
        call = {"number": self._calls, "run": run, "step": step, "again": again, "workers": names}
        self._notice.post(call=call)
        try:
            yield Watch(self._timeout, self._trouble(names))
        finally:
            self._notice.post(call=None)

    def dismiss(self) -> None:
        """Wait until every worker has seen that this job is over: in the chief's next one it is to begin anew."""
        began = time.monotonic()
        while any(map(self._follows, self._looks)) and time.monotonic() - began < DISMISS_SECONDS:
            time.sleep(LOOK_SECONDS / 4)

    def _follows(self, index: int) -> bool:
        look = self._looks[index]
        return look().get("job") == self._notice.facts["name"] and look.silent < 3 * BEAT_SECONDS

    def _trouble(self, names: list[str]) -> Callable[[], str | None]:
        ended: dict[int, float] = {}

        def trouble() -> str | None:
            for (index, look), name in zip(self._looks.items(), names, strict=True):
                facts = look()
                if facts.get("name") != name or facts.get("failed") is not None:
                    since = ended.setdefault(index, time.monotonic())
                    if time.monotonic() - since > GRACE_SECONDS:
                        return f"worker {index} ({self._cluster.workers[index]}) has ended"
                if look.silent > self._timeout:
                    return f"no sign of life from worker {index} ({self._cluster.workers[index]})"
            return None

        return trouble


@contextmanager
def lead(workspace: Workspace, cluster: Cluster, timeout_s: float) -> Iterator[tuple[Crew, Callable[[int], None]]]:
    """Be the chief while the block runs; gives the crew, and what tells it the exit code that the job ends with.

    Raises:
        WorkerLost: Not all workers came.
    """
    folder = workspace.cluster(text_digest("\n".join(cluster.workers)))
    code = 1
    with Notice(folder / CHIEF, call=None, over=None) as notice:

        def end(found: int) -> None:
            nonlocal code
            code = found

        crew = Crew(cluster, notice, folder, timeout_s)
        try:
            crew.gather()
            yield crew, end
        finally:
            notice.post(over=code)
            crew.dismiss()


def worker(index: int) -> str:
    """Name of the file of a worker that is not the chief."""
    return f"worker-{index}.json"
