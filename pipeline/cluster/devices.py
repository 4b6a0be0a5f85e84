"""What a recipe is computed on: every GPU of every worker, of this machine, one, or the CPU."""

import os
from contextlib import suppress

import tensorflow as tf

from pipeline.cluster import members
from pipeline.cluster.members import Cluster
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import TrainConfig
from pipeline.errors import UserError


def strategy(config: TrainConfig) -> tf.distribute.Strategy:
    """Choose the devices for training. A GPU's memory is taken as it is needed, not all at once.

    Raises:
        UserError: `mirrored` is asked for and there is no GPU, `multi_worker` and there is no other worker, or the
            batch cannot be shared out evenly.
    """
    workers = members.joined(config.strategy, os.environ)
    chosen = _of_workers(workers, config.timeout_s) if workers else of(config.strategy, key="train.strategy")
    if config.batch_size != "auto":  # what is found later can be shared out
        check_batch(config.batch_size, chosen, parts=config.accumulate)
    return chosen


def for_evaluation(config: EvaluateConfig) -> tf.distribute.Strategy:
    """Choose the devices for evaluation, those of all workers where the recipe does not keep it to the chief's.

    Raises:
        UserError: As for `strategy`, but for the batch.
    """
    workers = None
    if config.strategy in members.CLUSTERED:
        workers = members.joined(config.strategy, os.environ, key="evaluate.strategy")
    return _of_workers(workers, config.timeout_s) if workers else of(config.strategy)


def of(name: str, *, key: str = "evaluate.strategy") -> tf.distribute.Strategy:
    """Give the devices of this machine that a recipe names; `key` named them.

    Args:
        name: auto or multi_worker (every GPU, or the CPU), one_device, mirrored.
        key: Of the recipe.

    Raises:
        UserError: `mirrored` is asked for and there is no GPU.
    """
    gpus = _gpus()
    if name == "mirrored" and not gpus:
        raise UserError(
            f"{key} is 'mirrored' and TensorFlow finds no GPU here ({describe()}). Set {key} to "
            "'auto' to use the CPU, or install GPU support: pip install 'segline[gpu]'."
        )
    if name == "mirrored" or (name in members.CLUSTERED and len(gpus) > 1):
        return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in range(len(gpus))])
    return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")


def _of_workers(workers: Cluster, timeout_s: float) -> tf.distribute.Strategy:
    """Connect to the other workers; waits for them. Must come before anything that computes with TensorFlow."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(workers.workers)}),
        task_type="worker",
        task_id=workers.index,
        num_accelerators={"GPU": len(_gpus())},
        rpc_layer="grpc",
    )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout_s)
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def check_batch(batch_size: int, chosen: tf.distribute.Strategy, *, parts: int = 1) -> None:
    """Raise UserError unless each replica gets equally many images of a batch, and each of its `parts` too."""
    replicas = chosen.num_replicas_in_sync
    shares = replicas * parts
    if batch_size % shares:
        near = [size for size in (batch_size // shares * shares, -(-batch_size // shares) * shares) if size]
        each = f" in {parts} parts each (train.accumulate)" if parts > 1 else ""
        raise UserError(
            f"train.batch_size is {batch_size}, which {replicas} devices cannot share evenly{each}. "
            f"Set it to {' or '.join(map(str, near))}, or train.strategy to 'one_device'."
        )


def describe() -> str:
    """Say in one line what there is to compute on, such as "4 x NVIDIA H100" or "2 CPU cores"."""
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in _gpus()]
    if names:
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    cores = cpu_cores()
    return f"{cores} CPU core{'s' * (cores > 1)}"


def cpu_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpus() -> list[tf.config.PhysicalDevice]:
    gpus: list[tf.config.PhysicalDevice] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # too late where this process has used the GPU before: then it is as it is
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    return gpus
