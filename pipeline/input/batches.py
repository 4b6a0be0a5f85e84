"""From records to batches: for training, endless, shuffled and augmented; for measuring, once and as they are."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import image_file
from pipeline.config.recipe import AugmentConfig, InputConfig
from pipeline.input import decoded, record_dataset, records
from pipeline.input.augmentation import change
from pipeline.input.decoded import Examples
from pipeline.input.transforms import fixed_copies, mixing, random_draws

AUTOTUNE = tf.data.AUTOTUNE
FOREVER = np.iinfo(np.int64).max

Batch = Mapping[str, tf.Tensor]

Part = tuple[int, int]
"""Number of a worker, from 0, and how many there are."""

ALL: Part = (0, 1)


def train_dataset(
    folder: Path,
    config: InputConfig,
    *,
    batch_size: int,
    seed: int,
    epoch: int,
    first_step: int = 0,
    cache: Path | None = None,
    rarity: np.ndarray | None = None,
    part: Part = ALL,
    replicas: int = 1,
) -> tf.data.Dataset:
    """Give endless training batches, beginning at step `first_step` of epoch `epoch`.

    An epoch shows every example at most once and leaves out the last ones where they fill no batch. Order and random
    changes are functions of (seed, epoch, example), so a later beginning gives the very batches that an earlier one
    would have come to. A worker reads its own part of each batch and no more, whatever the number of files.

    Args:
        folder: The records folder.
        config: The recipe's input section.
        batch_size: Images of a step over all devices of all workers.
        seed: Of the training.
        epoch: Where to begin.
        first_step: Step of that epoch.
        cache: Folder for what is kept on disk; see decoded.load.
        rarity: Weight of each label for rare_crops; see augment.augment.
        part: Which part of each batch this worker computes.
        replicas: Devices of this worker: its part comes in so many batches, one after the other.

    Returns:
        Dataset of image uint8 [B,h,w,3], label uint8 [B,h,w] (255 ignored) and key int64 [B] (see decoded.key), with
        B = batch_size / workers / replicas. With `augment_on: device`, of what `on_device` takes.
    """
    worker, workers = part
    share = batch_size // workers
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    examples = decoded.load(folder, records.TRAIN, config, cache)  # what never changes: decoded, fitted, kept
    examples = fixed_copies.with_copies(examples, config.copies)
    dataset = (
        tf.data.Dataset.range(epoch, FOREVER)
        .flat_map(partial(_shuffled, number=examples.number, batch_size=batch_size, seed=seed))
        .skip(first_step * batch_size)  # only numbers so far: a resume costs nothing
        .batch(batch_size)
        .flat_map(lambda *batch: tf.data.Dataset.from_tensor_slices(_part(batch, worker * share, share)))
        .map(partial(take, examples=examples, config=config.augment, seed=seed), num_parallel_calls=AUTOTUNE)
    )
    if config.augment_on == "host":
        change_one = partial(change, config=config.augment, rarity=rarity)
        dataset = dataset.map(change_one, num_parallel_calls=AUTOTUNE)  # the random part, after what is kept
    return (
        dataset.batch(share // replicas, drop_remainder=True)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .prefetch(AUTOTUNE)
        .with_options(options)
    )


def on_device(config: InputConfig, rarity: np.ndarray | None = None) -> Callable[[Batch], Batch]:
    """Give the random part for whole batches, to be computed in the training step; what the host did not do.

    Returns:
        Function from a batch of `train_dataset` to image uint8 [B,h,w,3], label uint8 [B,h,w] and key int64 [B].
    """
    if config.augment_on == "host":
        return lambda batch: batch

    def prepare(batch: Batch) -> Batch:
        kinds = {"image": tf.uint8, "label": tf.uint8, "key": tf.int64}
        shapes = {name: batch[name].shape[1:] for name in kinds}
        if crop := config.augment.crop:
            shapes |= {"image": tf.TensorShape([*crop, 3]), "label": tf.TensorShape(crop)}
        signature = {name: tf.TensorSpec(shapes[name], kind) for name, kind in kinds.items()}
        change_one = partial(change, config=config.augment, rarity=rarity)
        changed: Batch = tf.map_fn(change_one, dict(batch), fn_output_signature=signature)
        return changed

    return prepare


def eval_dataset(
    folder: Path, split: str, *, batch_size: int, max_pixels: int | None = None, part: Part = ALL
) -> tf.data.Dataset:
    """Give every example of a part of a split exactly once, at its original size, in an order that is always the same.

    The parts of the workers follow each other, and differ by one example at most.

    Returns:
        Dataset of image uint8 [B,H,W,3], label uint8 [B,H,W], id and group string [B] and place int64 [B], where it
        stands in the split, from 0; 1 <= B <= batch_size. The images of a batch have one size; two or more have at most
        `max_pixels` pixels together.
    """

    def images_at_once(key: tf.Tensor) -> tf.Tensor:
        fitting = batch_size if max_pixels is None else max_pixels // ((key // 2**31) * (key % 2**31))
        return tf.clip_by_value(tf.cast(fitting, tf.int64), 1, batch_size)

    examples = record_dataset.encoded(folder, split).enumerate().map(_placed)
    number, workers = part
    first, end = (records.splits(folder)[split] * bound // workers for bound in (number, number + 1))
    return (
        examples.skip(first)
        .take(end - first)
        .group_by_window(_size, lambda _, window: window.batch(batch_size), window_size_func=images_at_once)
        .map(_decoded, num_parallel_calls=AUTOTUNE)  # after grouping: what waits for its batch is still compressed
        .prefetch(1)
    )


def _shuffled(epoch: tf.Tensor, number: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Indices of an epoch in random order, as many as fill whole batches, each with its epoch."""
    order = tf.random.experimental.stateless_shuffle(tf.range(number, dtype=tf.int64), [seed, epoch], alg="philox")
    whole = number // batch_size * batch_size
    return tf.data.Dataset.from_tensor_slices((tf.fill([whole], epoch), order[:whole]))


