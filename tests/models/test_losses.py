"""Cross-entropy against a plain float64 reference, and at the edges where losses break."""

import numpy as np
import pytest
import tensorflow as tf

from models.losses import IGNORE, cross_entropy

CLASSES = 5


def reference(logits, labels, weights, smoothing: float) -> tuple[float, float]:
    """Go through the pixels one by one, in float64."""
    total = weight_sum = 0.0
    for scores, label in zip(logits.reshape(-1, logits.shape[-1]).astype(np.float64), labels.ravel(), strict=True):
        if label == IGNORE:
            continue
        log_p = scores - scores.max() - np.log(np.exp(scores - scores.max()).sum())
        target = np.full(len(scores), smoothing / len(scores))
        target[label] += 1 - smoothing
        total -= weights[label] * (target * log_p).sum()
        weight_sum += weights[label]
    return total, weight_sum


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_labels(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.choice([*range(CLASSES), IGNORE], shape).astype(np.uint8)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_reference(rng: np.random.Generator, smoothing: float, weighted: bool) -> None:
    logits = rng.normal(0, 4, (2, 5, 7, CLASSES)).astype(np.float32)
    labels = random_labels(rng, (2, 5, 7))
    weights = rng.uniform(0.1, 3, CLASSES) if weighted else np.ones(CLASSES)
    received = cross_entropy(tf.constant(logits), tf.constant(labels), weights if weighted else None, smoothing)
    assert [value.dtype for value in received] == [tf.float32, tf.float32]
    np.testing.assert_allclose(received, reference(logits, labels, weights, smoothing), rtol=1e-5)


def test_half_precision_logits_are_summed_in_single(rng: np.random.Generator) -> None:
    logits = rng.normal(0, 4, (1, 60, 60, CLASSES)).astype(np.float16)
    labels = random_labels(rng, (1, 60, 60))
    received = cross_entropy(tf.constant(logits), tf.constant(labels))
    np.testing.assert_allclose(received, reference(logits, labels, np.ones(CLASSES), 0), rtol=1e-5)


def test_an_absent_class_and_one_of_weight_0_do_not_matter(rng: np.random.Generator) -> None:
    logits = rng.normal(0, 1, (1, 4, 4, CLASSES)).astype(np.float32)
    labels = rng.choice([0, 1], (1, 4, 4)).astype(np.int32)
    weights = np.array([1, 0, 5, 5, 5.0])
    received = cross_entropy(tf.constant(logits), tf.constant(labels), weights)
    np.testing.assert_allclose(received, reference(logits, labels, weights, 0), rtol=1e-5)
    assert received[1] == (labels == 0).sum()


def test_one_class_costs_nothing() -> None:
    total, weight = cross_entropy(tf.random.normal([1, 3, 3, 1]), tf.zeros([1, 3, 3], tf.int32))
    assert (total.numpy(), weight.numpy()) == (0, 9)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.0, 1e4, 1e30])
def test_gradients_are_finite_at_extreme_logits(rng: np.random.Generator, scale: float, smoothing: float) -> None:
    logits = tf.constant(scale * rng.choice([-1, 0, 1], (1, 6, 6, CLASSES)), tf.float32)
    labels = tf.constant(random_labels(rng, (1, 6, 6)))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, _ = cross_entropy(logits, labels, label_smoothing=smoothing)
    assert np.isfinite(total) and np.isfinite(tape.gradient(total, logits)).all()


def test_gradient_is_softmax_minus_truth_and_0_where_ignored(rng: np.random.Generator) -> None:
    logits = tf.constant(rng.normal(0, 2, (1, 6, 6, CLASSES)), tf.float32)
    labels = random_labels(rng, (1, 6, 6))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, _ = cross_entropy(logits, tf.constant(labels))
    expected = (tf.nn.softmax(logits) - tf.one_hot(labels, CLASSES)) * (labels != IGNORE)[..., None]
    np.testing.assert_allclose(tape.gradient(total, logits), expected, atol=1e-6)


def test_all_ignored_gives_0_and_0_with_gradient_0() -> None:
    logits = tf.random.normal([1, 3, 3, CLASSES])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, weight = cross_entropy(logits, tf.fill([1, 3, 3], IGNORE))
    assert (total.numpy(), weight.numpy()) == (0, 0)
    assert not np.any(tape.gradient(total, logits))


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"0\.\.4"):
        cross_entropy(tf.zeros([1, 2, 2, CLASSES]), tf.fill([1, 2, 2], 5))


def test_parts_add_up_to_the_whole(rng: np.random.Generator) -> None:
    logits = tf.constant(rng.normal(0, 2, (4, 3, 3, CLASSES)), tf.float32)
    labels = tf.constant(random_labels(rng, (4, 3, 3)))
    whole = cross_entropy(logits, labels)
    parts = [cross_entropy(logits[i : i + 1], labels[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-5)
