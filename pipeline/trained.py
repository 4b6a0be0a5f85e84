"""The model that the train step left: loading it, and asking it about one image."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from models import catalog, segmenter
from pipeline.config import ModelConfig

if TYPE_CHECKING:
    import keras

WEIGHTS = "model.weights.h5"


def load(train: Path, config: ModelConfig, num_classes: int) -> "keras.Model":
    """Rebuild a model and give it the weights of a finished train step.

    Args:
        train: Folder of the train step.
        config: The recipe's model section, as it was for training.
        num_classes: Classes of the dataset.
    """
    return catalog.restore(config.name, num_classes, config.options, train / WEIGHTS)


def class_map(model: "keras.Model", image: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Classify one image uint8 [H,W,3], seen at `size` or as it is: uint8 [H,W] of train ids."""
    logits = segmenter.logits(model, tf.constant(image[None]), size)
    return tf.argmax(logits[0], axis=-1, output_type=tf.int32).numpy().astype(np.uint8)
