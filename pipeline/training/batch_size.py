"""`train.batch_size: auto`: as many images as the memory holds, found before the training begins.

A device's share of a batch is the smallest that there can be, times 1, 2, 4, 8 .... Trial steps in a process of their
own tell what a share takes (see trial.py). On a GPU shares grow until one does not fit. On a CPU, where the kernel
would end some process of the host, the growth from one small share to the next tells how far one may go.

The number is kept beside the training, so that a resume goes on with the one it began with. The fingerprint has `auto`:
the same recipe on the same data is reused, whatever the machine.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import catalog
from pipeline.cluster import members
from pipeline.cluster.team import Team
from pipeline.config.recipe import InputConfig, Recipe
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.input import decoded, input_check
from pipeline.training.memory_trial import Trial
from pipeline.workspace import digest, json_file

FILE = "batch_size.json"

FREE_SHARE = 0.8
"""Of the free memory; the rest is for batches that wait, for validation, and for whatever else the host does."""

TELLING_BYTES = 256_000_000
"""Growth of the memory from one share to the next from which on it is no chance."""


@dataclass(frozen=True)
class Found:
    """The largest share of a batch that a device holds.

    Attributes:
        images: How many images it has; 0: not even the smallest share fits.
        taken: Bytes that a step with it takes, as measured or as smaller shares let expect.
        limit: Bytes that it may take; None: all of a GPU's.
    """

    images: int
    taken: int
    limit: int | None


def begun(out: Path) -> int | None:
    """Give the batch size with which the training in `out` began; None: it has not begun."""
    return int(json_file.read(out / FILE)["batch_size"]) if (out / FILE).is_file() else None


def smallest(config: Recipe) -> int:
    """Give the least share of a device: in each part of `accumulate` the images that the model must see together."""
    return config.train.accumulate * catalog.least_batch(config.model.name)


def find(config: Recipe, inputs: dict[str, Path], sizes: Mapping[str, int]) -> Found:
    """Find the largest share. Before this process uses a GPU: the trial steps want all of its memory.

    Args:
        config: Its sections input, model and train.
        inputs: As of the train step.
        sizes: Number of images of each size, {"360x480": 367}.

    Raises:
        UserError: Not even the smallest share fits, or nothing says how much memory there is.
    """
    unit, most = smallest(config), input_check.number(config.input, sizes)
    free = machine.memory_available()
    with Trial(config, inputs, most=most) as trial:
        limit = None if trial.on_gpu else _limit(free, config.input, sizes)
        found = largest(trial.peak, unit=unit, most=most, limit=limit)
    if not found.images:
        room = "the GPU's memory" if limit is None else f"the {max(limit, 0) / 1e9:.1f} GB of memory that it may take"
        raise UserError(
            f"train.batch_size is auto, and a step with {unit} image{'s' * (unit > 1)} does not fit into {room}. Set a "
            "smaller input.augment.crop or input.size, choose a smaller network, or end other programs."
        )
    return found


def largest(peak: Callable[[int], int | None], *, unit: int, most: int, limit: int | None) -> Found:
    """Find the largest share: `unit` times a power of two, and no more than `most` images.

    Args:
        peak: From the images of a share to the most bytes that a step takes; None: it does not fit.
        unit: See above.
        most: Images that there are.
        limit: Bytes that a step may take; no share is tried that, going by smaller ones, takes more. None: whatever
            fits.
    """
    found, size, tried = Found(0, 0, limit), unit, list[tuple[int, int]]()
    while size <= most:
        taken = _foreseen(size, tried, limit)
        if taken is None:
            taken = peak(size)
            tried.append((size, taken or 0))
        if taken is None or (limit is not None and taken > limit):
            break
        found, size = Found(size, taken, limit), 2 * size
    return found


def agree(found: Found | None, team: Team, strategy: tf.distribute.Strategy, *, unit: int, most: int, out: Path) -> int:
    """Give every worker the same number: images of a step over all devices. The chief says it, and notes it in `out`.

    Args:
        found: The share of this worker's devices; the smallest of all workers counts. None: the training has begun.
        team: The workers.
        strategy: The devices of all of them.
        unit: See `smallest`.
        most: Images that there are.
        out: Folder of the train step.

    Raises:
        UserError: There are fewer images than the smallest shares of all devices, or the number with which the training
            began cannot be shared out to them.
    """
    replicas = strategy.num_replicas_in_sync
    if before := team.first(begun(out) or 0):
        if before % (replicas * unit):
            then = int(json_file.read(out / FILE)["devices"])
            raise UserError(
                f"train.batch_size is auto, and this training began with {before} images on {then} device"
                f"{'s' * (then > 1)}, which {replicas} cannot share evenly. Give it {then} again; or set "
                "train.batch_size to a number, with which it begins anew."
            )
        _say(team, f"{before} images, with which this training began")
        return before
    share = int(team.gather(np.array([found.images if found else 0])).min())
    while share >= unit and share * replicas > most:
        share //= 2
    if share < unit:
        raise UserError(
            f"Split 'train' has {most} images, fewer than {unit} for each of {replicas} devices (train.accumulate). "
            "Add images, or set train.strategy to 'one_device'."
        )
    if team.is_chief:
        text = json.dumps({"batch_size": share * replicas, "devices": replicas})
        digest.write_atomically(out / FILE, text + "\n")
    if found:
        shares = f" ({share} x {replicas} devices)" if replicas > 1 else ""
        _say(team, f"{share * replicas} images{shares}, {_why(found, share, replicas, most)}")
    return share * replicas


def _say(team: Team, line: str) -> None:
    if team.is_chief:
        print(f"train     batch_size auto: {line}", flush=True)


def _why(found: Found, share: int, replicas: int, most: int) -> str:
    """Say what limits the number, in few words."""
    if 2 * share * replicas > most:
        return f"as there are {most} in all"
    if share < found.images:
        return "the least of all workers"
    return "the most that fits" if found.limit is None else f"{found.taken / 1e9:.1f} of {found.limit / 1e9:.1f} GB"


def _foreseen(size: int, tried: Sequence[tuple[int, int]], limit: int | None) -> int | None:
    """Bytes for a share of `size` images, going on straight from the last two that were tried; None: it must be tried.

    What was tried tells enough where it grew enough, or where one would have to try what does not fit.
    """
    if limit is None or len(tried) < 2:
        return None
    (few, less), (many, more) = tried[-2:]
    expected = more + (more - less) * (size - many) // (many - few)
    return expected if more - less >= TELLING_BYTES or expected > limit else None


def _limit(free: int | None, config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Bytes that a training step on a CPU may take, of those that were free before it began.

    The decoded images lie beside it, and other workers of this host take the same.

    Raises:
        UserError: Nothing says how much memory is free.
    """
    if free is None:
        raise UserError(
            "train.batch_size is auto, and this system does not say how much memory is free. Set it to a number."
        )
    return int(FREE_SHARE * free / members.on_this_host(os.environ)) - decoded.kept_in_memory(config, sizes)
