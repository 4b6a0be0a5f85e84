"""From a trained network to an answer for every pixel, whatever the image's size and however it is looked at.

Plain: the whole image at once, by models.segmenter, which is what is exported. Otherwise class probabilities are
averaged over scales and mirror images, and an image may be looked at window by window, so that memory does not grow
with its height, nor, where overlaps are cut and not averaged, with its width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from models import auxiliary, segmenter
from models.fit import Fit

if TYPE_CHECKING:
    import keras

CHANNELS = 4
PREDICTION, CONFIDENCE, TRUTH, POSITIVE = range(CHANNELS)
"""Channels of `answers`: class, its probability, the probability of the pixel's label, that of class 1."""


@dataclass(frozen=True)
class Inference:
    """How an image is looked at.

    Attributes:
        window: (height, width) of what is seen at once; None: the whole image. A smaller image is seen whole.
        overlap: Share of a window that the next one sees again, 0 <= overlap < 1.
        average: Where windows overlap, average their probabilities: memory grows with the image's width. Otherwise a
            pixel is answered by the window in which it lies most centrally: memory is that of one window.
        scales: Zooms whose probabilities are averaged.
        flip: Average with the mirror image too.
    """

    window: segmenter.Size | None = None
    overlap: float = 0.0
    average: bool = True
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @property
    def plain(self) -> bool:
        """Whether this is the whole image, once: what an exported model does."""
        return self.window is None and self.scales == (1.0,) and not self.flip


PLAIN = Inference()


def predictions(model: "keras.Model", images: tf.Tensor, fit: Fit | None, plan: Inference = PLAIN) -> tf.Tensor:
    """Answer each pixel's most probable class: images [B,H,W,3], 0..255 -> int32 [B,H,W]. See `answers`."""
    if plan.plain:
        return tf.argmax(segmenter.logits(model, images, fit), axis=-1, output_type=tf.int32)
    found = answers(model, images, tf.zeros(tf.shape(images)[:3], tf.uint8), fit, plan)
    return tf.cast(found[..., PREDICTION], tf.int32)


