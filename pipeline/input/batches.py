"""Batches of records: endless, shuffled and augmented for training; each example once, unchanged, for evaluation."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import image_file
from pipeline.config.input import AugmentConfig, InputConfig
from pipeline.input import decoded, record_dataset, records
from pipeline.input.augmentation import augment_example
from pipeline.input.decoded import Examples
from pipeline.input.transforms import fixed_copies, mixing, random_draws

AUTOTUNE = tf.data.AUTOTUNE
FOREVER = np.iinfo(np.int64).max

Batch = Mapping[str, tf.Tensor]

Part = tuple[int, int]
"""(index of this worker, from 0; number of workers)."""

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
    """Build the endless dataset of training batches, starting at step `first_step` of epoch `epoch`.

    An epoch shows every example at most once; the last ones are dropped where they fill no batch. Order and
    augmentation are functions of (seed, epoch, example), so a resumed dataset yields exactly the batches that an
    uninterrupted one would have reached. A worker reads only its own part of each batch, whatever the number of files.

    Args:
        folder: The records folder.
        config: The recipe's input section.
        batch_size: Images of a step over all devices of all workers.
        seed: The training's seed.
        epoch: Epoch to start at, from 0.
        first_step: Step of that epoch to start at, from 0.
        cache: Folder of the disk cache; see decoded.load.
        rarity: Weight of each label for rare_crops, float32 [256]; see augmentation.augment.
        part: Which part of each batch this worker computes.
        replicas: Devices of this worker; its part of a step comes as one batch per device, in order.

    Returns:
        Dataset of image uint8 [B,h,w,3], label uint8 [B,h,w] (255 = ignored) and key int64 [B] (see decoded.key), with
        B = batch_size / workers / replicas. With `augment_on: device`, the input of `device_augmentation`.
    """
    worker, workers = part
    share = batch_size // workers
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    examples = decoded.load(folder, records.TRAIN, config, cache)  # the deterministic part: decoded, resized, cached
    examples = fixed_copies.with_copies(examples, config.copies)
    dataset = (
        tf.data.Dataset.range(epoch, FOREVER)
        .flat_map(partial(_shuffled, count=examples.count, batch_size=batch_size, seed=seed))
        .skip(first_step * batch_size)  # only numbers so far: a resume costs nothing
        .batch(batch_size)
        .flat_map(lambda *batch: tf.data.Dataset.from_tensor_slices(_part(batch, worker * share, share)))
        .map(partial(fetch_example, examples=examples, config=config.augment, seed=seed), num_parallel_calls=AUTOTUNE)
    )
    if config.augment_on == "host":
        augment_one = partial(augment_example, config=config.augment, rarity=rarity)
        dataset = dataset.map(augment_one, num_parallel_calls=AUTOTUNE)  # the random part, after the cache
    return (
        dataset.batch(share // replicas, drop_remainder=True)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .prefetch(AUTOTUNE)
        .with_options(options)
    )


def device_augmentation(config: InputConfig, rarity: np.ndarray | None = None) -> Callable[[Batch], Batch]:
    """Return the augmentation of a whole batch inside the training step; the identity with `augment_on: host`.

    Args:
        config: The recipe's input section.
        rarity: As for `train_dataset`.

    Returns:
        Function from a batch of `train_dataset` to image uint8 [B,h,w,3], label uint8 [B,h,w] and key int64 [B].
    """
    if config.augment_on == "host":
        return lambda batch: batch

    def prepare(batch: Batch) -> Batch:
        dtypes = {"image": tf.uint8, "label": tf.uint8, "key": tf.int64}
        shapes = {name: batch[name].shape[1:] for name in dtypes}
        if crop := config.augment.crop:
            shapes |= {"image": tf.TensorShape([*crop, 3]), "label": tf.TensorShape(crop)}
        signature = {name: tf.TensorSpec(shapes[name], dtype) for name, dtype in dtypes.items()}
        augment_one = partial(augment_example, config=config.augment, rarity=rarity)
        augmented: Batch = tf.map_fn(augment_one, dict(batch), fn_output_signature=signature)
        return augmented

    return prepare


def eval_dataset(
    folder: Path, split: str, *, batch_size: int, max_pixels: int | None = None, part: Part = ALL
) -> tf.data.Dataset:
    """Build the dataset of evaluation batches: each example once, at its original size, in a fixed order.

    Args:
        folder: The records folder.
        split: One of records.splits(folder).
        batch_size: Images of a batch at most.
        max_pixels: Pixels of a batch of two or more images at most; None: no limit.
        part: Which part of the split this worker evaluates: consecutive examples, as many as any other worker's or
            one more.

    Returns:
        Dataset of image uint8 [B,H,W,3], label uint8 [B,H,W], id and group string [B], and index int64 [B], the
        position in the split from 0; 1 <= B <= batch_size. The images of a batch have one size.
    """

    def images_at_once(key: tf.Tensor) -> tf.Tensor:
        fitting = batch_size if max_pixels is None else max_pixels // ((key // 2**31) * (key % 2**31))
        return tf.clip_by_value(tf.cast(fitting, tf.int64), 1, batch_size)

    examples = record_dataset.encoded(folder, split).enumerate().map(lambda index, record: {**record, "index": index})
    worker, workers = part
    first, end = (records.splits(folder)[split] * bound // workers for bound in (worker, worker + 1))
    return (
        examples.skip(first)
        .take(end - first)
        .group_by_window(_size, lambda _, window: window.batch(batch_size), window_size_func=images_at_once)
        .map(_decoded, num_parallel_calls=AUTOTUNE)  # after grouping: examples wait for their batch compressed
        .prefetch(1)
    )


def _shuffled(epoch: tf.Tensor, count: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Dataset of (epoch, index) in random order, cut to whole batches."""
    order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), [seed, epoch], alg="philox")
    whole = count // batch_size * batch_size
    return tf.data.Dataset.from_tensor_slices((tf.fill([whole], epoch), order[:whole]))


