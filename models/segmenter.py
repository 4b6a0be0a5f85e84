"""The one way from images to logits. Validation in training, evaluation, export and prediction all go through it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from models import auxiliary
from models.fit import Fit, Padding, Size

if TYPE_CHECKING:
    import keras

GREY = 114.0
"""What lies around an image: mean of the three channels of models.blocks.IMAGENET_MEAN, so about 0 after it."""

IGNORE = 255
"""Label of a pixel that does not count, as in datasets.spec."""


def resize_images(images: tf.Tensor, size: "Size | tf.Tensor") -> tf.Tensor:
    """Resize images as the training input does: bilinear, with antialiasing where it shrinks.

    Args:
        images: [H,W,3] or [B,H,W,3], uint8 or float, 0..255.
        size: (height, width) to resize to.

    Returns:
        float32 of that size, 0..255, not rounded. Images that have the size already keep their exact values.
    """
    images = tf.cast(images, tf.float32)
    resized = _unless_of_size(images, size, lambda: tf.image.resize(images, size, method="bilinear", antialias=True))
    known = (None, None) if isinstance(size, tf.Tensor) else size
    resized.set_shape([*images.shape[:-3], *known, images.shape[-1]])
    return resized


def fit_images(images: tf.Tensor, fit: Fit | None) -> tf.Tensor:
    """Bring images to the size that the network sees.

    Args:
        images: [H,W,3] or [B,H,W,3], uint8 or float, 0..255.
        fit: How; None: they stay as they are.

    Returns:
        float32, 0..255, not rounded.
    """
    if fit is None:
        return tf.cast(images, tf.float32)
    if fit.how == "resize":
        return resize_images(images, fit.size)
    own = tf.shape(images)[-3:-1]
    inner = _inner(own, fit)
    seen = tf.cast(images, tf.float32) if fit.how == "pad" else resize_images(images, inner)
    return _padded(seen, inner, fit, GREY)


def fit_label(label: tf.Tensor, fit: Fit | None) -> tf.Tensor:
    """Bring a label uint8 [H,W] to where `fit_images` brings its image: the nearest pixel, never a blend."""
    if fit is None:
        return label
    label = label[..., None]
    inner = fit.size if fit.how == "resize" else _inner(tf.shape(label)[:2], fit)
    if fit.how != "pad":
        label = tf.cast(tf.image.resize(label, inner, method="nearest"), tf.uint8)
    return (label if fit.how == "resize" else _padded(label, inner, fit, IGNORE))[..., 0]


def logits(model: "keras.Model", images: tf.Tensor, fit: Fit | None = None) -> tf.Tensor:
    """Compute a model's logits at the images' own size; usable eagerly and in a tf.function of dynamic sizes.

    Args:
        model: Model of models.catalog.
        images: [B,H,W,3], uint8 or float, 0..255.
        fit: How they come to the size that the network sees; None: it sees them as they are. The margin is cut off the
            logits, and they are resized back bilinearly where the images were resized.

    Returns:
        float32 [B,H,W,C].
    """
    scores = tf.cast(auxiliary.main(model(fit_images(images, fit), training=False)), tf.float32)
    if fit is None:
        return scores
    back = bring_back(scores, tf.shape(images)[1:3], fit)
    back.set_shape([images.shape[0], images.shape[1], images.shape[2], scores.shape[-1]])
    return back


def bring_back(scores: tf.Tensor, own: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Bring logits [B,h,w,C] of images that `fit_images` changed back to their `own` (height, width)."""
    if fit.how != "resize":
        inner = _inner(own, fit)
        top, left = tf.unstack(_before(inner, fit))
        scores = scores[:, top : top + inner[0], left : left + inner[1]]
    return _unless_of_size(scores, own, lambda: tf.image.resize(scores, own, method="bilinear"))


def _unless_of_size(images: tf.Tensor, size: "Size | tf.Tensor", resize: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Skip a resize that would change nothing; decided in the graph, as sizes may be known there alone."""
    return tf.cond(tf.reduce_all(tf.shape(images)[-3:-1] == size), lambda: images, resize)


def _inner(own: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Size int32 [2] that an image of the size `own` has inside its margin."""
    if fit.how == "pad":
        return own
    ratio = tf.reduce_min(tf.constant(fit.size, tf.float32) / tf.cast(own, tf.float32))
    inner = tf.cast(tf.round(tf.cast(own, tf.float32) * ratio), tf.int32)
    return tf.clip_by_value(inner, 1, tf.constant(fit.size))


def _before(inner: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Width of the margin above and to the left, int32 [2]; the odd pixel goes there."""
    return (tf.maximum(inner, tf.constant(fit.size)) - inner + 1) // 2


def _padded(images: tf.Tensor, inner: tf.Tensor, fit: Fit, value: float) -> tf.Tensor:
    """Put images [...,h,w,K] of the size `inner` in the middle of the size that the network sees."""
    outer, before = tf.maximum(inner, tf.constant(fit.size)), _before(inner, fit)
    known = [
        None if length is None and fit.how == "pad" else max(length or 0, least)
        for length, least in zip(images.shape[-3:-1], fit.size, strict=True)
    ]
    shape = [*images.shape[:-3], *known, images.shape[-1]]
    if fit.padding == "constant":
        margins = tf.stack([before, outer - inner - before], axis=1)
        around = tf.pad(margins, [[len(images.shape) - 3, 1], [0, 0]])
        images = tf.pad(images, around, constant_values=tf.cast(value, images.dtype))
    else:
        for axis in (0, 1):
            source = _source(tf.range(outer[axis]) - before[axis], inner[axis], fit.padding)
            images = tf.gather(images, source, axis=len(images.shape) - 3 + axis)
    return tf.ensure_shape(images, shape)


def _source(places: tf.Tensor, length: tf.Tensor, padding: Padding) -> tf.Tensor:
    """Which of 0..length-1 is seen at each place, of which those outside that range are margin."""
    if padding == "wrap":
        return places % length
    if padding == "symmetric":
        turned = places % (2 * length)
        return tf.minimum(turned, 2 * length - 1 - turned)
    turned = places % tf.maximum(1, 2 * length - 2)
    return tf.minimum(turned, tf.maximum(0, 2 * length - 2 - turned))
