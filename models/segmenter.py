"""From images to logits: resizing, padding and the network, shared by validation, evaluation, export and prediction."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from models import auxiliary
from models.fit import Fit, Padding, Size
from models.labels import IGNORE

if TYPE_CHECKING:
    import keras

GREY = 114.0
"""Value of the margin around an image: mean of models.blocks.IMAGENET_MEAN, so about 0 once normalised."""


def resize_images(images: tf.Tensor, size: "Size | tf.Tensor") -> tf.Tensor:
    """Resize images as the training input does: bilinear, with antialiasing when shrinking.

    Args:
        images: [H,W,3] or [B,H,W,3], uint8 or float, 0..255.
        size: (height, width) in pixels; a tuple, or int32 [2].

    Returns:
        float32 of that size, 0..255, not rounded. Images that already have the size keep their exact values.
    """
    images = tf.cast(images, tf.float32)
    resized = _unless_of_size(images, size, lambda: tf.image.resize(images, size, method="bilinear", antialias=True))
    known = (None, None) if isinstance(size, tf.Tensor) else size
    resized.set_shape([*images.shape[:-3], *known, images.shape[-1]])
    return resized


def fit_images(images: tf.Tensor, fit: Fit | None) -> tf.Tensor:
    """Bring images to the network's input size.

    >>> fit_images(tf.zeros([30, 60, 3]), Fit((64, 64), "resize_pad")).shape
    TensorShape([64, 64, 3])

    Args:
        images: [H,W,3] or [B,H,W,3], uint8 or float, 0..255.
        fit: How to resize and pad; None: not at all.

    Returns:
        float32, 0..255, not rounded.
    """
    if fit is None:
        return tf.cast(images, tf.float32)
    if fit.how == "resize":
        return resize_images(images, fit.size)
    own = tf.shape(images)[-3:-1]
    inner = _inner(own, fit)
    resized = tf.cast(images, tf.float32) if fit.how == "pad" else resize_images(images, inner)
    return _pad(resized, inner, fit, GREY)


def fit_label(label: tf.Tensor, fit: Fit | None) -> tf.Tensor:
    """Resize and pad a label uint8 [H,W] as `fit_images` does its image, by the nearest pixel and with 255."""
    if fit is None:
        return label
    label = label[..., None]
    inner = fit.size if fit.how == "resize" else _inner(tf.shape(label)[:2], fit)
    if fit.how != "pad":
        label = tf.cast(tf.image.resize(label, inner, method="nearest"), tf.uint8)
    return (label if fit.how == "resize" else _pad(label, inner, fit, IGNORE))[..., 0]


def logits(model: "keras.Model", images: tf.Tensor, fit: Fit | None = None) -> tf.Tensor:
    """Compute a model's logits at the images' own size; works eagerly and in a tf.function of dynamic sizes.

    Args:
        model: Model of models.catalog.
        images: [B,H,W,3], uint8 or float, 0..255.
        fit: How images are brought to the network's input size, and logits back; None: they are not changed.

    Returns:
        float32 [B,H,W,C].
    """
    scores = tf.cast(auxiliary.main(model(fit_images(images, fit), training=False)), tf.float32)
    if fit is None:
        return scores
    restored = restore_size(scores, tf.shape(images)[1:3], fit)
    restored.set_shape([images.shape[0], images.shape[1], images.shape[2], scores.shape[-1]])
    return restored


def restore_size(scores: tf.Tensor, own: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Undo `fit_images` on logits: crop the margin, then resize bilinearly.

    Args:
        scores: float32 [B,h,w,C], logits at the network's input size.
        own: (height, width) of the images before `fit_images`, int32 [2].
        fit: What `fit_images` was called with.

    Returns:
        float32 [B,H,W,C].
    """
    if fit.how != "resize":
        inner = _inner(own, fit)
        top, left = tf.unstack(_margin_before(inner, fit))
        scores = scores[:, top : top + inner[0], left : left + inner[1]]
    return _unless_of_size(scores, own, lambda: tf.image.resize(scores, own, method="bilinear"))


def _unless_of_size(images: tf.Tensor, size: "Size | tf.Tensor", resize: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Skip a resize that would change nothing; decided in the graph, because sizes may be unknown before."""
    return tf.cond(tf.reduce_all(tf.shape(images)[-3:-1] == size), lambda: images, resize)


def _inner(own: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Return the size, int32 [2], of an image of the size `own` inside its margin."""
    if fit.how == "pad":
        return own
    ratio = tf.reduce_min(tf.constant(fit.size, tf.float32) / tf.cast(own, tf.float32))
    inner = tf.cast(tf.round(tf.cast(own, tf.float32) * ratio), tf.int32)
    return tf.clip_by_value(inner, 1, tf.constant(fit.size))


def _margin_before(inner: tf.Tensor, fit: Fit) -> tf.Tensor:
    """Return the margin above and to the left, int32 [2]; of an odd margin it is the larger half."""
    return (tf.maximum(inner, tf.constant(fit.size)) - inner + 1) // 2


def _pad(images: tf.Tensor, inner: tf.Tensor, fit: Fit, value: float) -> tf.Tensor:
    """Pad images [...,h,w,K] of the size `inner` on all sides to the network's input size."""
    outer, before = tf.maximum(inner, tf.constant(fit.size)), _margin_before(inner, fit)
    known = [
        None if length is None and fit.how == "pad" else max(length or 0, least)
        for length, least in zip(images.shape[-3:-1], fit.size, strict=True)
    ]
    shape = [*images.shape[:-3], *known, images.shape[-1]]
    if fit.padding == "constant":
        margins = tf.stack([before, outer - inner - before], axis=1)
        all_axes = tf.pad(margins, [[len(images.shape) - 3, 1], [0, 0]])
        images = tf.pad(images, all_axes, constant_values=tf.cast(value, images.dtype))
    else:
        for axis in (0, 1):
            indices = _source_indices(tf.range(outer[axis]) - before[axis], inner[axis], fit.padding)
            images = tf.gather(images, indices, axis=len(images.shape) - 3 + axis)
    return tf.ensure_shape(images, shape)


def _source_indices(positions: tf.Tensor, length: tf.Tensor, padding: Padding) -> tf.Tensor:
    """Map positions, those outside 0..length-1 being margin, to the pixels 0..length-1 that they show."""
    if padding == "wrap":
        return positions % length
    if padding == "symmetric":
        folded = positions % (2 * length)
        return tf.minimum(folded, 2 * length - 1 - folded)
    folded = positions % tf.maximum(1, 2 * length - 2)
    return tf.minimum(folded, tf.maximum(0, 2 * length - 2 - folded))
