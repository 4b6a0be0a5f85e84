"""The workers as TF_CONFIG, Kubernetes and SLURM list them, and the refusal of invalid variables."""

import json
from pathlib import Path

import pytest
import yaml

from pipeline.cluster import members
from pipeline.cluster.members import Cluster
from pipeline.errors import UserError

PROJECT = Path(__file__).parents[3]
TWO = ["a:2222", "b:2222"]


def tf_config(cluster: object, task: object) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def test_tf_config_lists_the_workers() -> None:
    cluster = members.read(tf_config({"worker": TWO}, {"type": "worker", "index": 1}))
    assert cluster == Cluster(("a:2222", "b:2222"), 1, "TF_CONFIG") and not cluster.is_chief


@pytest.mark.parametrize(("task", "index"), [("chief", 0), ("worker", 1)])
def test_a_chief_of_tf_config_is_the_first_worker(task: str, index: int) -> None:
    cluster = members.read(tf_config({"chief": ["c:1"], "worker": ["w:1"]}, {"type": task, "index": 0}))
    assert cluster and cluster.workers == ("c:1", "w:1") and cluster.index == index


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        tf_config({"worker": ["a:1"]}, {"type": "worker", "index": 0}),
        {"SEGLINE_WORKERS": "a:1", "JOB_COMPLETION_INDEX": "0"},
        {"JOB_COMPLETION_INDEX": "3"},
        {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_one_process_is_no_cluster(environment: dict[str, str]) -> None:
    assert members.read(environment) is None
    assert members.resolve("auto", environment) is None


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"TF_CONFIG": "{"}, "cannot be parsed"),
        ({"TF_CONFIG": "[]"}, "cannot be parsed"),
        (tf_config({"worker": TWO, "ps": ["c:1"]}, {"type": "ps", "index": 0}), "Received: ps"),
        (tf_config({"worker": TWO}, {"type": "worker", "index": 2}), "number 2 of 2 workers"),
        (
            tf_config({"worker": ["a", "a"]}, {"index": 0}),
            "'a' is not host:port; 'a' is not host:port; a is listed tw",
        ),
        ({"SEGLINE_WORKERS": "a:1,b:1"}, "JOB_COMPLETION_INDEX must say which"),
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, "SLURM_JOB_ID, SLURM_STEP_NODELIST, SLURM_STEP_TASKS"),
    ],
)
def test_invalid_variables_are_refused(environment: dict[str, str], text: str) -> None:
    with pytest.raises(UserError) as error:
        members.read(environment)
    assert text in str(error.value)


def test_strategy_and_environment_must_go_together() -> None:
    with pytest.raises(
        UserError, match=r"names no second worker. Looked for: TF_CONFIG.*SEGLINE_WORKERS.*SLURM.*launch"
    ):
        members.resolve("multi_worker", {})
    with pytest.raises(UserError, match=r"train.strategy is 'mirrored' and TF_CONFIG names 2 workers"):
        members.resolve("mirrored", tf_config({"worker": TWO}, {"index": 0}))
    assert members.resolve("multi_worker", tf_config({"worker": TWO}, {"index": 0}))


def test_workers_of_kubernetes_may_be_a_range() -> None:
    named = {"SEGLINE_WORKERS": "train-0-[0-2].train:2222, other:1", "JOB_COMPLETION_INDEX": "3"}
    cluster = members.read(named)
    assert cluster and cluster.workers == (
        "train-0-0.train:2222",
        "train-0-1.train:2222",
        "train-0-2.train:2222",
        "other:1",
    )


def test_the_compose_file_is_read() -> None:
    services = yaml.safe_load((PROJECT / "docker/compose.yaml").read_text())["services"]
    for index in range(2):
        cluster = members.read(services[f"worker-{index}"]["environment"])
        assert cluster and cluster.workers == ("worker-0:2222", "worker-1:2222") and cluster.index == index


SLURM = {
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_JOB_ID": "123456",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NODELIST": "gpu[01-02],big",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
}


def test_slurm_gives_every_task_an_address() -> None:
    every = [members.read({**SLURM, "SLURM_PROCID": str(rank)}) for rank in range(5)]
    assert every[3] and every[3].index == 3
    assert len({each.workers for each in every if each}) == 1
    hosts = [worker.split(":")[0] for worker in every[0].workers] if every[0] else []
    ports = [int(worker.split(":")[1]) for worker in every[0].workers] if every[0] else []
    assert hosts == ["gpu01", "gpu01", "gpu02", "gpu02", "big"]
    assert ports[1] == ports[0] + 1 and ports[2] == ports[0] and all(12000 <= port < 32000 for port in ports)


def test_slurm_tasks_may_be_distributed_cyclically() -> None:
    cluster = members.read({**SLURM, "SLURM_PROCID": "0", "SLURM_DISTRIBUTION": "cyclic"})
    assert cluster and [worker.split(":")[0] for worker in cluster.workers] == [
        "gpu01",
        "gpu02",
        "big",
        "gpu01",
        "gpu02",
    ]


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("n1", ["n1"]),
        ("n[1-3,7],m", ["n1", "n2", "n3", "n7", "m"]),
        ("r[1-2]n[08-10]", ["r1n08", "r1n09", "r1n10", "r2n08", "r2n09", "r2n10"]),
    ],
)
def test_slurm_node_lists_are_expanded(text: str, nodes: list[str]) -> None:
    assert members.expand_nodes(text) == nodes


def test_workers_of_one_host_are_counted() -> None:
    three = {"worker": ["a:1", "a:2", "b:1"]}
    counts = [members.count_on_this_host(tf_config(three, {"type": "worker", "index": index})) for index in range(3)]
    assert counts == [2, 2, 1] and members.count_on_this_host({}) == 1
