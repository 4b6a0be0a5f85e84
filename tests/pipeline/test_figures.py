"""From a confusion matrix to figures and to the table of the terminal."""

import json

import numpy as np
import pytest

from pipeline import figures
from pipeline.score_table import table

CLASSES = ["road", "sky", "car"]
CONFUSION = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])


def test_figures_by_hand():
    found = figures.summarise(CONFUSION, CLASSES)
    assert found["per_class"][0] == {"name": "road", "iou": pytest.approx(6 / 9), "accuracy": 0.75, "pixels": 8}
    assert found["per_class"][2] == {"name": "car", "iou": None, "accuracy": None, "pixels": 0}
    assert found["miou"] == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert found["pixel_accuracy"] == pytest.approx(9 / 12)
    assert found["mean_class_accuracy"] == pytest.approx(0.75)
    assert found["frequency_weighted_iou"] == pytest.approx((8 * 6 / 9 + 4 * 3 / 6) / 12)
    assert found["absent"] == ["car"]
    assert found["confusion"] == CONFUSION.tolist()


def test_the_baseline_is_the_miou_of_always_answering_the_most_frequent_class():
    found = figures.summarise(CONFUSION, CLASSES)
    always = np.zeros((3, 3), int)
    always[:, 0] = CONFUSION.sum(axis=1)
    assert found["majority_class"] == "road"
    assert found["majority_baseline_miou"] == pytest.approx(figures.summarise(always, CLASSES)["miou"])


def test_a_split_without_a_labelled_pixel_has_no_figures_but_valid_json():
    found = figures.summarise(np.zeros((3, 3), int), CLASSES)
    assert found["miou"] is None and found["majority_class"] is None
    json.dumps(found, allow_nan=False)


def test_image_scores_name_each_image():
    scores = figures.ImageScores(2)
    labels = np.array([[[0, 1]], [[255, 255]]], np.uint8)
    predictions = np.array([[[0, 0]], [[0, 0]]], np.uint8)
    scores.add([b"first", "second"], np.zeros((2, 1, 2, 3), np.uint8), labels, predictions)
    assert scores.image_miou == {"first": pytest.approx(0.25), "second": None}


def test_table_fits_the_terminal_and_says_what_is_absent():
    names = ["road", "a class of quite an extraordinarily long name", "car"]
    metrics = {
        "dataset": "camvid",
        "split": "val",
        "images": 1234,
        **figures.summarise(CONFUSION * 1_000_000, names),
    }
    text = table({**metrics, "majority_class": "x" * 80})
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "n/a" in text and "Not in this split" in text and "car" in text
    assert f"{metrics['miou']:.4f}" in text
    assert f"{metrics['majority_baseline_miou']:.4f}" in table(metrics)
