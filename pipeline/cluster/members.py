"""Which processes train together, read from what starts them: TF_CONFIG, Kubernetes or SLURM.

The first worker is the chief: it does everything that one process does; the others help where a step is distributed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UserError

CLUSTERED = ("auto", "multi_worker")
"""Strategies that use the workers that the environment names."""

PORTS = (12000, 32000)
"""Ports of workers, where nobody has named any: below those that Linux gives to outgoing connections (32768 on, see
ip_local_port_range), one of which could take a port before its worker does."""

LOOKED_FOR = (
    "TF_CONFIG (a cluster of workers and a task), SEGLINE_WORKERS with JOB_COMPLETION_INDEX (an indexed Job of "
    "Kubernetes), SLURM_STEP_NUM_TASKS (srun --ntasks)"
)


@dataclass(frozen=True)
class Cluster:
    """The workers of a job.

    Attributes:
        workers: Their addresses as host:port, at least two, the same in each process.
        index: Which of them this process is.
        source: The variable that said so.
    """

    workers: tuple[str, ...]
    index: int
    source: str

    @property
    def is_chief(self) -> bool:
        """Whether this process is the first worker."""
        return self.index == 0


def joined(strategy: str, environment: Mapping[str, str], *, key: str = "train.strategy") -> Cluster | None:
    """Give the workers that a strategy of the recipe, named by `key`, uses; None: this process computes alone.

    Raises:
        UserError: The strategy and the environment do not go together, or a variable cannot be understood.
    """
    found = of(environment)
    if strategy == "multi_worker" and found is None:
        raise UserError(
            f"{key} is 'multi_worker' and the environment names no second worker. Looked for: {LOOKED_FOR}. "
            "Set one of them, start workers on this machine with `segline launch --workers N RECIPE`, or set "
            f"{key} to 'auto'."
        )
    if found and strategy not in CLUSTERED:
        raise UserError(
            f"{key} is {strategy!r} and {found.source} names {len(found.workers)} workers, each of which would do the "
            f"same. Set {key} to 'auto' or 'multi_worker', or start one process."
        )
    return found


def helps(strategy: str, environment: Mapping[str, str]) -> bool:
    """Whether this process helps a chief, who alone has the results."""
    workers = joined(strategy, environment)
    return workers is not None and not workers.is_chief


def of(environment: Mapping[str, str]) -> Cluster | None:
    """Read the workers from environment variables; None where there are not at least two.

    Raises:
        UserError: A variable cannot be understood.
    """
    for variable, read in (("TF_CONFIG", _tf_config), ("SEGLINE_WORKERS", _kubernetes)):
        if environment.get(variable):
            return _checked(*read(environment), variable)
    if int(environment.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        return _checked(*_slurm(environment), "SLURM_STEP_NUM_TASKS")
    return None


def on_this_host(environment: Mapping[str, str]) -> int:
    """Count the workers whose address has this one's host; 1 where there are no others."""
    found = of(environment)
    if found is None:
        return 1
    hosts = [worker.rpartition(":")[0] for worker in found.workers]
    return hosts.count(hosts[found.index])


def _checked(workers: list[str], index: int, source: str) -> Cluster | None:
    problems = [f"{worker!r} is not host:port" for worker in workers if not re.fullmatch(r"\S+:\d+", worker)]
    problems += [f"{worker} stands there twice" for worker in sorted(set(workers)) if workers.count(worker) > 1]
    if not 0 <= index < len(workers):
        problems.append(f"this process is number {index} of {len(workers)} workers, counted from 0")
    if problems:
        raise UserError(f"{source}: {'; '.join(problems)}. It must list every worker once, alike on every host.")
    return Cluster(tuple(workers), index, source) if len(workers) > 1 else None


def _tf_config(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Read what TensorFlow's own documentation asks for; a `chief` is the first worker."""
    text = environment["TF_CONFIG"]
    form = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        config: dict[str, Any] = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        foreign = sorted({*cluster, task.get("type", "worker")} - {"chief", "worker"})
        chief, workers = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        index = int(task.get("index", 0)) + (len(chief) if task.get("type", "worker") == "worker" else 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise UserError(f"TF_CONFIG cannot be understood ({error}). Received: {text!r}. It must be {form}.") from None
    if foreign:
        raise UserError(f"TF_CONFIG: every task must be a worker or the chief. Received: {', '.join(foreign)}.")
    return ([*chief, *workers], index) if cluster else (["localhost:0"], 0)


def _kubernetes(environment: Mapping[str, str]) -> tuple[list[str], int]:
    workers = [worker.strip() for worker in environment["SEGLINE_WORKERS"].split(",")]
    index = environment.get("JOB_COMPLETION_INDEX", "")
    if not index.isdecimal():
        raise UserError(
            "SEGLINE_WORKERS lists the workers, and JOB_COMPLETION_INDEX must say which of them this is, from 0. "
            f"Received: {index!r}. Kubernetes sets it in a Job of completionMode Indexed."
        )
    return workers, int(index)


def _slurm(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Give each task of a step a port: tasks are numbered node by node, as srun does by default."""
    names = ("SLURM_PROCID", "SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")
    if missing := [name for name in names if not environment.get(name)]:
        raise UserError(f"SLURM_STEP_NUM_TASKS is set and {', '.join(missing)} not: start the workers by srun.")
    rank, job, nodes, tasks = (environment[name] for name in names)
    first, end = PORTS
    # Jobs may share a node; the same job may be restarted while its old port still lingers, but not the same step.
    offset = (int(job) * 64 + int(environment.get("SLURM_STEP_ID") or 0) * 16) % (end - first - 256)
    counts = tasks_per_node(tasks)
    hosts = nodes_of(nodes)
    if len(counts) != len(hosts):
        raise UserError(f"SLURM_STEP_NODELIST {nodes!r} and SLURM_STEP_TASKS_PER_NODE {tasks!r} do not fit together.")
    ports = [(host, task) for host, count in zip(hosts, counts, strict=True) for task in range(count)]
    if environment.get("SLURM_DISTRIBUTION", "block").split(":")[0].startswith("cyclic"):
        ports.sort(key=lambda place: (place[1], hosts.index(place[0])))
    return [f"{host}:{first + offset + task}" for host, task in ports], int(rank)


def nodes_of(text: str) -> list[str]:
    """Write out SLURM's list of nodes: "gpu[01-03,7],login" is gpu01, gpu02, gpu03, gpu7, login."""
    found: list[str] = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        names = [""]
        for plain, ranges in re.findall(r"([^\[]+)|\[([^\]]*)\]", part):
            names = [name + end for name in names for end in (_ranged(ranges) if ranges else [plain])]
        found += names
    return found


def _ranged(text: str) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        found += [f"{number:0{len(low)}d}" for number in range(int(low), int(high or low) + 1)]
    return found


def tasks_per_node(text: str) -> list[int]:
    """Write out SLURM's counts: "2(x3),1" is 2, 2, 2, 1."""
    counts = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return [int(count) for count, times in counts for _ in range(int(times or 1))]
