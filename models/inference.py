"""Prediction of images of any size: the whole image, sliding windows, several scales, mirror images.

The plain way is the whole image at once, by models.segmenter, which is also what is exported. The others average class
probabilities over scales and mirror images. With sliding windows memory does not grow with the image's height, nor with
its width unless overlaps are averaged.
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
"""Channels of `predict`: class, its probability, the probability of the pixel's label, that of class 1."""


@dataclass(frozen=True)
class Inference:
    """How images are predicted.

    Attributes:
        window: (height, width) of a sliding window in pixels, clipped to the image; None: the whole image at once.
        overlap: Share of a window that the next one covers again, 0 <= overlap < 1.
        average: Average the probabilities of overlapping windows: memory grows with the image's width. Otherwise each
            pixel is predicted by the window in which it is most central: memory is that of one window.
        scales: Factors by which the input is resized; their probabilities are averaged.
        flip: Average with the prediction of the image flipped left to right.
    """

    window: segmenter.Size | None = None
    overlap: float = 0.0
    average: bool = True
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    @property
    def plain(self) -> bool:
        """Whether this is a single prediction of the whole image, as in an exported model."""
        return self.window is None and self.scales == (1.0,) and not self.flip


PLAIN = Inference()


def predict(
    model: "keras.Model", images: tf.Tensor, labels: tf.Tensor, fit: Fit | None, plan: Inference = PLAIN
) -> tf.Tensor:
    """Predict each pixel's class and the probabilities of the class, the label and class 1.

    Args:
        model: Model of models.catalog.
        images: [B,H,W,3], uint8 or float, 0..255.
        labels: Integers [B,H,W] >= 0; the probability of a label outside 0..C-1, such as 255, is 0.
        fit: How images are brought to the network's input size; None: they are not changed.
        plan: Windows, scales and flips.

    Returns:
        float32 [B,H,W,4]: class, its probability, the label's probability, class 1's probability.
    """

    def within(top: tf.Tensor, left: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        return _probabilities(model, images[:, top : top + height, left : left + width], fit, plan)

    full_height, full_width = tf.shape(images)[1], tf.shape(images)[2]
    classes = auxiliary.main(model.output).shape[-1]
    if plan.window is None:
        scores = segmenter.logits(model, images, fit) if plan.plain else None
        probabilities = tf.nn.softmax(scores) if plan.plain else within(0, 0, full_height, full_width)
        return _summary(probabilities, labels, scores)
    height, width = tf.minimum(plan.window[0], full_height), tf.minimum(plan.window[1], full_width)
    tops, lefts = _starts(full_height, height, plan.overlap), _starts(full_width, width, plan.overlap)
    if plan.average:

        def band(top: tf.Tensor) -> tf.Tensor:
            across = _average(lefts, width, lambda left: _across(within(top, left, height, width)), lambda at, x: x)
            across = tf.ensure_shape(across, [None, None, None, classes])
            return tf.transpose(across, [2, 1, 0, 3])  # [W,B,h,C] -> [h,B,W,C]

        def finalize(top: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
            truth = labels[:, top : top + tf.shape(rows)[0]]
            return _down(_summary(_down(rows), truth))

        return _restore_axes(_average(tops, height, band, finalize))

    def strip(top: tf.Tensor) -> tf.Tensor:
        def tile(left: tf.Tensor) -> tf.Tensor:
            truth = labels[:, top : top + height, left : left + width]
            return _across(_summary(within(top, left, height, width), truth))

        across = tf.ensure_shape(_most_central(lefts, width, full_width, tile), [None, None, None, CHANNELS])
        return tf.transpose(across, [2, 1, 0, 3])

    return _restore_axes(_most_central(tops, height, full_height, strip))


def _probabilities(model: "keras.Model", images: tf.Tensor, fit: Fit | None, plan: Inference) -> tf.Tensor:
    """Compute class probabilities float32 [B,H,W,C], averaged over the plan's scales and flips."""
    own = tf.shape(images)[1:3]
    total = tf.constant(0.0)
    for scale in plan.scales:
        inputs, scaled_fit = tf.cast(images, tf.float32), fit if fit is None else fit.scaled(scale)
        resized = scale != 1.0 and (fit is None or fit.how == "pad")
        if resized:
            target = tf.maximum(1, tf.cast(tf.round(tf.cast(own, tf.float32) * scale), tf.int32))
            inputs = tf.image.resize(inputs, target, method="bilinear", antialias=True)
        for flipped in (False, True) if plan.flip else (False,):
            scores = segmenter.logits(model, tf.reverse(inputs, [2]) if flipped else inputs, scaled_fit)
            probabilities = tf.nn.softmax(tf.reverse(scores, [2]) if flipped else scores)
            total += tf.image.resize(probabilities, own, method="bilinear") if resized else probabilities
    return total / (len(plan.scales) * (2 if plan.flip else 1))


def _summary(probabilities: tf.Tensor, labels: tf.Tensor, scores: tf.Tensor | None = None) -> tf.Tensor:
    """Reduce [B,h,w,C] to the channels of `predict`; the class is the argmax of `scores`, if they are passed."""
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
    """Return the starts of windows that cover 0..length, int32 [n]; the last window ends at the border."""
    step = tf.maximum(1, tf.cast(tf.cast(window, tf.float32) * (1 - overlap), tf.int32))
    count = -(-(length - window) // step) + 1
    return tf.minimum(tf.range(count) * step, length - window)


def _average(
    starts: tf.Tensor,
    window: tf.Tensor,
    compute: Callable[[tf.Tensor], tf.Tensor],
    finalize: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Average windows [window, ...] along axis 0; `finalize(start, rows)` gets rows that no later window overlaps."""
    ends = tf.concat([starts[1:], starts[-1:] + window], axis=0)
    first = compute(starts[0])
    counted = tf.ones([window, *[1] * (len(first.shape) - 1)])

    def step(index, total, count, done):  # type: ignore[no-untyped-def]
        ready = ends[index] - starts[index]
        done = done.write(index, finalize(starts[index], total[:ready] / count[:ready]))
        total = tf.concat([total[ready:], tf.zeros_like(total[:ready])], axis=0)
        count = tf.concat([count[ready:], tf.zeros_like(count[:ready])], axis=0)
        more = index + 1 < tf.size(starts)
        total = tf.cond(more, lambda: total + compute(starts[index + 1]), lambda: total)
        return index + 1, total, count + 1.0, done

    done = tf.TensorArray(tf.float32, size=tf.size(starts), infer_shape=False)
    state = (tf.constant(0), first, counted, done)
    shapes = (tf.TensorShape([]), _dynamic(first), _dynamic(counted), tf.TensorShape(None))
    return tf.while_loop(
        lambda index, *_: index < tf.size(starts), step, state, shape_invariants=shapes, parallel_iterations=1
    )[3].concat()


def _most_central(
    starts: tf.Tensor, window: tf.Tensor, length: tf.Tensor, compute: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Concatenate windows [window, ...] along axis 0, each cropped at the middle of its overlaps."""
    cuts = tf.concat([[0], (starts[1:] + starts[:-1] + window) // 2, [length]], axis=0)

    def step(index, done):  # type: ignore[no-untyped-def]
        begin, end = cuts[index] - starts[index], cuts[index + 1] - starts[index]
        return index + 1, done.write(index, compute(starts[index])[begin:end])

    done = tf.TensorArray(tf.float32, size=tf.size(starts), infer_shape=False)
    return tf.while_loop(lambda index, _: index < tf.size(starts), step, (tf.constant(0), done), parallel_iterations=1)[
        1
    ].concat()


def _dynamic(tensor: tf.Tensor) -> tf.TensorShape:
    """Return the tensor's shape with every length unknown except the last."""
    return tf.TensorShape([*[None] * (len(tensor.shape) - 1), tensor.shape[-1]])


def _restore_axes(rows: tf.Tensor) -> tf.Tensor:
    """Transpose [H,B,W,4] to [B,H,W,4], and set the number of channels, which the loop has lost."""
    return _down(tf.ensure_shape(rows, [None, None, None, CHANNELS]))


def _across(images: tf.Tensor) -> tf.Tensor:
    """Move the width to the front: [B,h,w,K] -> [w,B,h,K]."""
    return tf.transpose(images, [2, 0, 1, 3])


def _down(images: tf.Tensor) -> tf.Tensor:
    """Swap batch and height: [B,h,w,K] <-> [h,B,w,K]."""
    return tf.transpose(images, [1, 0, 2, 3])
