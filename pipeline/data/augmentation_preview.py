"""Examples before and after augmentation: exactly the images that the first epochs of a training use."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from datasets.spec import DatasetSpec
from pipeline.config.input import InputConfig
from pipeline.data.browser import Drawing
from pipeline.data.statistics import SplitStatistics
from pipeline.drawing import contact_sheet
from pipeline.drawing.contact_sheet import Pair
from pipeline.input import augmentation, batches, decoded
from pipeline.input.transforms import fixed_copies, rare_classes

EPOCHS = 3
"""Number of epochs that are drawn beside the original."""


def drawing(ingest: Path, config: InputConfig, seed: int, split: str, statistics: SplitStatistics) -> Drawing:
    """Return a function that draws an example of a split, its fixed copies and its augmentations in training.

    Args:
        ingest: Folder of a finished ingest step.
        config: The recipe's input section.
        seed: The recipe's train.seed.
        split: The split.
        statistics: Of the split; its rare classes are those of `rare_crops`.
    """
    spec = DatasetSpec.read(ingest / "spec.json")
    examples = decoded.load(ingest / "records", split, config.model_copy(update={"cache": "none"}))
    with_copies = fixed_copies.with_copies(examples, config.copies)
    rarity = rare_classes.rarity(statistics.pixels.tolist())

    @tf.function
    def augmented(epoch: tf.Tensor, index: tf.Tensor) -> augmentation.Example:
        example = batches.fetch_example(epoch, index, with_copies, config.augment, seed)
        return augmentation.augment_example(example, config.augment, rarity)

    titles = [*config.copies, *(f"epoch {number + 1}" for number in range(EPOCHS))]

    def draw(name: str, index: int) -> np.ndarray:
        indices = [_int64(index + examples.count * copy) for copy in range(1 + len(config.copies))]
        original, *copies = (_pair(with_copies.fetch(each)) for each in indices)
        random = [_pair(augmented(_int64(epoch), _int64(index))) for epoch in range(EPOCHS)]
        title = f"{name}: as it is, {', '.join(titles)}"
        return contact_sheet.before_and_after(original, [*copies, *random], title, spec)

    return draw


def _int64(number: int) -> tf.Tensor:
    return tf.constant(number, tf.int64)


def _pair(example: augmentation.Example) -> Pair:
    return example["image"].numpy(), example["label"].numpy()