def _part(batch: tuple[tf.Tensor, ...], first: int, count: int) -> tuple[tf.Tensor, ...]:
    return tuple(values[first : first + count] for values in batch)


def take(epoch: tf.Tensor, index: tf.Tensor, examples: Examples, config: AugmentConfig, seed: int) -> Batch:
    """Fetch an example, and the one it is mixed with; say how they are changed (see augment.change)."""
    own = examples.fetch(index)
    taken = {**own, "seed": random_draws.of_example(seed, epoch, own["key"])}
    if not mixing.asked(config):
        return taken
    plan = mixing.plan(config, taken["seed"], examples.number)
    nothing = {name: tf.zeros_like(part) for name, part in own.items()}  # it is not looked at
    other = tf.cond(plan.kind == mixing.NONE, lambda: nothing, lambda: examples.fetch(plan.partner))
    other_seed = random_draws.of_example(seed, epoch, other["key"])
    parts = {"other_image": other["image"], "other_label": other["label"], "other_seed": other_seed}
    return {**taken, **parts, "kind": plan.kind}


def _placed(place: tf.Tensor, record: decoded.Example) -> decoded.Example:
    return {**record, "place": place}


def _size(record: decoded.Example) -> tf.Tensor:
    """One number for each height and width."""
    return record["height"] * 2**31 + record["width"]


def _decoded(batch: decoded.Example) -> decoded.Example:
    def one(files: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return image_file.decode(files[0]), tf.io.decode_png(files[1], channels=1)[..., 0]

    kinds = (tf.uint8, tf.uint8)
    image, label = tf.map_fn(one, (batch["image"], batch["label"]), fn_output_signature=kinds)
    return {"image": image, "label": label, **{name: batch[name] for name in ("id", "group", "place")}}
