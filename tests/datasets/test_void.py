"""Colours and names by which tools mean no class are ignored."""

from pathlib import Path

import numpy as np
import pytest

from tests.datasets.described_folder import encoded
from tests.datasets.drawn_masks import RED_BLUE, described, indexed, meaning, paint, raws, shapes

VOC = ((0, 0, 0), (128, 0, 0), (0, 128, 0), (224, 224, 192))


def test_the_border_colour_of_pascal_voc_is_ignored(tmp_path: Path) -> None:
    result = meaning(tmp_path, [encoded(paint(ids, VOC)) for ids in shapes(classes=4)])
    assert raws(result) == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]  # in the order of VOC's colour map
    assert result.ignore == [[224, 224, 192]] and "[224, 224, 192] is ignored" in result.notes[-1]


def test_an_index_with_the_border_colour_is_ignored(tmp_path: Path) -> None:
    result = meaning(tmp_path, [indexed(ids, *VOC) for ids in shapes(classes=4)])
    assert (raws(result), result.ignore) == ([0, 1, 2], [3])


@pytest.mark.parametrize("void", ["Void", "unlabelled", "unlabeled", "__ignore__", "don't care", "out of roi"])
@pytest.mark.parametrize("place", [0, 3])
def test_a_class_that_is_called_void_is_ignored(place: int, void: str, tmp_path: Path) -> None:
    names = ["road", "car", "background"]
    names.insert(place, void)
    result = described(tmp_path, [encoded(ids) for ids in shapes(classes=4)], classes="\n".join(names))
    assert [one["name"] for one in result.layout["classes"]] == ["road", "car", "background"]
    assert result.layout["ignore"] == [place]
    assert f"{void}: ignored, as the name says; make it a class if it is one" in result.notes
    assert any(note.startswith("background is a class; if it is what was not labelled") for note in result.notes)


def test_a_list_may_name_what_is_ignored(tmp_path: Path) -> None:
    contents = [encoded(np.where(ids == 2, 255, ids).astype(np.uint8)) for ids in shapes()]
    for folder, text in (("voc", "ground\nthing\nvoid"), ("labelme", "__ignore__\nground\nthing")):
        result = described(tmp_path / folder, contents, labels=text).layout
        assert [(one["name"], one["raw"]) for one in result["classes"]] == [("ground", 0), ("thing", 1)]
        assert result["ignore"] == [255]


def test_of_two_classes_none_is_ignored(tmp_path: Path) -> None:
    result = described(tmp_path, [encoded(ids) for ids in shapes(classes=2)], classes="unlabeled\nthing")
    assert [one["name"] for one in result.layout["classes"]] == ["unlabeled", "thing"] and not result.layout["ignore"]


def test_a_list_does_not_name_colours_whose_order_is_unknown(tmp_path: Path) -> None:
    contents = [encoded(paint(ids, RED_BLUE)) for ids in shapes()]
    result = described(tmp_path, contents, classes="sky\nroad\ncar")
    assert [one["name"] for one in result.layout["classes"]] == ["class_0", "class_1", "class_2"]
    assert "classes.txt names 3 classes, but does not say which colour is which" in result.notes
