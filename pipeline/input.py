"""From records to batches: for training, endless, shuffled and augmented; for measuring, once and as they are."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import servable
from pipeline import decoded, records
from pipeline.augment import augment
from pipeline.config import InputConfig
from pipeline.errors import UserError

AUTOTUNE = tf.data.AUTOTUNE
FOREVER = np.iinfo(np.int64).max


def train_dataset(
    folder: Path, config: InputConfig, *, batch_size: int, seed: int, epoch: int, first_step: int = 0
) -> tf.data.Dataset:
    """Give endless training batches, beginning at step `first_step` of epoch `epoch`, both counted from 0.

    An epoch shows every example at most once and leaves out the last ones where they fill no batch. Order and random
    changes are functions of (seed, epoch, example), so a later beginning gives the very batches that an earlier one
    would have come to.

    Returns:
        Dataset of image uint8 [B,h,w,3] and label uint8 [B,h,w], 255 ignored.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    examples = decoded.load(folder, records.TRAIN, config)  # what never changes: decoded, resized, kept if it fits
    return (
        tf.data.Dataset.range(epoch, FOREVER)
        .flat_map(partial(_shuffled, number=examples.number, batch_size=batch_size, seed=seed))
        .skip(first_step * batch_size)  # only numbers so far: a resume costs nothing
        .map(lambda epoch, index: (epoch, examples.fetch(index)), num_parallel_calls=AUTOTUNE)
        .map(partial(_augmented, config=config, seed=seed), num_parallel_calls=AUTOTUNE)
        .batch(batch_size, drop_remainder=True)
        .apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        .prefetch(AUTOTUNE)
        .with_options(options)
    )


def eval_dataset(folder: Path, split: str, *, batch_size: int) -> tf.data.Dataset:
    """Give every example of a split exactly once, at its original size, in an order that is always the same.

    Returns:
        Dataset of image uint8 [B,H,W,3], label uint8 [B,H,W], id and group string [B], with 1 <= B <= batch_size. The
        images of a batch have one size.
    """
    return (
        records.encoded(folder, split)
        .group_by_window(_size, lambda _, window: window.batch(batch_size), batch_size)
        .map(_decoded, num_parallel_calls=AUTOTUNE)  # after grouping: what waits for its batch is still compressed
        .prefetch(1)
    )


def check(config: InputConfig, batch_size: int, sizes: Mapping[str, int]) -> None:
    """Raise UserError, naming every problem, if the training images cannot make a batch.

    Args:
        config: The recipe's input section.
        batch_size: Images of a step.
        sizes: Number of images of each size, {"360x480": 367}, as in statistics.json.
    """
    problems = []
    images = sum(sizes.values())
    if images < batch_size:
        problems.append(
            f"train.batch_size is {batch_size} and split {records.TRAIN!r} has {images} images: not one batch can be "
            f"made. Set train.batch_size to at most {images}, or add images."
        )
    if len(sizes) > 1 and config.size is None and config.augment.crop is None:
        common = sorted(sizes, key=lambda size: -sizes[size])
        listed = ", ".join(f"{size} ({sizes[size]})" for size in common[:5]) + (", ..." if len(common) > 5 else "")
        problems.append(
            f"The training images have {len(sizes)} sizes (height x width: {listed}), and those of a batch must have "
            f"one. Set input.size, such as [{common[0].replace('x', ', ')}], or input.augment.crop."
        )
    problems += _crop(config, sizes)
    if problems:
        raise UserError("\n".join(problems))


def _crop(config: InputConfig, sizes: Mapping[str, int]) -> list[str]:
    """Refuse a crop that would show more margin than image, however far the image is zoomed."""
    crop, zoom = config.augment.crop, config.augment.scale[1]
    if crop is None:
        return []
    seen = [config.size] if config.size else [tuple(map(int, size.split("x"))) for size in sizes]
    if not seen or any(2 * height * zoom > crop[0] and 2 * width * zoom > crop[1] for height, width in seen):
        return []
    largest = max(seen)
    return [
        f"input.augment.crop is {crop[0]} x {crop[1]} and the largest image {largest[0]} x {largest[1]} (height x "
        f"width), zoomed by at most {zoom:g}: most of a crop would lie outside. Set a smaller input.augment.crop."
    ]


def _shuffled(epoch: tf.Tensor, number: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Indices of an epoch in random order, as many as fill whole batches, each with its epoch."""
    order = tf.random.experimental.stateless_shuffle(tf.range(number, dtype=tf.int64), [seed, epoch], alg="philox")
    whole = number // batch_size * batch_size
    return tf.data.Dataset.from_tensor_slices((tf.fill([whole], epoch), order[:whole]))


def _augmented(epoch: tf.Tensor, example: decoded.Example, config: InputConfig, seed: int) -> decoded.Example:
    of_example = tf.random.fold_in(tf.stack([tf.constant(seed, tf.int64), epoch]), example["key"])
    image, label = augment(example["image"], example["label"], config.augment, of_example)
    return {"image": image, "label": label}


def _size(record: decoded.Example) -> tf.Tensor:
    """One number for each height and width."""
    return record["height"] * 2**31 + record["width"]


def _decoded(batch: decoded.Example) -> decoded.Example:
    def one(files: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        return servable.decode(files[0]), tf.io.decode_png(files[1], channels=1)[..., 0]

    kinds = (tf.uint8, tf.uint8)
    image, label = tf.map_fn(one, (batch["image"], batch["label"]), fn_output_signature=kinds)
    return {"image": image, "label": label, "id": batch["id"], "group": batch["group"]}
