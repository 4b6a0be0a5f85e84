"""The choice of images, and their four pictures."""

import numpy as np
import pytest

from datasets.spec import DatasetSpec
from pipeline.drawing import overlays

SPEC = DatasetSpec("toy", ("road", "sky"), ((128, 64, 128), (0, 0, 255)), {}, (), "", "", "")


def test_best_median_and_worst():
    choices = overlays.choose({f"i{n}": n / 10 for n in range(9)}, 2)
    assert [(choice.kind, choice.rank, choice.id) for choice in choices] == [
        ("best", 1, "i8"),
        ("best", 2, "i7"),
        ("median", 1, "i5"),
        ("median", 2, "i4"),
        ("worst", 1, "i0"),
        ("worst", 2, "i1"),
    ]


@pytest.mark.parametrize("images", range(6))
def test_few_images_are_shown_once_each_including_the_worst(images):
    choices = overlays.choose({f"i{n}": n / 10 for n in range(images)}, 3)
    ids = [choice.id for choice in choices]
    assert len(ids) == len(set(ids)) <= images
    assert images == 0 or "i0" in ids


def test_images_without_a_score_are_left_out_and_ties_are_broken_by_id():
    choices = overlays.choose({"void": None, "b": 0.5, "a": 0.5, "c": 0.5}, 1)
    assert {choice.kind: choice.id for choice in choices} == {"best": "a", "median": "b", "worst": "c"}


def test_file_names_are_safe():
    assert overlays.Choice("best", 1, "aachen/a 1", 0.5).file == "best-1-aachen_a_1.png"


def test_strip_holds_the_four_pictures_and_the_legend():
    image = np.full((30, 40, 3), 9, np.uint8)
    truth = np.zeros((30, 40), np.uint8)
    prediction = truth.copy()
    prediction[:, 20:] = 1
    parts = overlays.parts(image, truth, prediction, SPEC, width=40)
    assert tuple(parts) == overlays.PARTS
    assert (parts["prediction"][0, -1] == SPEC.colours[1]).all() and (parts["truth"] == SPEC.colours[0]).all()
    assert not (parts["error"][0, 0] == parts["error"][0, -1]).all()
    picture = overlays.strip(parts, SPEC, "toy")
    assert picture.shape[1] >= 4 * overlays.WIDTH and picture.shape[0] > parts["input"].shape[0] + 20
