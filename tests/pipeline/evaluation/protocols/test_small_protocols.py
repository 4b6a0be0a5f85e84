"""CamVid, CCP, two classes, boundaries and calibration, each against a plain loop."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from models import metrics
from pipeline.evaluation.calibration import BINS, Calibration
from pipeline.evaluation.protocols import registry
from pipeline.evaluation.protocols.binary import LEVELS, Binary
from pipeline.evaluation.protocols.boundary import TOLERANCE, BoundaryF1
from pipeline.evaluation.protocols.camvid import CamVid
from pipeline.evaluation.protocols.ccp import ClothingCoParsing
from pipeline.evaluation.protocols.protocol import ScoredImage


def image(seed: int, classes: int, shape=(23, 31)) -> ScoredImage:
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(classes), 255], shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.5, rng.integers(0, classes, shape), truth % classes).astype(np.uint8)
    positive = np.clip(rng.random(shape) * 0.6 + 0.4 * (truth == 1), 0, 1).astype(np.float32)
    confusion = metrics.confusion_matrix(truth, prediction, classes)
    return ScoredImage(f"image{seed}", "group", truth, prediction, positive, confusion)


def test_camvid_pools_over_the_split():
    protocol, images = CamVid(11), [image(seed, 11) for seed in range(3)]
    for scored in images:
        protocol.add(scored)
    truth = np.concatenate([scored.truth[scored.truth < 255] for scored in images])
    prediction = np.concatenate([scored.prediction[scored.truth < 255] for scored in images])
    recalls = [(prediction[truth == k] == k).mean() for k in range(11)]
    ious = [((truth == k) & (prediction == k)).sum() / ((truth == k) | (prediction == k)).sum() for k in range(11)]
    assert protocol.result().metrics == pytest.approx(
        {"global_accuracy": (truth == prediction).mean(), "class_average": np.mean(recalls), "miou": np.mean(ious)}
    )


def test_camvid_divides_by_11_whatever_the_masks_show():
    confusion = np.zeros((11, 11), np.int64)
    confusion[0, :2] = 3, 1  # class 1 is only predicted
    confusion[2, 2] = 4
    protocol, scored = CamVid(11), image(0, 11)
    assert set(protocol.result().metrics.values()) == {None}
    protocol.add(replace(scored, confusion=confusion))
    assert protocol.result().metrics == pytest.approx(
        {"global_accuracy": 7 / 8, "class_average": (3 / 4 + 1) / 11, "miou": (3 / 4 + 1) / 11}
    )


def test_ccp_with_and_without_null():
    protocol, scored = ClothingCoParsing(("null", "skin", "hair", "bag")), image(5, 3)  # no bag anywhere
    padded = np.zeros((4, 4), np.int64)
    padded[:3, :3] = scored.confusion
    protocol.add(ScoredImage("a", "", scored.truth, scored.prediction, scored.positive, padded))
    counts = scored.truth < 255
    garment = counts & (scored.truth > 0)
    recall = [(scored.prediction[scored.truth == k] == k).mean() for k in range(3)]
    values = protocol.result().metrics
    assert values["pixel_accuracy"] == pytest.approx((scored.truth == scored.prediction)[counts].mean())
    assert values["pixel_accuracy_without_null"] == pytest.approx((scored.truth == scored.prediction)[garment].mean())
    assert values["mean_recall"] == pytest.approx(np.mean(recall))
    assert values["mean_recall_without_null"] == pytest.approx(np.mean(recall[1:]))
    predicted, true = ([(part == k) & counts for k in range(3)] for part in (scored.prediction, scored.truth))
    iou = [(a & t).sum() / (a | t).sum() for a, t in zip(predicted, true, strict=True)]
    assert values["miou"] == pytest.approx(np.mean(iou))
    assert values["miou_without_null"] == pytest.approx(np.mean(iou[1:]))
    assert tuple(values) == registry.definition("ccp").metrics


def test_a_class_that_is_only_answered_counts_as_0_and_one_that_is_nowhere_not_at_all():
    truth, prediction = np.ones((6, 6), np.uint8), np.ones((6, 6), np.uint8)
    truth[:, 3:] = prediction[:, 4:] = 2
    prediction[0, 0] = 3  # a class of no truth; class 4 is nowhere
    classes = ("null", "skin", "hair", "bag", "hat")
    scored = ScoredImage("a", "", truth, prediction, truth * 0.0, metrics.confusion_matrix(truth, prediction, 5))
    clothes, outlines = ClothingCoParsing(classes), BoundaryF1(classes)
    clothes.add(scored)
    outlines.add(scored)
    values = clothes.result().metrics
    assert values["miou"] == values["miou_without_null"] == pytest.approx((17 / 24 + 12 / 18 + 0) / 3)
    assert values["mean_recall"] == pytest.approx((17 / 18 + 12 / 18) / 2)  # a recall needs a truth
    scores = {name: row["F1"] for name, row in outlines.result().tables["Boundaries"].items()}
    assert (scores["null"], scores["bag"], scores["hat"]) == (None, 0.0, None)
    assert outlines.result().metrics["f1"] == pytest.approx((scores["skin"] + scores["hair"] + 0) / 3)


def test_two_classes_over_thresholds():
    protocol, images = Binary(), [image(seed, 2) for seed in range(2)]
    for scored in images:
        protocol.add(scored)
    truth = np.concatenate([scored.truth[scored.truth < 255] for scored in images]) == 1
    level = np.concatenate([np.floor(scored.positive[scored.truth < 255] * LEVELS) for scored in images])
    level = np.minimum(level, LEVELS - 1)
    ious = [(truth & (level >= k)).sum() / (truth | (level >= k)).sum() for k in range(LEVELS)]
    average, before = 0.0, 0.0
    for k in range(LEVELS - 1, -1, -1):
        predicted = level >= k
        if predicted.any():
            recall, precision = (truth & predicted).sum() / truth.sum(), truth[predicted].mean()
            average, before = average + (recall - before) * precision, recall
    values = protocol.result().metrics
    assert values["best_iou"] == pytest.approx(max(ious), abs=1e-12)
    assert values["best_threshold"] == int(np.argmax(ious)) / LEVELS
    assert values["iou_at_half"] == pytest.approx(ious[LEVELS // 2], abs=1e-12)
    assert values["average_precision"] == pytest.approx(average, abs=1e-9)


def test_two_classes_of_which_the_second_is_only_predicted():
    scored = image(0, 2)
    truth = np.where(scored.truth == 1, 0, scored.truth)
    for positive, expected in ((scored.positive * 0, None), (scored.positive * 0 + 1, 0.0)):
        protocol = Binary()
        protocol.add(replace(scored, truth=truth, positive=positive))
        metrics_ = dict(protocol.result().metrics)
        assert metrics_.pop("iou_at_half") == expected
        assert metrics_.pop("mean_precision") == (1.0 if expected is None else 0.0)
        assert set(metrics_.values()) == {None}


def kaggle(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Score an image of the TGS salt identification challenge: TP / (TP + FP + FN), averaged over the thresholds."""
    if not truth.any() and not predicted.any():
        return 1.0
    hits = []
    for threshold in (Fraction(k, 100) for k in range(50, 100, 5)):
        hit = Fraction(int((truth & predicted).sum()), int((truth | predicted).sum())) > threshold
        missed, invented = truth.any() and not hit, predicted.any() and not hit
        hits.append(int(hit) / (int(hit) + int(missed) + int(invented)))
    return float(np.mean(hits))


