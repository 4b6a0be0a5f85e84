"""Crops around rare classes: draw a class by its rarity in the training split, then one of its pixels in the image.

Hoyer, Dai, Van Gool: DAFormer, CVPR 2022, section 3.2: class c is drawn with a probability proportional to
exp((1 - share of c) / temperature). DAFormer draws images by it; here every image is used, and it places the crop.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models.labels import IGNORE
from pipeline.input.transforms.random_draws import Kind, uniform

TEMPERATURE = 0.01
"""DAFormer's T for Cityscapes (section 4.1)."""

LABELS = 256
"""Number of values of a uint8 mask, IGNORE among them."""

STEP = 2
"""Pixels are searched in every STEP-th row and column."""


def present_labels(label: tf.Tensor) -> tf.Tensor:
    """Mark the labels that occur in a mask int32 [h,w]: bool [256].

    A segment maximum does not depend on the order; tf.math.bincount has no deterministic GPU kernel.
    """
    labels = tf.reshape(label, [-1])
    return tf.math.unsorted_segment_max(tf.ones_like(labels), labels, LABELS) > 0


def rarity(pixels: Sequence[int]) -> np.ndarray:
    """Compute DAFormer's weight of each label.

    Args:
        pixels: Number of pixels of each class in the training split.

    Returns:
        float32 [256]: 1 for the rarest class; 0 for labels without a pixel or without a class.

    >>> rarity([990, 10, 0])[:4].round(3).tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    weights = np.zeros(LABELS, np.float32)
    counts = np.asarray(pixels, np.float64)
    occurs = counts > 0
    if occurs.any():
        shares = counts / counts.sum()
        weights[: len(counts)][occurs] = np.exp((shares[occurs].min() - shares[occurs]) / TEMPERATURE)
    return weights


def uniform_weights() -> np.ndarray:
    """Weigh all classes the same: float32 [256], 1, and 0 for IGNORE."""
    weights = np.ones(LABELS, np.float32)
    weights[IGNORE] = 0
    return weights


def place_window(
    label: tf.Tensor,
    share: float,
    length: tf.Tensor,
    within: tf.Tensor,
    seed: tf.Tensor,
    weights: tf.Tensor,
    begin: tf.Tensor,
) -> tf.Tensor:
    """Place a window around a pixel of a drawn class, with probability `share`.

    Args:
        label: uint8 [H,W], 255 = ignored.
        share: Probability, 0..1.
        length: Height and width of the window, int32 [2].
        within: Position of the pixel in the window, float32 [2] in 0..1.
        seed: The example's seed, int64 [2].
        weights: Weight of each label, float32 [256]; see `rarity`.
        begin: First row and column of the window otherwise, int32 [2].

    Returns:
        First row and column of the window, int32 [2]; it may reach beyond the image.
    """
    draws = uniform(3, seed, Kind.RARE)
    labels = tf.cast(label[::STEP, ::STEP], tf.int32)
    cumulative = tf.cumsum(tf.where(present_labels(labels), weights, 0.0))

    def around_rare() -> tf.Tensor:
        chosen = tf.searchsorted(cumulative, draws[1:2] * cumulative[-1], side="right")[0]
        pixels = tf.where(labels == tf.minimum(chosen, LABELS - 1))
        count = tf.shape(pixels)[0]
        pixel = pixels[tf.minimum(tf.cast(draws[2] * tf.cast(count, tf.float32), tf.int32), count - 1)]
        offset = tf.cast(within * tf.cast(length, tf.float32), tf.int32)
        return tf.cast(pixel * STEP, tf.int32) - tf.minimum(offset, length - 1)

    return tf.cond((draws[0] < share) & (cumulative[-1] > 0), around_rare, lambda: begin)
