"""Joined measurements of several workers equal that of a single one, to the last digit, in every protocol."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets.spec import DatasetSpec
from models import metrics
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.measurement import Measurement
from pipeline.evaluation.protocols import registry
from pipeline.evaluation.protocols.cityscapes import CATEGORIES
from pipeline.evaluation.scoring import Batch

MANY = (*(name for members in CATEGORIES.values() for name in members), "null")
TWO = ("ground", "road")
PROTOCOLS = {MANY: ("boundary", "ccp", "cityscapes"), TWO: ("boundary", "binary", "kitti_road")}
IMAGES = 7


def measurement(classes: tuple[str, ...], records: Path) -> Measurement:
    spec = DatasetSpec("x", classes, tuple((k, k, k) for k in range(len(classes))), {}, (), "", "", "")
    return Measurement(spec, {name: registry.build(name, spec, records, "val") for name in PROTOCOLS[classes]})


def batch(place: int, classes: int, folder: Path) -> Batch:
    """One image of its own size, and its instances; float sums would depend on the order of the images."""
    rng = np.random.default_rng(place)
    shape = (40 + place, 57)
    truth = rng.choice([*range(classes), 255], shape).astype(np.uint8)
    truth[5:25, 3:30] = min(13, classes - 1)
    prediction = np.where(rng.random(shape) < 0.4, rng.integers(0, classes, shape), truth % classes).astype(np.uint8)
    probabilities = rng.random((3, *shape)).astype(np.float32)
    instances = np.zeros(shape, np.uint16)
    instances[5:25, 3:20], instances[5:25, 20:30] = 26000, 26001
    Image.fromarray(instances).save(folder / f"{place}.png")
    return Batch(
        ids=[str(place)],
        groups=["ab"[place % 2]],
        places=[place],
        images=np.zeros((1, *shape, 3), np.uint8),
        labels=truth[None],
        predictions=prediction[None],
        confusion=metrics.confusion_matrix(truth, prediction, classes)[None],
        answers=np.stack([prediction, *probabilities], axis=-1)[None].astype(np.float32),
    )


@pytest.fixture
def records(tmp_path: Path) -> Path:
    (tmp_path / "instances/val").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("classes", [MANY, TWO], ids=["many classes", "two classes"])
@pytest.mark.parametrize("parts", [([3, 6, 0], [5, 1], [2, 4]), ([1], [], [6, 5, 4, 3, 2, 0])])
def test_joined_parts_equal_the_whole(records: Path, classes: tuple[str, ...], parts: Sequence[list[int]]) -> None:
    batches = [batch(place, len(classes), records / "instances/val") for place in range(IMAGES)]

    def of(places: Sequence[int]) -> Measurement:
        made = measurement(classes, records)
        for place in places:
            made.add(batches[place])
        return made

    def metrics_of(made: Measurement) -> dict[str, Any]:
        return made.metrics(confidence=0.9, pairs=50)

    whole, (first, *others) = of(range(IMAGES)), [of(part) for part in parts]
    first.join([each.to_bytes() for each in others])
    assert metrics_of(first) == metrics_of(whole)
    joined, expected = first.counts(), whole.counts()
    assert joined.ids == expected.ids == tuple(map(str, range(IMAGES))) and joined.groups == expected.groups
    for name in ("hits", "truth", "predicted"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(expected, name))
    assert isinstance(joined, ImageCounts) and joined.hits.dtype == np.int64


def test_the_first_of_equally_confused_images_is_named(records: Path) -> None:
    same = [batch(0, 2, records / "instances/val")] * 3
    places = [Batch(**{**vars(each), "places": [place], "ids": [str(place)]}) for place, each in enumerate(same)]
    made = measurement(TWO, records)
    for place in (2, 0, 1):
        made.add(places[place])
    assert {pair["image"] for pair in made.metrics(confidence=0.9, pairs=2)["confused"]} == {"0"}
