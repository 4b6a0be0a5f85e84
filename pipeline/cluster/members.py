"""The workers of a training, read from what starts them: TF_CONFIG, Kubernetes or SLURM.

The first worker is the chief: it does everything that a single process does. The others take part in distributed steps.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError

CLUSTERED = ("auto", "multi_worker")
"""Strategies that use the workers named by the environment."""

PORTS = (12000, 32000)
"""Range of the workers' ports where none are given: below the ports that Linux gives to outgoing connections (from
32768, see ip_local_port_range), one of which could occupy a port before its worker does."""

SOURCES = (
    "TF_CONFIG (a cluster of workers and a task), SEGLINE_WORKERS with JOB_COMPLETION_INDEX (an indexed Job of "
    "Kubernetes), SLURM_STEP_NUM_TASKS (srun --ntasks)"
)


@dataclass(frozen=True)
class Cluster:
    """The workers of a job.

    Attributes:
        workers: Their addresses as host:port, at least two, the same in each process.
        index: Index of this process among them, from 0.
        source: The environment variable that lists them.
    """

    workers: tuple[str, ...]
    index: int
    source: str

    @property
    def is_chief(self) -> bool:
        """Whether this process is the first worker."""
        return self.index == 0


def resolve(strategy: str, environment: Mapping[str, str], *, key: str = "train.strategy") -> Cluster | None:
    """Return the workers that a strategy uses; None: this process computes without others.

    Args:
        strategy: A strategy of the recipe.
        environment: Environment variables.
        key: Key of the recipe that holds the strategy, for messages.

    Raises:
        UserError: The strategy and the environment contradict each other, or a variable is invalid.
    """
    cluster = read(environment)
    if strategy == "multi_worker" and cluster is None:
        raise UserError(
            f"{key} is 'multi_worker' and the environment names no second worker. Looked for: {SOURCES}. "
            "Set one of them, start workers on this machine with `segline launch --workers N RECIPE`, or set "
            f"{key} to 'auto'."
        )
    if cluster and strategy not in CLUSTERED:
        raise UserError(
            f"{key} is {strategy!r} and {cluster.source} names {len(cluster.workers)} workers, each of which would do "
            f"the same. Set {key} to 'auto' or 'multi_worker', or start one process."
        )
    return cluster


def is_helper(strategy: str, environment: Mapping[str, str]) -> bool:
    """Return whether this process helps a chief, the only one that has the results.

    Raises:
        UserError: As for `resolve`.
    """
    cluster = resolve(strategy, environment)
    return cluster is not None and not cluster.is_chief


def read(environment: Mapping[str, str]) -> Cluster | None:
    """Read the workers from environment variables; None where there are fewer than two.

    >>> read({"SEGLINE_WORKERS": "a:2222,b:2222", "JOB_COMPLETION_INDEX": "1"})
    Cluster(workers=('a:2222', 'b:2222'), index=1, source='SEGLINE_WORKERS')

    Raises:
        UserError: A variable is invalid.
    """
    for variable, parse in (("TF_CONFIG", _tf_config), ("SEGLINE_WORKERS", _kubernetes)):
        if environment.get(variable):
            return _checked(*parse(environment), variable)
    if int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        return _checked(*_slurm(environment), "SLURM_STEP_NUM_TASKS")
    return None


def count_on_this_host(environment: Mapping[str, str]) -> int:
    """Count the workers on the host of this one, itself included.

    Raises:
        UserError: A variable is invalid.
    """
    cluster = read(environment)
    if cluster is None:
        return 1
    hosts = [worker.rpartition(":")[0] for worker in cluster.workers]
    return hosts.count(hosts[cluster.index])


def _checked(workers: list[str], index: int, source: str) -> Cluster | None:
    problems = [f"{worker!r} is not host:port" for worker in workers if not re.fullmatch(r"\S+:\d+", worker)]
    problems += [f"{worker} is listed twice" for worker in sorted(set(workers)) if workers.count(worker) > 1]
    if not 0 <= index < len(workers):
        problems.append(f"this process is number {index} of {len(workers)} workers, counted from 0")
    if problems:
        raise UserError(f"{source}: {'; '.join(problems)}. It must list every worker once, alike on every host.")
    return Cluster(tuple(workers), index, source) if len(workers) > 1 else None


def _tf_config(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Parse TF_CONFIG as TensorFlow documents it; a `chief` is the first worker."""
    text = environment["TF_CONFIG"]
    form = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        config: dict[str, Any] = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        foreign = sorted({*cluster, task.get("type", "worker")} - {"chief", "worker"})
        chief, workers = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        index = int(task.get("index", 0)) + (len(chief) if task.get("type", "worker") == "worker" else 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"TF_CONFIG cannot be parsed ({error}). Received: {text!r}. It must be {form}.") from None
    if foreign:
        raise UserError(f"TF_CONFIG: every task must be a worker or the chief. Received: {', '.join(foreign)}.")
    return ([*chief, *workers], index) if cluster else (["localhost:0"], 0)


