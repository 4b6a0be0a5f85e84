"""Measure the training step on two devices and on two workers: images for each CPU second, relative to one device.

    .venv/bin/python tests/benchmarks/distributed.py [--settings fast small] [--steps 4] [--rounds 5]

A device is a logical CPU with one thread, a worker a process on loopback. Every variant has processes of its own, all
of which live from the first round to the last: variants alternate, and results are medians of CPU seconds, so that
what else the machine does changes the ratios little. Waiting costs no CPU second: the ratio is the work that sharing
adds, not the time in which messages travel between hosts.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.orchestration.launch import free_addresses

PROJECT = Path(__file__).parents[2]
CLASSES, WARM_UP = 11, 2
SETTINGS: dict[str, tuple[int, tuple[int, int]]] = {"fast": (48, (288, 384)), "small": (8, (64, 96))}
"""Name -> width of `fast` and size of the images: its own, and a small one, where messages weigh most."""
VARIANTS = {
    "one device": (1, 1, "local"),
    "two devices, sync": (1, 2, "sync"),
    "two devices, local": (1, 2, "local"),
    "two workers, sync": (2, 1, "sync"),
    "two workers, local": (2, 1, "local"),
}
"""Name -> workers, devices of each, `train.batch_norm`."""


def child(setting: str, count: int, norm: str, images: int) -> None:
    """Train on `count` devices; for each number of steps on standard input, print the CPU seconds that they take."""
    import keras
    import numpy as np
    import tensorflow as tf

    from models import catalog, optimizers
    from pipeline.training import step_loops
    from pipeline.training.train_step import make_update

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(count)
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    strategy: tf.distribute.Strategy
    if "TF_CONFIG" in os.environ:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    elif count > 1:
        strategy = tf.distribute.MirroredStrategy([f"/cpu:{index}" for index in range(count)])
    else:
        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    width, size = SETTINGS[setting]
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = catalog.build("fast", CLASSES, {"width": width}, synchronized=norm == "sync")
        optimizer = optimizers.build("adamw", 1e-3, weight_decay=0.01)
        optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 256, (images, *size, 3), np.uint8),
        "label": rng.integers(0, CLASSES, (images, *size), np.uint8),
    }
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    data = iter(strategy.distribute_datasets_from_function(lambda context: dataset))
    run_steps = step_loops.one_by_one(make_update(model, optimizer, strategy))
    for line in sys.stdin:
        began = time.process_time()
        run_steps(data, int(line))
        print(f"CPU {time.process_time() - began}", flush=True)


class Variant:
    """The processes of one variant."""

    def __init__(self, setting: str, name: str, images: int) -> None:
        workers, self.devices, norm = VARIANTS[name]
        addresses = free_addresses(workers)
        self.processes = []
        for index in range(workers):
            job = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            cluster = {"TF_CONFIG": json.dumps(job)} if workers > 1 else {}
            command = [sys.executable, __file__, "--child", setting, str(self.devices), norm, str(images)]
            environment = {**os.environ, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3", **cluster}
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self.processes.append(subprocess.Popen(command, env=environment, **pipes))

    def run(self, steps: int) -> float:
        """Run steps in all processes at once; return their CPU seconds, for each device."""
        for process in self.processes:
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
        return sum(self._read(process) for process in self.processes) / (len(self.processes) * self.devices)

    def _read(self, process: "subprocess.Popen[str]") -> float:
        assert process.stdout
        line = next((line for line in process.stdout if line.startswith("CPU ")), None)
        if line is None:
            raise RuntimeError("a process ended; its error is above")
        return float(line.split()[1])

    def end(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.kill()
            process.wait()


def measure(setting: str, options: argparse.Namespace) -> None:
    """Measure the variants of one setting and print a table."""
    with contextlib.ExitStack() as stack:
        variants = {}
        for name in VARIANTS:
            variants[name] = Variant(setting, name, options.images)
            stack.callback(variants[name].end)
            variants[name].run(WARM_UP)  # compiles
        seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(options.rounds):
            for name, variant in variants.items():
                seconds[name].append(variant.run(options.steps) / (options.steps * options.images))
    width, size = SETTINGS[setting]
    print(f"\nfast, width {width}: {options.images} images of {size[0]}x{size[1]} a device")
    print(f"{'':<20} {'images a CPU second':>20} {'x one device':>13}")
    one = statistics.median(seconds["one device"])
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<20} {1 / median:20.2f} {one / median:13.2f}", flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--images", type=int, default=4, help="of a device in a step")
    parser.add_argument("--steps", type=int, default=4, help="of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        setting, devices, norm, images = options.child
        child(setting, int(devices), norm, int(images))
        return
    for setting in options.settings:
        measure(setting, options)


if __name__ == "__main__":
    main()
