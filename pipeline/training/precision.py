"""`train.precision: auto`: bfloat16 where the devices compute in it, else float32.

The choice is stored in the training's folder: a resumed training keeps it, on another machine too.
"""

from pathlib import Path

import tensorflow as tf

from pipeline.cluster.team import Team
from pipeline.config.train import TrainConfig
from pipeline.host import machine
from pipeline.workspace import json_file

FILE = "precision.json"

CPU_FLAGS = ("avx512_bf16", "amx_bf16")
"""Flags of x86 processors for whose instructions oneDNN has kernels in bfloat16."""

CAPABILITY = (8, 0)
"""Compute capability of NVIDIA's GPUs from which on they multiply in bfloat16 (Ampere)."""


def settled(train: TrainConfig, out: Path) -> TrainConfig:
    """Return the section with the stored precision in place of `auto`, or with the one that fits this machine."""
    if train.precision != "auto":
        return train
    stored = out / FILE
    name = json_file.read(stored)["precision"] if stored.is_file() else choose()[0]
    return train.model_copy(update={"precision": name})


def agreed(train: TrainConfig, team: Team, out: Path) -> TrainConfig:
    """Return the section with the chief's precision, for every worker; the chief stores it."""
    shared = bool(team.broadcast(int(train.precision == "mixed_bfloat16")))
    name = "mixed_bfloat16" if shared else "float32"
    if team.is_chief:
        json_file.write(out / FILE, {"precision": name})
    return train.model_copy(update={"precision": name})


def describe(name: str) -> str:
    """Return a line's text on the chosen precision and why."""
    fitting, reason = choose()
    return f"precision {name}: {reason if name == fitting else 'as the training began, or as at its first worker'}"


def choose() -> tuple[str, str]:
    """Return the precision that fits this machine's devices, and the reason. No GPU is taken."""
    if gpus := tf.config.list_physical_devices("GPU"):
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        if all(tuple(each.get("compute_capability", ())) >= CAPABILITY for each in details):
            return "mixed_bfloat16", "every GPU computes in it"
        return "float32", f"a GPU has less than compute capability {'.'.join(map(str, CAPABILITY))}"
    if flags := [flag for flag in CPU_FLAGS if flag in machine.cpu_flags()]:
        return "mixed_bfloat16", f"the CPU has {' and '.join(flags)}"
    return "float32", f"the CPU has neither {' nor '.join(CPU_FLAGS)}"
