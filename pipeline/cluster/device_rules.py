"""What a recipe may ask of a machine without a GPU. Imports no TensorFlow, so that `segline check` answers at once."""

import os

from pipeline.errors import UserError


def require_cpu_allowed(strategy: str, key: str) -> None:
    """Raise UserError if a strategy needs a GPU; `key` is that of the recipe which names it."""
    if strategy == "mirrored":
        raise UserError(
            f"{key} is 'mirrored' and TensorFlow finds no GPU here ({describe_cpu()}). Set {key} to "
            "'auto' to use the CPU, or install GPU support: pip install 'segline[gpu]'."
        )


def describe_cpu() -> str:
    """Describe the CPU in one line, such as "2 CPU cores"."""
    cores = cpu_cores()
    return f"{cores} CPU core{'s' * (cores > 1)}"


def cpu_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
