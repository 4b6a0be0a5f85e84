"""Processes on loopback in place of hosts, and logical devices in place of GPUs, for scripts that tests start."""

import json
import os
import subprocess
import sys
from pathlib import Path

from pipeline.orchestration.launch import free_addresses

PROJECT = Path(__file__).parents[3]


def together(script: Path, arguments: list[str], workers: int, seconds: float = 900) -> list[str]:
    """Run a script in `workers` processes connected by TF_CONFIG; return the output of each."""
    addresses = free_addresses(workers)
    started = []
    for index in range(workers):
        tf_config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        variables = {"PYTHONPATH": str(PROJECT)} | ({"TF_CONFIG": json.dumps(tf_config)} if workers > 1 else {})
        command = [sys.executable, str(script), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(command, env={**os.environ, **variables}, **pipes))
    try:
        outputs = [process.communicate(timeout=seconds)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * workers, "\n".join(outputs)
    return outputs


def replicas(count: int) -> None:
    """Create `count` logical CPU devices, and make strategies of several workers use them all.

    Must come before TensorFlow's first use. TensorFlow counts GPUs itself; of CPUs it would use one.
    """
    import tensorflow as tf
    from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)

    def devices(self: object, cluster_resolver: object, worker_device: str) -> tuple[tuple[str, ...], str]:
        return tuple(f"{worker_device}/device:CPU:{index}" for index in range(count)), "CPU"

    CollectiveAllReduceExtended._initialize_local_devices = devices
