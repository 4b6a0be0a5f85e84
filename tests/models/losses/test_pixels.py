"""Losses over pixels against simple float64 loops over the pixels, from the formulas of their papers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from models.labels import IGNORE
from models.losses import pixels, target

CLASSES = 5


def soft_truth(label: int, smoothing: float) -> np.ndarray:
    truth = np.full(CLASSES, smoothing / CLASSES)
    truth[label] += 1 - smoothing
    return truth


def near_boundary(labels: np.ndarray, y: int, x: int, radius: int) -> bool:
    window = labels[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
    return len(set(window.ravel()) - {IGNORE}) > 1


def reference(kind: str, logits, labels, weights, class_weights, smoothing: float, **options) -> tuple[float, float]:
    total = weight_sum = 0.0
    for image in range(len(labels)):
        entries = []
        for y, x in np.ndindex(labels[image].shape):
            label, scores = int(labels[image, y, x]), logits[image, y, x].astype(np.float64)
            if label == IGNORE or (kind == "boundary" and not near_boundary(labels[image], y, x, options["radius"])):
                continue
            log_p = scores - scores.max() - math.log(np.exp(scores - scores.max()).sum())
            factor = (1 - np.exp(log_p)) ** options["gamma"] if kind == "focal" else 1
            loss = -(soft_truth(label, smoothing) * factor * log_p).sum()
            entries.append((log_p[label], loss, weights[image, y, x] * class_weights[label]))
        if kind == "ohem":
            entries.sort()
            hard = sum(log_truth <= math.log(options["threshold"]) for log_truth, *_ in entries)
            entries = entries[: max(hard, math.ceil(options["min_share"] * len(entries)))]
        total += sum(loss * weight for _, loss, weight in entries)
        weight_sum += sum(weight for *_, weight in entries)
    return total, weight_sum


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("cross_entropy", {}),
        ("focal", {"gamma": 0.0}),
        ("focal", {"gamma": 2.0}),
        ("focal", {"gamma": 0.5}),
        ("ohem", {"threshold": 0.3, "min_share": 0.2}),
        ("ohem", {"threshold": 1e-4, "min_share": 0.5}),
        ("ohem", {"threshold": 1.0, "min_share": 0.0}),
        ("boundary", {"radius": 1}),
        ("boundary", {"radius": 3}),
    ],
)
def test_equals_the_reference(rng: np.random.Generator, kind: str, options, smoothing: float, weighted: bool) -> None:
    logits = rng.normal(0, 3, (3, 9, 11, CLASSES)).astype(np.float32)
    labels = rng.choice([*range(CLASSES), IGNORE], (3, 3, 4)).astype(np.uint8).repeat(3, 1).repeat(3, 2)[:, :, :11]
    labels[2] = IGNORE
    weights = rng.uniform(0.1, 2, labels.shape) if weighted else np.ones(labels.shape)
    class_weights = rng.uniform(0.1, 3, CLASSES) if weighted else np.ones(CLASSES)
    made = target.make(
        tf.constant(labels),
        CLASSES,
        class_weights=class_weights if weighted else None,
        pixel_weights=tf.constant(weights) if weighted else None,
        label_smoothing=smoothing,
    )
    received = getattr(pixels, kind)(tf.constant(logits), made, **options)
    assert [value.dtype for value in received] == [tf.float32, tf.float32]
    expected = reference(kind, logits, labels, weights, class_weights, smoothing, **options)
    np.testing.assert_allclose(received, expected, rtol=2e-5)


def test_focal_with_gamma_0_is_cross_entropy_and_falls_with_gamma() -> None:
    logits, made = tf.random.normal([1, 6, 6, CLASSES]), target.make(tf.zeros([1, 6, 6], tf.int32), CLASSES)
    totals = [pixels.focal(logits, made, gamma=gamma)[0] for gamma in (0.0, 1.0, 2.0)]
    np.testing.assert_allclose(totals[0], pixels.cross_entropy(logits, made)[0], rtol=1e-5)
    assert totals[0] > totals[1] > totals[2]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ohem_leaves_out_easy_pixels(smoothing: float) -> None:
    """A smoothed loss is at least the entropy of its target, so hardness depends on the true class."""
    logits = np.zeros((1, 2, 2, CLASSES), np.float32)
    logits[0, 0, :, 0] = 9
    made = target.make(tf.zeros([1, 2, 2], tf.int32), CLASSES, label_smoothing=smoothing)
    total, weight = pixels.ohem(tf.constant(logits), made, threshold=0.9, min_share=0.1)
    assert weight == 2 and float(total / weight) == pytest.approx(math.log(CLASSES), rel=1e-5)


def test_the_edge_of_an_ignored_region_is_no_boundary() -> None:
    labels = np.full((1, 4, 9), IGNORE, np.uint8)
    labels[0, :, :3], labels[0, :, 6:] = 1, 2
    made = target.make(tf.constant(labels), CLASSES)
    logits = tf.zeros([1, 4, 9, CLASSES])
    assert pixels.boundary(logits, made, radius=3)[1] == 0
    assert pixels.boundary(logits, made, radius=4)[1] == 8


def test_gradient_of_cross_entropy_is_softmax_minus_truth(rng: np.random.Generator) -> None:
    logits = tf.constant(rng.normal(0, 2, (1, 6, 6, CLASSES)), tf.float32)
    labels = rng.choice([*range(CLASSES), IGNORE], (1, 6, 6)).astype(np.uint8)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total, _ = pixels.cross_entropy(logits, target.make(tf.constant(labels), CLASSES))
    expected = (tf.nn.softmax(logits) - tf.one_hot(labels, CLASSES)) * (labels != IGNORE)[..., None]
    np.testing.assert_allclose(tape.gradient(total, logits), expected, atol=1e-6)
