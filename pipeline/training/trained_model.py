"""The trained model in the folder of a train step: save, load, and predict one image."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from models import catalog, segmenter, weights
from models.fit import Fit
from pipeline.config.model import ModelConfig

if TYPE_CHECKING:
    import keras

WEIGHTS = "weights.h5"


def save(train: Path, model: "keras.Model") -> None:
    """Write a model's weights into the folder of a train step, atomically."""
    partial = train / f"partial.{WEIGHTS}"
    weights.save(model, partial)
    partial.replace(train / WEIGHTS)


def load(train: Path, config: ModelConfig, num_classes: int) -> "keras.Model":
    """Rebuild a model with the weights of a finished train step.

    Args:
        train: Folder of the train step.
        config: The recipe's model section, as in training.
        num_classes: Number of classes of the dataset.

    Raises:
        ModelError: The weights are missing, damaged, or of another network.
    """
    return catalog.restore(config.name, num_classes, config.options, train / WEIGHTS)


def class_map(model: "keras.Model", image: np.ndarray, fit: Fit | None) -> np.ndarray:
    """Predict one image, resized or padded by `fit`: uint8 [H,W,3] -> uint8 [H,W] of train ids."""
    logits = segmenter.logits(model, tf.constant(image[None]), fit)
    return tf.argmax(logits[0], axis=-1, output_type=tf.int32).numpy().astype(np.uint8)
