"""The devices that a recipe computes on: every GPU of every worker or of this machine, one GPU, or the CPU."""

import os
from contextlib import suppress

import tensorflow as tf

from pipeline.cluster import device_rules, members
from pipeline.cluster.members import Cluster
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.train import TrainConfig
from pipeline.errors import UserError


def training_strategy(config: TrainConfig) -> tf.distribute.Strategy:
    """Choose the devices for training. TensorFlow then takes a GPU's memory as needed, not all at once.

    Raises:
        UserError: The strategy is `mirrored` and there is no GPU, or `multi_worker` and there is no other worker; the
            devices cannot share the batch evenly; or they cannot use NCCL.
    """
    cluster, all_reduce = members.resolve(config.strategy, os.environ), config.communication.all_reduce
    if all_reduce == "nccl" and not _gpus():
        raise UserError(
            f"train.communication.all_reduce is 'nccl', which needs GPUs, and TensorFlow finds none here "
            f"({describe()}). Set it to 'auto'."
        )
    if cluster:
        strategy = _cluster_strategy(cluster, config.timeout_s, all_reduce)
    else:
        strategy = local_strategy(config.strategy, key="train.strategy")
    if config.batch_size != "auto":  # a size that is determined later is a multiple of the devices
        check_batch(config.batch_size, strategy, parts=config.accumulate)
    return strategy


def evaluation_strategy(config: EvaluateConfig) -> tf.distribute.Strategy:
    """Choose the devices for evaluation: those of all workers, or those of the chief only where the recipe says so.

    Raises:
        UserError: As for `training_strategy`, the batch apart.
    """
    cluster = None
    if config.strategy in members.CLUSTERED:
        cluster = members.resolve(config.strategy, os.environ, key="evaluate.strategy")
    return _cluster_strategy(cluster, config.timeout_s) if cluster else local_strategy(config.strategy)


def local_strategy(name: str, *, key: str = "evaluate.strategy") -> tf.distribute.Strategy:
    """Return the devices of this machine that a recipe names.

    Args:
        name: auto or multi_worker (every GPU, or the CPU), one_device, mirrored.
        key: Key of the recipe that holds the name, for messages.

    Raises:
        UserError: `name` is mirrored and there is no GPU.
    """
    gpus = _gpus()
    if not gpus:
        device_rules.require_cpu_allowed(name, key)
    if name == "mirrored" or (name in members.CLUSTERED and len(gpus) > 1):
        return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in range(len(gpus))])
    return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")


def _cluster_strategy(cluster: Cluster, timeout_s: float, all_reduce: str = "auto") -> tf.distribute.Strategy:
    """Connect to the other workers and wait for them. Must come before anything that computes with TensorFlow."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.workers)}),
        task_type="worker",
        task_id=cluster.index,
        num_accelerators={"GPU": len(_gpus())},
        rpc_layer="grpc",
    )
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout_s, implementation=all_reduce)
    return tf.distribute.MultiWorkerMirroredStrategy(resolver, options)


def check_batch(batch_size: int, strategy: tf.distribute.Strategy, *, parts: int = 1) -> None:
    """Check that a batch divides evenly into the replicas, and each replica's share into `parts`.

    Raises:
        UserError: It does not.
    """
    replicas = strategy.num_replicas_in_sync
    shares = replicas * parts
    if batch_size % shares:
        near = [size for size in (batch_size // shares * shares, -(-batch_size // shares) * shares) if size]
        each = f" in {parts} parts each (train.accumulate)" if parts > 1 else ""
        raise UserError(
            f"train.batch_size is {batch_size}, which {replicas} devices cannot share evenly{each}. "
            f"Set it to {' or '.join(map(str, near))}, or train.strategy to 'one_device'."
        )


def describe() -> str:
    """Describe this machine's devices in one line, such as "4 x NVIDIA H100" or "2 CPU cores"."""
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in _gpus()]
    if names:
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    return device_rules.describe_cpu()


def _gpus() -> list[tf.config.PhysicalDevice]:
    gpus: list[tf.config.PhysicalDevice] = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        with suppress(RuntimeError):  # raised if this process has used the GPU before: its setting then stays
            tf.config.experimental.set_memory_growth(gpu, enable=True)
    return gpus
