"""CamVid, CCP, two classes, boundaries and calibration, each against a plain loop."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.spec import DatasetSpec
from models import metrics
from pipeline.errors import UserError
from pipeline.evaluation.calibration import BINS, Calibration
from pipeline.evaluation.protocols import registry
from pipeline.evaluation.protocols.binary import LEVELS, Binary
from pipeline.evaluation.protocols.boundary import TOLERANCE, BoundaryF1
from pipeline.evaluation.protocols.camvid import CamVid
from pipeline.evaluation.protocols.ccp import ClothingCoParsing
from pipeline.evaluation.protocols.cityscapes import CATEGORIES
from pipeline.evaluation.protocols.protocol import Scored


def image(seed: int, classes: int, shape=(23, 31)) -> Scored:
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(classes), 255], shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.5, rng.integers(0, classes, shape), truth % classes).astype(np.uint8)
    positive = np.clip(rng.random(shape) * 0.6 + 0.4 * (truth == 1), 0, 1).astype(np.float32)
    confusion = metrics.confusion_matrix(truth, prediction, classes)
    return Scored(f"image{seed}", "group", truth, prediction, positive, confusion)


def test_camvid_pools_over_the_split():
    protocol, images = CamVid(11), [image(seed, 11) for seed in range(3)]
    for found in images:
        protocol.add(found)
    truth = np.concatenate([found.truth[found.truth < 255] for found in images])
    prediction = np.concatenate([found.prediction[found.truth < 255] for found in images])
    recalls = [(prediction[truth == k] == k).mean() for k in range(11)]
    ious = [((truth == k) & (prediction == k)).sum() / ((truth == k) | (prediction == k)).sum() for k in range(11)]
    assert protocol.findings().figures == pytest.approx(
        {"global_accuracy": (truth == prediction).mean(), "class_average": np.mean(recalls), "miou": np.mean(ious)}
    )


def test_ccp_with_and_without_null():
    protocol, found = ClothingCoParsing(("null", "skin", "hair", "bag")), image(5, 3)  # no bag anywhere
    padded = np.zeros((4, 4), np.int64)
    padded[:3, :3] = found.confusion
    protocol.add(Scored("a", "", found.truth, found.prediction, found.positive, padded))
    counts = found.truth < 255
    garment = counts & (found.truth > 0)
    recall = [(found.prediction[found.truth == k] == k).mean() for k in range(3)]
    figures = protocol.findings().figures
    assert figures["pixel_accuracy"] == pytest.approx((found.truth == found.prediction)[counts].mean())
    assert figures["pixel_accuracy_without_null"] == pytest.approx((found.truth == found.prediction)[garment].mean())
    assert figures["mean_recall"] == pytest.approx(np.mean(recall))
    assert figures["mean_recall_without_null"] == pytest.approx(np.mean(recall[1:]))
    answered, true = ([(part == k) & counts for k in range(3)] for part in (found.prediction, found.truth))
    iou = [(a & t).sum() / (a | t).sum() for a, t in zip(answered, true, strict=True)]
    assert figures["miou"] == pytest.approx(np.mean(iou))
    assert figures["miou_without_null"] == pytest.approx(np.mean(iou[1:]))
    assert set(figures) == set(registry.FIGURES["ccp"])


def test_two_classes_over_thresholds():
    protocol, images = Binary(), [image(seed, 2) for seed in range(2)]
    for found in images:
        protocol.add(found)
    truth = np.concatenate([found.truth[found.truth < 255] for found in images]) == 1
    level = np.concatenate([np.floor(found.positive[found.truth < 255] * LEVELS) for found in images])
    level = np.minimum(level, LEVELS - 1)
    ious = [(truth & (level >= k)).sum() / (truth | (level >= k)).sum() for k in range(LEVELS)]
    average, before = 0.0, 0.0
    for k in range(LEVELS - 1, -1, -1):
        answered = level >= k
        if answered.any():
            recall, precision = (truth & answered).sum() / truth.sum(), truth[answered].mean()
            average, before = average + (recall - before) * precision, recall
    figures = protocol.findings().figures
    assert figures["best_iou"] == pytest.approx(max(ious), abs=1e-12)
    assert figures["best_threshold"] == int(np.argmax(ious)) / LEVELS
    assert figures["iou_at_half"] == pytest.approx(ious[LEVELS // 2], abs=1e-12)
    assert figures["average_precision"] == pytest.approx(average, abs=1e-9)


def naive_outline(mask: np.ndarray, ignored: np.ndarray, of: int) -> list[tuple[int, int]]:
    found = []
    for row, column in np.argwhere((mask == of) & ~ignored):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= r < mask.shape[0] and 0 <= c < mask.shape[1]
            if inside and not ignored[r, c] and mask[r, c] != of:
                found.append((row, column))
                break
    return found


def test_boundaries_are_those_of_a_loop():
    truth = np.zeros((90, 120), np.uint8)
    truth[20:60, 30:80], truth[0:5] = 1, 255
    prediction = np.zeros_like(truth)
    prediction[22:64, 30:79] = 1
    radius = TOLERANCE * math.hypot(90, 120)  # 1.125: the left edge is met, the lower one is not
    protocol = BoundaryF1(("ground", "thing", "nowhere"))
    protocol.add(Scored("a", "", truth, prediction, truth * 0.0, np.zeros(0)))
    table = protocol.findings().tables["Boundaries"]
    for index, name in enumerate(("ground", "thing")):
        ours, theirs = (naive_outline(mask, truth == 255, index) for mask in (prediction, truth))
        near = [[math.dist(a, b) <= radius for b in theirs] for a in ours]
        precision, recall = np.any(near, axis=1).mean(), np.any(near, axis=0).mean()
        assert table[name] == pytest.approx(
            {"F1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall}
        )
    assert table["nowhere"]["F1"] is None
    assert 0 < table["thing"]["F1"] < 1


def test_a_perfect_prediction_meets_every_boundary_and_a_flat_image_has_none():
    found = image(0, 3)
    protocol = BoundaryF1("abc")
    protocol.add(Scored("a", "", found.truth, np.where(found.truth < 255, found.truth, 0), found.positive, np.zeros(0)))
    assert protocol.findings().figures["f1"] == 1.0
    flat = np.zeros((5, 5), np.uint8)
    protocol = BoundaryF1("abc")
    protocol.add(Scored("a", "", flat, flat, flat * 0.0, np.zeros(0)))
    assert protocol.findings().figures["f1"] is None


def test_calibration_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    truth = rng.choice([0, 1, 255], (20, 30)).astype(np.uint8)
    prediction = rng.integers(0, 2, (20, 30)).astype(np.uint8)
    confidence = rng.random((20, 30)).astype(np.float32)
    calibration = Calibration()
    for rows in (slice(0, 7), slice(7, 20)):
        calibration.add(truth[rows], prediction[rows], confidence[rows])
    counts = truth < 255
    sure, right = confidence[counts].astype(float), (truth == prediction)[counts]
    error = 0.0
    for index in range(BINS):
        inside = (sure > index / BINS) & (sure <= (index + 1) / BINS)
        error += abs(right[inside].mean() - sure[inside].mean()) * inside.mean()
    result = calibration.result()
    assert result["ece"] == pytest.approx(error, abs=1e-9)
    assert sum(part["pixels"] for part in result["bins"]) == counts.sum()
    assert Calibration().result()["ece"] is None


def spec(name: str, classes: tuple[str, ...]) -> DatasetSpec:
    return DatasetSpec(name, classes, tuple((i, i, i) for i in range(len(classes))), {}, (), "", "", "")


def test_protocols_follow_from_the_dataset_and_one_that_does_not_fit_is_refused():
    two, eleven = spec("kitti_road", ("no", "road")), spec("camvid", tuple("abcdefghijk"))
    assert registry.chosen(None, two) == ("boundary", "binary", "kitti_road")
    assert registry.chosen(None, eleven) == ("boundary", "camvid")
    assert registry.chosen(None, spec("camvid", tuple("abc"))) == ("boundary",)
    assert registry.chosen((), eleven) == ()
    with pytest.raises(UserError, match=r"(?s)ccp: needs a class called 'null'.*kitti_road: needs 2 classes"):
        registry.chosen(("ccp", "kitti_road"), eleven)
    assert set(registry.DATASETS.values()) <= set(registry.NAMES)


def test_the_figures_that_a_recipe_may_ask_for_are_those_that_protocols_give():
    classes = (*(name for members in CATEGORIES.values() for name in members), "null")
    spec = DatasetSpec("x", classes, tuple((k, k, k) for k in range(20)), {}, (), "", "", "")
    found = image(0, 2)
    for name, figures in registry.FIGURES.items():
        protocol = registry.build(name, spec, Path("nowhere"), "val")
        confusion = np.zeros((spec.num_classes, spec.num_classes), np.int64)
        protocol.add(replace(found, confusion=confusion))
        there = tuple(protocol.findings().figures)
        assert figures == (*there, *(f"bev_{name}" for name in there)) if name == "kitti_road" else figures == there
    assert tuple(registry.FIGURES) == ("boundary", "binary", "camvid", "ccp", "cityscapes", "kitti_road")
