"""Metrics of a confusion matrix, and the table of the terminal."""

import json

import numpy as np
import pytest

from pipeline.evaluation import confusion_metrics, intervals
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.score_table import table

CLASSES = ["road", "sky", "car"]
CONFUSION = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_metrics_equal_those_computed_by_hand():
    result = confusion_metrics.summarise(CONFUSION, CLASSES)
    assert result["per_class"][0] == {
        "name": "road",
        "iou": pytest.approx(6 / 9),
        "accuracy": 0.75,
        "precision": pytest.approx(6 / 7),
        "f1": pytest.approx(12 / 15),
        "pixels": 8,
    }
    assert result["per_class"][2] == {
        "name": "car",
        **dict.fromkeys(("iou", "accuracy", "precision", "f1")),
        "pixels": 0,
    }
    assert result["miou"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert result["pixel_accuracy"] == pytest.approx(9 / 12)
    assert result["mean_class_accuracy"] == pytest.approx(0.75)
    assert result["frequency_weighted_iou"] == pytest.approx((8 * 6 / 9 + 4 * 3 / 6) / 12)
    assert (result["absent"], result["only_predicted"]) == (["car"], [])
    assert result["confusion"] == CONFUSION.tolist()


def test_a_class_that_is_only_predicted_counts_0_in_the_split_and_in_its_group():
    confusion = CONFUSION.copy()
    confusion[0, 2] = 4
    result = confusion_metrics.summarise(confusion, CLASSES)
    assert (result["absent"], result["only_predicted"]) == (["car"], ["car"])
    assert result["miou"] == pytest.approx((6 / 13 + 3 / 6 + 0) / 3)
    assert result["mean_f1"] == pytest.approx((12 / 19 + 6 / 9 + 0) / 3)
    assert result["mean_class_accuracy"] == pytest.approx((6 / 12 + 3 / 4) / 2)
    assert result["per_class"][2] == {"name": "car", "iou": 0, "accuracy": None, "precision": 0, "f1": 0, "pixels": 0}
    truth, hits = np.array([[4, 0], [4, 4]]), np.array([[3, 0], [4, 4]])
    counts = ImageCounts(("a", "b"), ("day", "night"), hits, truth, np.array([[3, 1], [4, 4]]))
    day, night = confusion_metrics.slices(counts, CLASSES[:2])
    assert (day["group"], day["miou"], day["iou"]["sky"]) == ("day", (3 / 4 + 0) / 2, 0) and night["miou"] == 1


def test_baseline_is_the_miou_of_always_predicting_the_most_frequent_class():
    result = confusion_metrics.summarise(CONFUSION, CLASSES)
    always = np.zeros((3, 3), int)
    always[:, 0] = CONFUSION.sum(axis=1)
    assert result["majority_class"] == "road"
    assert result["majority_baseline_miou"] == pytest.approx(confusion_metrics.summarise(always, CLASSES)["miou"])


def test_a_split_without_labelled_pixels_has_no_metrics_but_valid_json():
    result = confusion_metrics.summarise(np.zeros((3, 3), int), CLASSES)
    assert result["miou"] is None and result["majority_class"] is None
    json.dumps(result, allow_nan=False)


def test_slices_add_up_and_the_lowest_miou_comes_first():
    hits = np.array([[4, 0], [1, 1], [0, 2]])
    truth = np.array([[4, 2], [4, 1], [0, 2]])
    counts = ImageCounts(("a", "b", "c"), ("day", "night", "day"), hits, truth, np.array([[6, 0], [2, 3], [0, 2]]))
    night, day = confusion_metrics.slices(counts, CLASSES[:2])
    assert (night["group"], night["images"], night["pixels"]) == ("night", 1, 5)
    assert day["iou"] == {"road": pytest.approx(4 / 6), "sky": pytest.approx(2 / 4)}
    assert night["miou"] == pytest.approx((1 / 5 + 1 / 3) / 2) and night["miou"] < day["miou"]


def test_a_group_of_few_images_has_no_interval():
    rng = np.random.default_rng(0)
    days, nights = intervals.FEWEST, intervals.FEWEST - 1
    truth = rng.integers(10, 20, (days + nights, 2))
    hits, groups = truth - rng.integers(0, 9, truth.shape), ("day",) * days + ("night",) * nights
    predicted = hits + (truth - hits)[:, ::-1]  # the wrong pixels of one class are predicted as the other
    counts = ImageCounts(tuple(map(str, range(len(groups)))), groups, hits, truth, predicted)
    ranges = intervals.slice_intervals(counts, CLASSES[:2], confidence=0.9)
    day = next(slice_ for slice_ in confusion_metrics.slices(counts, CLASSES[:2]) if slice_["group"] == "day")
    assert list(ranges) == ["day"] and ranges["day"][0] <= day["miou"] <= ranges["day"][1]


def test_most_confused_pairs():
    assert confusion_metrics.confused(CONFUSION, CLASSES, 5) == [
        {"truth": "road", "prediction": "sky", "pixels": 2, "share": 0.25},
        {"truth": "sky", "prediction": "road", "pixels": 1, "share": 0.25},
    ]


def test_table_fits_the_terminal_and_names_absent_classes():
    names = ["road", "a class of quite an extraordinarily long name", "car"]
    metrics = {
        "dataset": "camvid",
        "split": "val",
        "images": 1234,
        **confusion_metrics.summarise(CONFUSION * 1_000_000, names),
    }
    text = table({**metrics, "majority_class": "x" * 80})
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("val of camvid: ") and table({**metrics, "title": "mine"}).startswith("val of mine: ")
    assert "n/a" in text and text.endswith("Not in this split nor predicted, n/a and out of the means: car.")
    only = table({**metrics, "only_predicted": ["car"]})
    assert only.endswith("Not in this split, but predicted: car. IoU 0, which counts in mIoU.")
    assert f"{metrics['miou']:.4f}" in text
    assert f"{metrics['majority_baseline_miou']:.4f}" in table(metrics)
