"""The one way from images to logits. Validation in training, evaluation, export and prediction all go through it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    import keras

Size = tuple[int, int]


def resize_images(images: tf.Tensor, size: Size) -> tf.Tensor:
    """Resize images as the training input does: bilinear, with antialiasing where it shrinks.

    Args:
        images: [H,W,3] or [B,H,W,3], uint8 or float, 0..255.
        size: (height, width) to resize to.

    Returns:
        float32 of that size, 0..255, not rounded. Images that have the size already keep their exact values.
    """
    images = tf.cast(images, tf.float32)
    resized = _unless_of_size(images, size, lambda: tf.image.resize(images, size, method="bilinear", antialias=True))
    resized.set_shape([*images.shape[:-3], *size, images.shape[-1]])
    return resized


def logits(model: "keras.Model", images: tf.Tensor, size: Size | None = None) -> tf.Tensor:
    """Compute a model's logits at the images' own size; usable eagerly and in a tf.function of dynamic sizes.

    Args:
        model: Model of models.catalog.
        images: [B,H,W,3], uint8 or float, 0..255.
        size: (height, width) that the network sees; None: the images' own. The logits are resized back bilinearly.

    Returns:
        float32 [B,H,W,C].
    """
    seen = tf.cast(images, tf.float32) if size is None else resize_images(images, size)
    scores = tf.cast(model(seen, training=False), tf.float32)
    if size is None:
        return scores
    own = tf.shape(images)[1:3]
    back = _unless_of_size(scores, own, lambda: tf.image.resize(scores, own, method="bilinear"))
    back.set_shape([images.shape[0], images.shape[1], images.shape[2], scores.shape[-1]])
    return back


def _unless_of_size(images: tf.Tensor, size: "Size | tf.Tensor", resize: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Skip a resize that would change nothing; decided in the graph, as sizes may be known there alone."""
    return tf.cond(tf.reduce_all(tf.shape(images)[-3:-1] == size), lambda: images, resize)