def answers(
    model: "keras.Model", images: tf.Tensor, labels: tf.Tensor, fit: Fit | None, plan: Inference = PLAIN
) -> tf.Tensor:
    """Answer each pixel with its class and what the model thinks of it.

    Args:
        model: Model of models.catalog.
        images: [B,H,W,3], uint8 or float, 0..255.
        labels: Integers [B,H,W]; where one is no class, the probability of the label is 0.
        fit: How images come to the size that the network sees; None: as they are.
        plan: How they are looked at.

    Returns:
        float32 [B,H,W,4]: class, its probability, the label's probability, class 1's probability.
    """

    def look(top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        seen = images[:, top : top + height, left : left + width]
        return _probabilities(model, seen, fit, plan)

    high, wide = tf.shape(images)[1], tf.shape(images)[2]
    classes = auxiliary.main(model.output).shape[-1]
    if plan.window is None:
        scores = segmenter.logits(model, images, fit) if plan.plain else None
        probabilities = tf.nn.softmax(scores) if plan.plain else look(0, 0, high, wide)
        return _summary(probabilities, labels, scores)
    height, width = tf.minimum(plan.window[0], high), tf.minimum(plan.window[1], wide)
    rows, columns = _starts(high, height, plan.overlap), _starts(wide, width, plan.overlap)
    if plan.average:

        def band(top: tf.Tensor) -> tf.Tensor:
            across = _averaged(columns, width, lambda left: _across(look(top, left, height, width)), lambda at, x: x)
            across = tf.ensure_shape(across, [None, None, None, classes])
            return tf.transpose(across, [2, 1, 0, 3])  # [W,B,h,C] -> [h,B,W,C]

        def settle(top: tf.Tensor, rows_done: tf.Tensor) -> tf.Tensor:
            truth = labels[:, top : top + tf.shape(rows_done)[0]]
            return _down(_summary(_down(rows_done), truth))

        return _finished(_averaged(rows, height, band, settle))

    def strip(top: tf.Tensor) -> tf.Tensor:
        def tile(left: tf.Tensor) -> tf.Tensor:
            truth = labels[:, top : top + height, left : left + width]
            return _across(_summary(look(top, left, height, width), truth))

        across = tf.ensure_shape(_most_central(columns, width, wide, tile), [None, None, None, CHANNELS])
        return tf.transpose(across, [2, 1, 0, 3])

    return _finished(_most_central(rows, height, high, strip))


def _probabilities(model: "keras.Model", images: tf.Tensor, fit: Fit | None, plan: Inference) -> tf.Tensor:
    """Class probabilities float32 [B,H,W,C], averaged over the plan's scales and mirror images."""
    own = tf.shape(images)[1:3]
    total = tf.constant(0.0)
    for scale in plan.scales:
        seen, at = tf.cast(images, tf.float32), fit if fit is None else fit.zoomed(scale)
        resized = scale != 1.0 and (fit is None or fit.how == "pad")
        if resized:
            target = tf.maximum(1, tf.cast(tf.round(tf.cast(own, tf.float32) * scale), tf.int32))
            seen = tf.image.resize(seen, target, method="bilinear", antialias=True)
        for mirrored in (False, True) if plan.flip else (False,):
            found = segmenter.logits(model, tf.reverse(seen, [2]) if mirrored else seen, at)
            found = tf.nn.softmax(tf.reverse(found, [2]) if mirrored else found)
            total += tf.image.resize(found, own, method="bilinear") if resized else found
    return total / (len(plan.scales) * (2 if plan.flip else 1))


def _summary(probabilities: tf.Tensor, labels: tf.Tensor, scores: tf.Tensor | None = None) -> tf.Tensor:
    """Boil [B,h,w,C] down to the channels of `answers`; `scores` decide the class where they are given."""
    chosen = tf.argmax(probabilities if scores is None else scores, axis=-1, output_type=tf.int32)
    classes = probabilities.shape[-1]
    truth = tf.cast(labels, tf.int32)
    inside = tf.where(truth < classes, truth, 0)
    of_truth = tf.gather(probabilities, inside, axis=-1, batch_dims=3) * tf.cast(truth < classes, tf.float32)
    of_chosen = tf.gather(probabilities, chosen, axis=-1, batch_dims=3)
    return tf.stack(
        [tf.cast(chosen, tf.float32), of_chosen, of_truth, probabilities[..., min(1, classes - 1)]], axis=-1
    )


def _starts(length: tf.Tensor, window: tf.Tensor, overlap: float) -> tf.Tensor:
    """Where windows begin so that they cover 0..length; the last one ends at the border. int32 [n]."""
    step = tf.maximum(1, tf.cast(tf.cast(window, tf.float32) * (1 - overlap), tf.int32))
    count = -(-(length - window) // step) + 1
    return tf.minimum(tf.range(count) * step, length - window)


def _averaged(
    starts: tf.Tensor,
    window: tf.Tensor,
    compute: Callable[[tf.Tensor], tf.Tensor],
    settle: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Average windows [window, ...] along their first axis; `settle(start, part)` takes what no later one will see."""
    ends = tf.concat([starts[1:], starts[-1:] + window], axis=0)
    first = compute(starts[0])
    counted = tf.ones([window, *[1] * (len(first.shape) - 1)])

    def step(index, total, count, done):  # type: ignore[no-untyped-def]
        ready = ends[index] - starts[index]
        done = done.write(index, settle(starts[index], total[:ready] / count[:ready]))
        total = tf.concat([total[ready:], tf.zeros_like(total[:ready])], axis=0)
        count = tf.concat([count[ready:], tf.zeros_like(count[:ready])], axis=0)
        more = index + 1 < tf.size(starts)
        total = tf.cond(more, lambda: total + compute(starts[index + 1]), lambda: total)
        return index + 1, total, count + 1.0, done

    done = tf.TensorArray(tf.float32, size=tf.size(starts), infer_shape=False)
    state = (tf.constant(0), first, counted, done)
    shapes = (tf.TensorShape([]), _free(first), _free(counted), tf.TensorShape(None))
    return tf.while_loop(
        lambda index, *_: index < tf.size(starts), step, state, shape_invariants=shapes, parallel_iterations=1
    )[3].concat()


def _most_central(
    starts: tf.Tensor, window: tf.Tensor, length: tf.Tensor, compute: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Lay windows [window, ...] end to end along their first axis, each cut in the middle of its overlaps."""
    cuts = tf.concat([[0], (starts[1:] + starts[:-1] + window) // 2, [length]], axis=0)

    def step(index, done):  # type: ignore[no-untyped-def]
        begin, end = cuts[index] - starts[index], cuts[index + 1] - starts[index]
        return index + 1, done.write(index, compute(starts[index])[begin:end])

    done = tf.TensorArray(tf.float32, size=tf.size(starts), infer_shape=False)
    return tf.while_loop(lambda index, _: index < tf.size(starts), step, (tf.constant(0), done), parallel_iterations=1)[
        1
    ].concat()


def _free(tensor: tf.Tensor) -> tf.TensorShape:
    """The tensor's rank, with every length but the last one open."""
    return tf.TensorShape([*[None] * (len(tensor.shape) - 1), tensor.shape[-1]])


def _finished(rows: tf.Tensor) -> tf.Tensor:
    """[H,B,W,4] -> [B,H,W,4], its channels known again after the loop."""
    return _down(tf.ensure_shape(rows, [None, None, None, CHANNELS]))


def _across(images: tf.Tensor) -> tf.Tensor:
    """[B,h,w,K] -> [w,B,h,K]: the width comes first."""
    return tf.transpose(images, [2, 0, 1, 3])


def _down(images: tf.Tensor) -> tf.Tensor:
    """[B,h,w,K] <-> [h,B,w,K]: the height comes first, or goes back."""
    return tf.transpose(images, [1, 0, 2, 3])
