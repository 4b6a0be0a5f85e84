"""COCO panoptic: the colours of a PNG are ids of segments, which the JSON gives categories."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.annotations import coco_panoptic
from datasets.audit import BadFileError
from datasets.errors import DatasetError
from tests.datasets.annotations.exports import (
    HEIGHT,
    SIZE,
    WIDTH,
    drawing,
    fault_of,
    init_and_read,
    layout_of,
    numbered,
    photos,
    put_json,
    read_all,
)
from tests.datasets.described_folder import encoded

CATEGORIES = [
    {"id": 1, "name": "road", "color": [128, 64, 128], "isthing": 0, "supercategory": "flat"},
    {"id": 9, "name": "car", "color": [0, 0, 142], "isthing": 1, "supercategory": "vehicle"},
]
BLOCKS = np.kron(np.array([[0, 3], [70000, 258]]), np.ones((12, 16), int))
"""Ids of segments; 0 is of none."""
SEGMENTS = [{"id": 3, "category_id": 1}, {"id": 70000, "category_id": 9, "iscrowd": 1}, {"id": 258, "category_id": 9}]


def as_colours(ids: np.ndarray) -> np.ndarray:
    """As id2rgb of panopticapi."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


def test_an_export_is_recognised_and_read(tmp_path: Path) -> None:
    names = [f"{at:03}" for at in range(4)]
    photos(tmp_path / "val2017", *(f"{name}.jpg" for name in names))
    images = [{"id": at, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT} for at, name in enumerate(names)]
    annotations = []
    (tmp_path / "annotations/panoptic_val2017").mkdir(parents=True)
    for at, name in enumerate(names):
        Image.fromarray(as_colours(np.roll(BLOCKS, at, 1))).save(tmp_path / f"annotations/panoptic_val2017/{name}.png")
        annotations.append({"image_id": at, "file_name": f"{name}.png", "segments_info": SEGMENTS})
    tree = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    put_json(tmp_path / "annotations/panoptic_val2017.json", tree)
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert "the files are of COCO panoptic" in guessed.notes[0]
    assert guessed.layout["annotations"]["uncovered"] == "ignore"
    assert [class_["colour"] for class_ in guessed.layout["classes"]] == [[128, 64, 128], [0, 0, 142]]
    expected = np.array([255, 0, 1, 1], np.uint8)[np.searchsorted([0, 3, 258, 70000], BLOCKS)]
    for at, name in enumerate(names):
        np.testing.assert_array_equal(labels[name], np.roll(expected, at, 1))


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        (SEGMENTS[:2], "192 pixels have ids that `segments_info` has not"),
        ([*SEGMENTS, {"id": 5, "category_id": 1}], "segment 5: no pixel of file2 has this id"),
        ([*SEGMENTS[:2], {"id": 258, "category_id": 4}], "category_id 4 is not in `categories`"),
    ],
)
def test_what_does_not_fit_is_named(segments: list, words: str) -> None:
    files = drawing(CATEGORIES, {"segments_info": segments}, encoded(as_colours(BLOCKS)), size=SIZE)
    assert words in fault_of(coco_panoptic.draw, files, numbered("road", "car"))


def test_a_png_of_another_size_is_a_bad_file() -> None:
    files = drawing(CATEGORIES, {"segments_info": []}, encoded(as_colours(BLOCKS[:-1])))
    with pytest.raises(BadFileError, match="annotated as 23x32"):
        coco_panoptic.draw(files, numbered("road", "car"))


def test_other_json_is_named(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg")
    tree = {"images": [], "categories": [], "annotations": [{"image_id": 1, "segmentation": []}]}
    put_json(tmp_path / "x.json", tree)
    layout = layout_of("coco_panoptic", "x.json", "road", "car")
    with pytest.raises(DatasetError, match=r"x\.json: not as COCO panoptic has it \(KeyError: 'segments_info'\)"):
        read_all(tmp_path, layout, tmp_path / "out")
