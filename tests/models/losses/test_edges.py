"""Properties of every loss: half precision, extreme logits, all pixels ignored, parts that add up."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from models.labels import IGNORE
from models.losses import catalog, pixels, regions, target

CLASSES = 5
LOSSES = [
    *(getattr(pixels, name, None) or getattr(regions, name) for name in catalog.names()),
    partial(pixels.focal, gamma=0.5),
]
each = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", "focal with gamma below 1"))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_labels(rng: np.random.Generator, *shape: int) -> tf.Tensor:
    return tf.constant(rng.choice([*range(CLASSES), IGNORE], shape).astype(np.uint8))


def gradient(loss: Callable, logits: tf.Tensor, made: target.Target) -> tuple[target.Sums, np.ndarray]:
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, weight = loss(logits, made)
    return (total, weight), tape.gradient(total, logits).numpy()


@each
def test_half_precision_logits_are_summed_in_single(rng: np.random.Generator, loss: Callable) -> None:
    logits = tf.constant(rng.normal(0, 4, (1, 60, 60, CLASSES)), tf.float16)
    made = target.make(random_labels(rng, 1, 60, 60), CLASSES)
    np.testing.assert_allclose(loss(logits, made), loss(tf.cast(logits, tf.float32), made), rtol=1e-6)
    assert gradient(loss, logits, made)[1].dtype == np.float16


@each
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.0, 1e4, 1e30])
def test_gradients_are_finite_at_extreme_logits(rng, loss: Callable, scale: float, smoothing: float) -> None:
    logits = tf.constant(scale * rng.choice([-1, 0, 1], (2, 6, 6, CLASSES)), tf.float32)
    made = target.make(random_labels(rng, 2, 6, 6), CLASSES, label_smoothing=smoothing)
    (total, _), slopes = gradient(loss, logits, made)
    assert np.isfinite(total) and np.isfinite(slopes).all()


@each
def test_float16_extremes_are_finite(rng: np.random.Generator, loss: Callable) -> None:
    logits = tf.constant(1e4 * rng.choice([-1, 0, 1], (1, 6, 6, CLASSES)), tf.float16)
    (total, weight), slopes = gradient(
        lambda *a: (loss(*a)[0] / loss(*a)[1], loss(*a)[1]), logits, target.make(random_labels(rng, 1, 6, 6), CLASSES)
    )
    assert np.isfinite(total) and np.isfinite(slopes).all() and weight > 0


@each
def test_ignored_pixels_have_no_gradient_and_no_effect(rng: np.random.Generator, loss: Callable) -> None:
    logits = rng.normal(0, 2, (2, 6, 6, CLASSES)).astype(np.float32)
    labels = random_labels(rng, 2, 6, 6)
    made = target.make(labels, CLASSES)
    sums, slopes = gradient(loss, tf.constant(logits), made)
    ignored = labels.numpy() == IGNORE
    assert ignored.any() and not slopes[ignored].any() and slopes[~ignored].any()
    logits[ignored] = 1e3
    np.testing.assert_array_equal(loss(tf.constant(logits), made), sums)


@each
def test_all_ignored_returns_0_and_0_with_gradient_0(loss: Callable) -> None:
    (total, weight), slopes = gradient(
        loss, tf.random.normal([1, 3, 3, CLASSES]), target.make(tf.fill([1, 3, 3], IGNORE), CLASSES)
    )
    assert (total.numpy(), weight.numpy()) == (0, 0) and not slopes.any()


@each
def test_a_class_of_weight_0_does_not_count(rng: np.random.Generator, loss: Callable) -> None:
    made = target.make(tf.ones([1, 4, 4], tf.int32), CLASSES, class_weights=[1, 0, 5, 5, 5])
    assert [float(value) for value in loss(tf.random.normal([1, 4, 4, CLASSES]), made)] == [0, 0]


@each
def test_a_single_class_has_loss_0(loss: Callable) -> None:
    total, _ = loss(tf.random.normal([1, 3, 3, 1]), target.make(tf.zeros([1, 3, 3], tf.int32), 1))
    assert total.numpy() == pytest.approx(0, abs=1e-5)


@each
def test_parts_of_a_batch_add_up_to_the_whole(rng: np.random.Generator, loss: Callable) -> None:
    logits = tf.constant(rng.normal(0, 2, (4, 5, 5, CLASSES)), tf.float32)
    labels, weights = random_labels(rng, 4, 5, 5), tf.constant(rng.uniform(0, 2, (4, 5, 5)))
    smoothed = partial(target.make, num_classes=CLASSES, class_weights=[1, 2, 0, 1, 3], label_smoothing=0.1)
    whole = loss(logits, smoothed(labels, pixel_weights=weights))
    parts = [loss(logits[i:j], smoothed(labels[i:j], pixel_weights=weights[i:j])) for i, j in ((0, 1), (1, 4))]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-5)


@each
def test_sizes_may_be_unknown(rng: np.random.Generator, loss: Callable) -> None:
    logits, labels = tf.random.normal([2, 5, 7, CLASSES]), random_labels(rng, 2, 5, 7)
    unknown_sizes = [tf.TensorSpec([None, None, None, CLASSES]), tf.TensorSpec([None, None, None], tf.uint8)]
    traced = tf.function(lambda x, y: loss(x, target.make(y, CLASSES)), input_signature=unknown_sizes)
    np.testing.assert_allclose(traced(logits, labels), loss(logits, target.make(labels, CLASSES)), rtol=1e-5)


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"0\.\.4"):
        target.make(tf.fill([1, 2, 2], 5), CLASSES)


def test_weights_of_ignored_pixels_may_be_anything() -> None:
    labels, weights = tf.constant([[[0, IGNORE]]]), tf.constant([[[2.0, np.nan]]])
    assert pixels.cross_entropy(tf.zeros([1, 1, 2, 2]), target.make(labels, 2, pixel_weights=weights))[1] == 2
