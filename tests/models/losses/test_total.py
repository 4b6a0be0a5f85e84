"""The effect of class weights on the learned probabilities, and how `logit_adjustment` undoes it."""

import math

import numpy as np
import pytest
import tensorflow as tf

from models.losses.total import Total, combine

LABELS = np.repeat([0, 0, 0, 0, 0, 0, 0, 1, 1, 2], 10).reshape(1, 10, 10)
"""Class frequencies 0.7, 0.2 and 0.1."""

WEIGHTS = [0.5, 1.0, 4.0]


def learned(total: Total) -> np.ndarray:
    """Learn one vector of probabilities for all pixels by Newton's method: the loss is convex."""
    logits = tf.Variable(tf.zeros([3]))
    for _ in range(60):
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            parts = total(tf.broadcast_to(logits, [1, 10, 10, 3]), tf.constant(LABELS))
            loss = combine(parts, [weight for _, (_, weight) in parts.values()])["loss"]
            gradient = inner.gradient(loss, logits)
        curvature = outer.jacobian(gradient, logits)
        logits.assign_sub(tf.linalg.lstsq(curvature + 1e-6 * tf.eye(3), gradient[:, None], fast=False)[:, 0])
    probabilities: np.ndarray = tf.nn.softmax(logits).numpy()
    return probabilities


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_probabilities_follow_the_weights_unless_the_logits_are_adjusted(share: float) -> None:
    expected = np.array([0.7, 0.2, 0.1]) * np.array(WEIGHTS) ** (1 - share)
    received = learned(Total(class_weights=WEIGHTS, logit_adjustment=share))
    np.testing.assert_allclose(received, expected / expected.sum(), atol=1e-4)


def test_adjustment_shifts_logits_also_of_heads_but_not_of_a_class_of_weight_0() -> None:
    weights = [0.5, 0.0, 2.0]
    draw = np.random.default_rng(0)
    main, head = (tf.constant(draw.normal(size=(1, 10, 10, 3)), tf.float32) for _ in range(2))
    shift = tf.constant([math.log(0.5), 0.0, math.log(2.0)])
    terms = {"cross_entropy": 1.0, "dice": 0.5}
    parts = Total(terms, class_weights=weights, logit_adjustment=1.0)({"logits": main, "aux": head}, LABELS)
    plain, shifted = (
        Total(terms, class_weights=weights)({"logits": main + by, "aux": head + by}, LABELS) for by in (0.0, shift)
    )
    assert list(parts) == list(plain) and "aux/dice" in parts
    for name in parts:  # dice is not adjusted: its weights shift no boundary
        expected = plain if name.endswith("dice") else shifted
        np.testing.assert_allclose(
            [float(part) for part in parts[name][1]], [float(part) for part in expected[name][1]]
        )


def test_half_precision_is_shifted_in_single() -> None:
    logits = tf.zeros([1, 10, 10, 3], tf.float16)
    parts = Total(class_weights=[1e-9, 1.0, 1.0], logit_adjustment=1.0)(logits, LABELS)
    assert math.isfinite(float(parts["cross_entropy"][1][0]))
