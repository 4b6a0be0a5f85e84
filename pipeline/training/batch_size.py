"""`train.batch_size: auto`: as many images as fit the memory, determined before the training starts.

A device's share of a batch is the smallest possible one times 1, 2, 4, 8 .... Trial steps in a separate process measure
the memory of a share (see memory_trial.py). On a GPU shares grow until one does not fit. On a CPU, where running out of
memory makes the kernel kill some process of the host, the memory of large shares is extrapolated from small ones.

The size is stored in the training's folder, and a resumed training keeps it. The fingerprint holds `auto`: a result for
the same recipe and data is reused on any machine.
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
from pipeline.config.input import InputConfig
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.input import decoded, input_check
from pipeline.training.memory_trial import Trial
from pipeline.workspace import digest, json_file

FILE = "batch_size.json"

FREE_SHARE = 0.8
"""Usable share of the free memory; the rest is for prefetched batches, validation and other programs."""

MIN_GROWTH_BYTES = 256_000_000
"""Growth of the memory between two shares above which it is extrapolated; less may be noise."""


@dataclass(frozen=True)
class Share:
    """The largest share of a batch that fits a device.

    Attributes:
        images: Its number of images; 0: not even the smallest share fits.
        taken: Bytes that a step with it takes, measured or extrapolated from smaller shares.
        limit: Bytes that a step may take; None: all of a GPU's memory.
    """

    images: int
    taken: int
    limit: int | None


def read_stored(out: Path) -> int | None:
    """Return the batch size with which the training in `out` started; None: it has not started."""
    return int(json_file.read(out / FILE)["batch_size"]) if (out / FILE).is_file() else None


def smallest_share(config: Recipe) -> int:
    """Return a device's smallest share: for each part of `accumulate`, the network's least number of images."""
    return config.train.accumulate * catalog.min_batch_size(config.model.name)


def find(config: Recipe, inputs: dict[str, Path], sizes: Mapping[str, int]) -> Share:
    """Find the largest share by trial steps. Call it before this process uses a GPU: they need all of its memory.

    Args:
        config: Its sections input, model and train are used.
        inputs: Input folders of the train step.
        sizes: Number of images of each size, {"360x480": 367}.

    Raises:
        UserError: Not even the smallest share fits, or the system does not report its free memory.
    """
    unit, most = smallest_share(config), input_check.count_examples(config.input, sizes)
    free = machine.memory_available()
    with Trial(config, inputs, most=most) as trial:
        limit = None if trial.on_gpu else _limit(free, config.input, sizes)
        share = largest(trial.peak, unit=unit, most=most, limit=limit)
    if not share.images:
        room = "the GPU's memory" if limit is None else f"the {max(limit, 0) / 1e9:.1f} GB of memory that it may take"
        raise UserError(
            f"train.batch_size is auto, and a step with {unit} image{'s' * (unit > 1)} does not fit into {room}. Set a "
            "smaller input.augment.crop or input.size, choose a smaller network, or end other programs."
        )
    return share


def largest(peak: Callable[[int], int | None], *, unit: int, most: int, limit: int | None) -> Share:
    """Find the largest share that fits: `unit` times a power of two, and at most `most` images.

    >>> largest(lambda images: 10**9 * (1 + images), unit=1, most=400, limit=20 * 10**9)
    Share(images=16, taken=17000000000, limit=20000000000)

    Args:
        peak: Returns the peak memory of a step, in bytes, for a number of images; None: they do not fit.
        unit: Images of the smallest share.
        most: Images of the split.
        limit: Bytes that a step may take; a share that exceeds it by extrapolation is not tried. None: no limit.
    """
    share, size, tried = Share(0, 0, limit), unit, list[tuple[int, int]]()
    while size <= most:
        taken = _extrapolate(size, tried, limit)
        if taken is None:
            taken = peak(size)
            tried.append((size, taken or 0))
        if taken is None or (limit is not None and taken > limit):
            break
        share, size = Share(size, taken, limit), 2 * size
    return share


def agree(share: Share | None, team: Team, strategy: tf.distribute.Strategy, *, unit: int, most: int, out: Path) -> int:
    """Agree on one batch size: images of a step over all devices of all workers. The chief stores it in `out`.

    Args:
        share: The share of this worker's devices; the smallest of all workers is used. None: the training has started.
        team: The workers.
        strategy: The devices of all workers.
        unit: Images of the smallest share.
        most: Images of the split.
        out: Folder of the train step.

    Raises:
        UserError: There are fewer images than the smallest shares of all devices together, or the stored batch size
            cannot be shared evenly by these devices.
    """
    replicas = strategy.num_replicas_in_sync
    if stored := team.broadcast(read_stored(out) or 0):
        if stored % (replicas * unit):
            before = int(json_file.read(out / FILE)["devices"])
            raise UserError(
                f"train.batch_size is auto, and this training started with {stored} images on {before} device"
                f"{'s' * (before > 1)}, which {replicas} cannot share evenly. Use {before} again; or set "
                "train.batch_size to a number, with which it starts from scratch."
            )
        _print(team, f"{stored} images, as when this training started")
        return stored
    images = int(team.gather(np.array([share.images if share else 0])).min())
    while images >= unit and images * replicas > most:
        images //= 2
    if images < unit:
        raise UserError(
            f"Split 'train' has {most} images, fewer than {unit} for each of {replicas} devices (train.accumulate). "
            "Add images, or set train.strategy to 'one_device'."
        )
    if team.is_chief:
        text = json.dumps({"batch_size": images * replicas, "devices": replicas})
        digest.write_atomically(out / FILE, text + "\n")
    if share:
        shares = f" ({images} x {replicas} devices)" if replicas > 1 else ""
        _print(team, f"{images * replicas} images{shares}, {_reason(share, images, replicas, most)}")
    return images * replicas


def _print(team: Team, line: str) -> None:
    if team.is_chief:
        print(f"train     batch_size auto: {line}", flush=True)


def _reason(share: Share, images: int, replicas: int, most: int) -> str:
    """Describe what limits the batch size, in a few words."""
    if 2 * images * replicas > most:
        return f"as there are {most} in all"
    if images < share.images:
        return "limited by another worker"
    return "the most that fits" if share.limit is None else f"{share.taken / 1e9:.1f} of {share.limit / 1e9:.1f} GB"


def _extrapolate(size: int, tried: Sequence[tuple[int, int]], limit: int | None) -> int | None:
    """Extrapolate the bytes for a share of `size` images linearly from the last two trials.

    None: the share must be tried, as the trials differ too little and the share would fit.
    """
    if limit is None or len(tried) < 2:
        return None
    (few, less), (many, more) = tried[-2:]
    expected = more + (more - less) * (size - many) // (many - few)
    return expected if more - less >= MIN_GROWTH_BYTES or expected > limit else None


def _limit(free: int | None, config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Return the bytes that a training step on a CPU may take, of those that were free before it.

    The decoded images need memory as well, and other workers of this host need as much as this one.

    Raises:
        UserError: The system does not report its free memory.
    """
    if free is None:
        raise UserError(
            "train.batch_size is auto, and this system does not report its free memory. Set it to a number."
        )
    return int(FREE_SHARE * free / members.count_on_this_host(os.environ)) - decoded.cached_bytes(config, sizes)
