"""Draws examples before and after the random part: the very images that the first epochs of a training show."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from datasets.spec import DatasetSpec
from pipeline.config.recipe import InputConfig
from pipeline.data.browser import Drawing
from pipeline.data.statistics import SplitStatistics
from pipeline.drawing import contact_sheet
from pipeline.drawing.contact_sheet import Pair
from pipeline.input import augmentation, batches, decoded
from pipeline.input.transforms import fixed_copies, rare_classes

EPOCHS = 3
"""How many epochs are shown beside the original."""


def drawing(ingest: Path, config: InputConfig, seed: int, split: str, found: SplitStatistics) -> Drawing:
    """Make what draws an example of a split as the training sees it.

    Args:
        ingest: Folder of a finished ingest step.
        config: The recipe's input section.
        seed: Its train.seed.
        split: The split.
        found: What it holds; its rare classes are those of `rare_crops`.
    """
    spec = DatasetSpec.read(ingest / "spec.json")
    examples = decoded.load(ingest / "records", split, config.model_copy(update={"cache": "none"}))
    every = fixed_copies.with_copies(examples, config.copies)
    rarity = rare_classes.rarity(found.pixels.tolist())

    @tf.function
    def changed(epoch: tf.Tensor, place: tf.Tensor) -> augmentation.Example:
        return augmentation.change(batches.take(epoch, place, every, config.augment, seed), config.augment, rarity)

    titles = [*config.copies, *(f"epoch {number + 1}" for number in range(EPOCHS))]

    def draw(name: str, place: int) -> np.ndarray:
        fetched = [_index(place + examples.number * number) for number in range(1 + len(config.copies))]
        own, *fixed = (_pair(every.fetch(index)) for index in fetched)
        random = [_pair(changed(_index(epoch), _index(place))) for epoch in range(EPOCHS)]
        return contact_sheet.before_and_after(own, [*fixed, *random], f"{name}: as it is, {', '.join(titles)}", spec)

    return draw


def _index(number: int) -> tf.Tensor:
    return tf.constant(number, tf.int64)


def _pair(example: augmentation.Example) -> Pair:
    return example["image"].numpy(), example["label"].numpy()