def halves(truth: list[int], positive: list[float]) -> ScoredImage:
    return replace(image(0, 2), truth=np.array([truth], np.uint8), positive=np.array([positive], np.float32))


def test_mean_precision_equals_a_plain_loop() -> None:
    exactly = halves([1] * 20, [0.9] * 11 + [0.1] * 9)  # an IoU of 0.55 exceeds 0.50 alone
    empty, invented, missed = halves([0, 255], [0.2, 0.9]), halves([0, 0], [0.7, 0.2]), halves([1, 0], [0.3, 0.2])
    nothing = halves([255, 255], [0.9, 0.1])  # counts in no mean
    random = [image(seed, 2) for seed in range(3)]
    better = [replace(one, positive=np.where(one.truth == 1, 1 - one.positive / 9, one.positive / 2)) for one in random]
    images = [exactly, empty, invented, missed, *random, *better]
    protocol = Binary()
    for scored in (*images, nothing):
        protocol.add(scored)
    result = protocol.result()
    for tenth, row in result.tables["Thresholds"].items():
        level = round(float(tenth) * LEVELS)
        plain = [
            kaggle((one.truth == 1) & (one.truth < 255), (one.positive * LEVELS >= level) & (one.truth < 255))
            for one in images
        ]
        assert row["mean precision"] == pytest.approx(np.mean(plain), abs=1e-12), tenth
    assert result.metrics["mean_precision"] == result.tables["Thresholds"]["0.5"]["mean precision"]
    alone = {name: Binary() for name in ("exactly", "empty", "invented", "missed")}
    for protocol, scored, score in zip(alone.values(), images, (0.1, 1.0, 0.0, 0.0), strict=False):
        protocol.add(scored)
        assert protocol.result().metrics["mean_precision"] == score


