"""Losses over regions against simple float64 loops over images and classes, from the formulas of their papers."""

import numpy as np
import pytest
import tensorflow as tf

from models.labels import IGNORE
from models.losses import regions, target

CLASSES = 4


def dice(p, truth, true, own) -> float:
    return 1 - 2 * (own * p * truth).sum() / ((own * p).sum() + (own * truth).sum())


def jaccard(p, truth, true, own) -> float:
    both = (own * p * truth).sum()
    return 1 - both / ((own * p).sum() + (own * truth).sum() - both)


def tversky(p, truth, true, own, alpha: float = 0.3, beta: float = 0.7) -> float:
    hits = (own * p * truth).sum()
    return 1 - hits / (hits + alpha * (own * p * (1 - truth)).sum() + beta * (own * (1 - p) * truth).sum())


def lovasz_softmax(p, truth, true, own) -> float:
    """Errors, largest first, each times the increase of the Jaccard loss by its pixel (eq. 8, 9)."""
    errors = np.abs(truth - p)
    loss = before = 0.0
    wrong = np.zeros(len(p), bool)
    for pixel in np.argsort(-errors):
        wrong[pixel] = True
        after = own[wrong].sum() / own[true | wrong].sum()
        loss += errors[pixel] * (after - before)
        before = after
    return loss


REFERENCES = {function.__name__: function for function in (dice, jaccard, tversky, lovasz_softmax)}


def reference(kind: str, logits, labels, weights, class_weights, smoothing: float, **options) -> tuple[float, float]:
    total = weight_sum = 0.0
    for image in range(len(labels)):
        counts = labels[image] != IGNORE
        truth, own = labels[image][counts].astype(int), weights[image][counts]
        powers = np.exp(logits[image][counts].astype(np.float64))
        for wanted in sorted(set(truth)):
            p = powers[:, wanted] / powers.sum(axis=1)
            soft = smoothing / CLASSES + (1 - smoothing) * (truth == wanted)
            loss = REFERENCES[kind](p, soft, truth == wanted, own, **options)
            total += class_weights[wanted] * loss
            weight_sum += class_weights[wanted]
    return total, weight_sum


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"), [*((kind, {}) for kind in REFERENCES), ("tversky", {"alpha": 1.0, "beta": 0.0})]
)
def test_equals_the_reference(kind: str, options, smoothing: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4, 7, 9, CLASSES)).astype(np.float32)
    labels = rng.choice([*range(CLASSES), IGNORE], (4, 7, 9)).astype(np.uint8)
    labels[1][labels[1] == 2] = 0  # absent there
    labels[2] = IGNORE
    labels[3] = 1
    weights = rng.uniform(0.1, 2, labels.shape) if weighted else np.ones(labels.shape)
    class_weights = np.array([0, 0.5, 1, 3]) if weighted else np.ones(CLASSES)
    made = target.make(
        tf.constant(labels),
        CLASSES,
        class_weights=class_weights if weighted else None,
        pixel_weights=tf.constant(weights) if weighted else None,
        label_smoothing=smoothing,
    )
    received = getattr(regions, kind)(tf.constant(logits), made, **options)
    assert [value.dtype for value in received] == [tf.float32, tf.float32]
    expected = reference(kind, logits, labels, weights, class_weights, smoothing, **options)
    np.testing.assert_allclose(received, expected, rtol=2e-5)


@pytest.mark.parametrize("kind", ["dice", "tversky"])
def test_an_absent_class_counts_if_asked_for(kind: str) -> None:
    """An object in an empty picture costs about as much as one that is missed; an ignored picture costs nothing."""
    labels = np.zeros((3, 8, 8), np.uint8)
    labels[1, :4], labels[2] = 1, IGNORE
    loss, made = getattr(regions, kind), target.make(tf.constant(labels), 2, class_weights=[1.0, 3.0])

    def mean(answers: np.ndarray, *, absent: bool) -> float:
        total, weight = loss(40 * tf.one_hot(answers, 2), made, absent=absent)
        assert float(weight) == (8 if absent else 5)
        return float(total / weight)

    right, salt = np.where(labels == IGNORE, 1, labels), np.where(labels == IGNORE, 1, labels)
    salt[0, :4] = 1  # 32 pixels of 64
    alpha = 0.5 if kind == "dice" else 0.3
    beta = 1 - alpha
    present, empty = 1 - 32 / (32 + beta * 32), 1 - 1 / (1 + alpha * 32)
    assert mean(right, absent=True) == pytest.approx(0, abs=1e-6)
    assert mean(salt, absent=True) == pytest.approx((present + 3 * empty) / 8, abs=1e-5)
    assert mean(salt, absent=False) == pytest.approx(present / 5, abs=1e-5)


@pytest.mark.parametrize("kind", REFERENCES)
def test_the_loss_is_0_if_certain_and_correct_and_1_if_certain_and_wrong(kind: str) -> None:
    labels = np.random.default_rng(0).integers(0, CLASSES, (2, 8, 8))
    truth = tf.one_hot(labels, CLASSES)
    made = target.make(tf.constant(labels), CLASSES)
    for logits, expected in ((40 * truth, 0), (40 * tf.roll(truth, 1, axis=-1), 1)):
        total, weight = getattr(regions, kind)(logits, made)
        assert float(total / weight) == pytest.approx(expected, abs=1e-6)


def test_lovasz_of_a_hard_prediction_is_the_loss_of_iou() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, CLASSES, (1, 9, 9)), rng.integers(0, CLASSES, (1, 9, 9))
    total, weight = regions.lovasz_softmax(60 * tf.one_hot(predictions, CLASSES), target.make(labels, CLASSES))
    ious = [
        ((labels == c) & (predictions == c)).sum() / ((labels == c) | (predictions == c)).sum() for c in range(CLASSES)
    ]
    assert float(total / weight) == pytest.approx(1 - np.mean(ious), rel=1e-5)
