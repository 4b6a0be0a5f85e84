"""Crops around what is rare: a class by how rare it is among all images, then one of its pixels in this one.

Hoyer, Dai, Van Gool: DAFormer, CVPR 2022, section 3.2, by which class c is drawn with a probability proportional to
exp((1 - share of c) / temperature). There it chooses images; here every image is shown, and it chooses the place.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from datasets.spec import IGNORE
from pipeline.input.transforms.random_draws import Kind, uniform

TEMPERATURE = 0.01
"""DAFormer's T for Cityscapes (section 4.1)."""

IDS = 256
"""How many labels a uint8 mask can hold, IGNORE among them."""

STEP = 2
"""Every so many rows and columns are looked at."""


def occurring(label: tf.Tensor) -> tf.Tensor:
    """Say of each label whether a mask int32 [h,w] has a pixel of it: bool [256].

    A maximum is the same in any order: bincount would not run on a GPU where every operation must be deterministic.
    """
    labels = tf.reshape(label, [-1])
    return tf.math.unsorted_segment_max(tf.ones_like(labels), labels, IDS) > 0


def rarity(pixels: Sequence[int]) -> np.ndarray:
    """Weigh classes by how rare they are.

    Args:
        pixels: Number of pixels of each class in the training split.

    Returns:
        float32 [256]: the weight of each label, the rarest 1; 0 for a class without a pixel, and for what is none.
    """
    weights = np.zeros(IDS, np.float32)
    counts = np.asarray(pixels, np.float64)
    occurs = counts > 0
    if occurs.any():
        shares = counts / counts.sum()
        weights[: len(counts)][occurs] = np.exp((shares[occurs].min() - shares[occurs]) / TEMPERATURE)
    return weights


def alike() -> np.ndarray:
    """Weigh all classes the same: float32 [256], 0 for what is ignored."""
    weights = np.ones(IDS, np.float32)
    weights[IGNORE] = 0
    return weights


def place(
    label: tf.Tensor,
    share: float,
    length: tf.Tensor,
    within: tf.Tensor,
    seed: tf.Tensor,
    weights: tf.Tensor,
    begin: tf.Tensor,
) -> tf.Tensor:
    """Lay a window around a pixel of a class, in `share` of all cases.

    Args:
        label: uint8 [H,W].
        share: How often.
        length: Of the window, int32 [2].
        within: Where in the window the pixel lies [2], in 0..1.
        seed: Of the example.
        weights: As `rarity` gives them.
        begin: Where the window begins otherwise, int32 [2].

    Returns:
        Where it begins, int32 [2]. It may reach beyond the image.
    """
    drawn = uniform(3, seed, Kind.RARE)
    seen = tf.cast(label[::STEP, ::STEP], tf.int32)
    there = occurring(seen)
    reach = tf.cumsum(tf.where(there, weights, 0.0))

    def around() -> tf.Tensor:
        chosen = tf.searchsorted(reach, drawn[1:2] * reach[-1], side="right")[0]
        pixels = tf.where(seen == tf.minimum(chosen, IDS - 1))
        number = tf.shape(pixels)[0]
        pixel = pixels[tf.minimum(tf.cast(drawn[2] * tf.cast(number, tf.float32), tf.int32), number - 1)]
        back = tf.cast(within * tf.cast(length, tf.float32), tf.int32)
        return tf.cast(pixel * STEP, tf.int32) - tf.minimum(back, length - 1)

    return tf.cond((drawn[0] < share) & (reach[-1] > 0), around, lambda: begin)