def _kubernetes(environment: Mapping[str, str]) -> tuple[list[str], int]:
    workers = [worker.strip() for worker in expand_nodes(environment["SEGLINE_WORKERS"])]
    index = environment.get("JOB_COMPLETION_INDEX", "")
    if not index.isdecimal():
        raise UserError(
            "SEGLINE_WORKERS lists the workers, and JOB_COMPLETION_INDEX must say which of them this is, from 0. "
            f"Received: {index!r}. Kubernetes sets it in a Job of completionMode Indexed."
        )
    return workers, int(index)


def _slurm(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Assign a port to each task of a step. Tasks are numbered node by node, as srun does by default."""
    names = ("SLURM_PROCID", "SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")
    if missing := [name for name in names if not environment.get(name)]:
        raise UserError(f"SLURM_STEP_NUM_TASKS is set and {', '.join(missing)} not: start the workers by srun.")
    rank, job, nodes, tasks = (environment[name] for name in names)
    first, end = PORTS
    # Jobs may share a node, and a restarted job may meet its old port still open: steps have different numbers.
    offset = (int(job) * 64 + int(environment.get("SLURM_STEP_ID") or 0) * 16) % (end - first - 256)
    counts = expand_task_counts(tasks)
    hosts = expand_nodes(nodes)
    if len(counts) != len(hosts):
        raise UserError(
            f"SLURM_STEP_NODELIST {nodes!r} names {len(hosts)} nodes and SLURM_STEP_TASKS_PER_NODE {tasks!r} the tasks "
            f"of {len(counts)}. Start the workers by srun, which sets both."
        )
    ports = [(host, task) for host, count in zip(hosts, counts, strict=True) for task in range(count)]
    if environment.get("SLURM_DISTRIBUTION", "block").split(":")[0].startswith("cyclic"):
        ports.sort(key=lambda place: (place[1], hosts.index(place[0])))
    return [f"{host}:{first + offset + task}" for host, task in ports], int(rank)


def expand_nodes(text: str) -> list[str]:
    """Expand SLURM's list of nodes.

    >>> expand_nodes("gpu[01-03,7],login")
    ['gpu01', 'gpu02', 'gpu03', 'gpu7', 'login']
    """
    nodes: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        names = [""]
        for plain, ranges in re.findall(r"([^\[]+)|\[([^\]]*)\]", part):
            names = [name + end for name in names for end in (_expand_ranges(ranges) if ranges else [plain])]
        nodes += names
    return nodes


def _expand_ranges(text: str) -> list[str]:
    numbers: list[str] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        numbers += [f"{number:0{len(low)}d}" for number in range(int(low), int(high or low) + 1)]
    return numbers


def expand_task_counts(text: str) -> list[int]:
    """Expand SLURM's numbers of tasks per node.

    >>> expand_task_counts("2(x3),1")
    [2, 2, 2, 1]
    """
    counts = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return [int(count) for count, times in counts for _ in range(int(times or 1))]