def _part(batch: tuple[tf.Tensor, ...], first: int, count: int) -> tuple[tf.Tensor, ...]:
    return tuple(values[first : first + count] for values in batch)


def fetch_example(epoch: tf.Tensor, index: tf.Tensor, examples: Examples, config: AugmentConfig, seed: int) -> Batch:
    """Fetch an example with its seed and, where mixing is enabled, its partner: the input of augment_example.

    Args:
        epoch: int64 scalar.
        index: int64 scalar in 0..examples.count-1.
        examples: The decoded split.
        config: The recipe's input.augment section.
        seed: The training's seed.
    """
    own = examples.fetch(index)
    example = {**own, "seed": random_draws.example_seed(seed, epoch, own["key"])}
    if not mixing.enabled(config):
        return example
    plan = mixing.draw_plan(config, example["seed"], examples.count)
    unused = {name: tf.zeros_like(part) for name, part in own.items()}
    other = tf.cond(plan.kind == mixing.NONE, lambda: unused, lambda: examples.fetch(plan.partner))
    other_seed = random_draws.example_seed(seed, epoch, other["key"])
    parts = {"other_image": other["image"], "other_label": other["label"], "other_seed": other_seed}
    return {**example, **parts, "kind": plan.kind}


def _size(record: decoded.Example) -> tf.Tensor:
    """Height and width as one integer, the key that batches are grouped by."""
    return record["height"] * 2**31 + record["width"]


def _decoded(batch: decoded.Example) -> decoded.Example:
    def one(files: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return image_file.decode(files[0]), tf.io.decode_png(files[1], channels=1)[..., 0]

    image, label = tf.map_fn(one, (batch["image"], batch["label"]), fn_output_signature=(tf.uint8, tf.uint8))
    return {"image": image, "label": label, **{name: batch[name] for name in ("id", "group", "index")}}