def naive_outline(mask: np.ndarray, ignored: np.ndarray, of: int) -> list[tuple[int, int]]:
    outline = []
    for row, column in np.argwhere((mask == of) & ~ignored):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1]
            if inside and not ignored[r, c] and mask[r, c] != of:
                outline.append((row, column))
                break
    return outline


def test_boundary_f1_equals_a_plain_loop():
    truth = np.zeros((90, 120), np.uint8)
    truth[20:60, 30:80], truth[0:5] = 1, 255
    prediction = np.zeros_like(truth)
    prediction[22:64, 30:79] = 1
    radius = TOLERANCE * math.hypot(90, 120)  # 1.125: the left edge is within it, the lower one is not
    protocol = BoundaryF1(("ground", "thing", "nowhere"))
    protocol.add(ScoredImage("a", "", truth, prediction, truth * 0.0, np.zeros(0)))
    table = protocol.result().tables["Boundaries"]
    for index, name in enumerate(("ground", "thing")):
        in_prediction, in_truth = (naive_outline(mask, truth == 255, index) for mask in (prediction, truth))
        near = [[math.dist(a, b) <= radius for b in in_truth] for a in in_prediction]
        precision, recall = np.any(near, axis=1).mean(), np.any(near, axis=0).mean()
        assert table[name] == pytest.approx(
            {"F1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall}
        )
    assert table["nowhere"]["F1"] is None
    assert 0 < table["thing"]["F1"] < 1


def test_a_perfect_prediction_scores_1_and_a_flat_image_has_no_score():
    scored = image(0, 3)
    protocol = BoundaryF1("abc")
    protocol.add(replace(scored, prediction=np.where(scored.truth < 255, scored.truth, 0)))
    assert protocol.result().metrics["f1"] == 1.0
    flat = np.zeros((5, 5), np.uint8)
    protocol = BoundaryF1("abc")
    protocol.add(ScoredImage("a", "", flat, flat, flat * 0.0, np.zeros(0)))
    assert protocol.result().metrics["f1"] is None


def test_calibration_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 255], (20, 30)).astype(np.uint8)
    prediction = rng.integers(0, 2, (20, 30)).astype(np.uint8)
    confidence = rng.random((20, 30)).astype(np.float32)
    calibration = Calibration()
    for rows in (slice(0, 7), slice(7, 20)):
        calibration.add(truth[rows], prediction[rows], confidence[rows])
    valid = truth < 255
    confidences, right = confidence[valid].astype(float), (truth == prediction)[valid]
    error = 0.0
    for index in range(BINS):
        inside = (confidences > index / BINS) & (confidences <= (index + 1) / BINS)
        error += abs(right[inside].mean() - confidences[inside].mean()) * inside.mean()
    result = calibration.result()
    assert result["ece"] == pytest.approx(error, abs=1e-9)
    assert sum(part["pixels"] for part in result["bins"]) == valid.sum()
    assert Calibration().result()["ece"] is None
