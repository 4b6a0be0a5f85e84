"""CVAT for images 1.1: polygons, boxes and masks by z_order, as CVAT's own masks are made with pycocotools."""

from pathlib import Path

import numpy as np
import pytest

from datasets.annotations import cvat
from datasets.errors import DatasetError
from tests.datasets.annotations.exports import (
    SIZE,
    SQUARE,
    TRIANGLE,
    drawing,
    fault_of,
    filled,
    init_and_read,
    layout_of,
    numbered,
    photos,
    read_all,
)

META = """\
  <version>1.1</version>
  <meta><task><id>7</id><name>street</name><size>3</size><labels>
    <label><name>road</name><color>#fa3253</color><type>any</type><attributes></attributes></label>
    <label><name>car &amp; bus</name><color>#33ddff</color>
      <attributes><attribute><name>x</name></attribute></attributes></label>
  </labels></task></meta>
"""


def polygon(label: str, points: list, z: int = 0) -> str:
    listed = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polygon label="{label}" source="manual" occluded="0" points="{listed}" z_order="{z}"></polygon>'


def image(number: int, name: str, *shapes: str, size: tuple[int, int] = SIZE) -> str:
    height, width = size
    head = f'<image id="{number}" name="{name}" width="{width}" height="{height}"'
    return f"  {head}>\n    " + "\n    ".join(shapes) + "\n  </image>\n" if shapes else f"  {head}/>\n"


def document(*images: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n{META}{"".join(images)}</annotations>\n'


def test_an_export_is_recognised_and_read(tmp_path: Path) -> None:
    names = [f"größe{at}.jpg" for at in range(3)]
    photos(tmp_path / "images", *names)
    shapes = polygon("road", SQUARE, z=1), polygon("car &amp; bus", TRIANGLE)
    text = document(image(0, names[0], *shapes), image(1, names[1]), image(2, names[2], *reversed(shapes)))
    (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
    guessed, labels = init_and_read(tmp_path, tmp_path / "out")
    assert guessed.notes[0] == "the files are of CVAT for images 1.1: annotations.xml with images/{id}.jpg"
    assert guessed.layout["classes"] == [
        {"name": "background"}, {"name": "road", "colour": [250, 50, 83]},
        {"name": "car & bus", "colour": [51, 221, 255]},
    ]  # fmt: skip
    expected = np.array([0, 2, 1])[filled(TRIANGLE, SQUARE)]
    np.testing.assert_array_equal(labels["größe0"], expected)
    np.testing.assert_array_equal(labels["größe2"], expected)
    assert not labels["größe1"].any()


def test_masks_and_boxes() -> None:
    mask = '<mask label="a" rle="1, 2, 2, 1" left="5" top="7" width="3" height="2" z_order="0"></mask>'
    box = '<box label="b" xtl="10.0" ytl="2.0" xbr="14.0" ybr="6.0" z_order="0"></box>'
    turned = '<box label="b" xtl="20" ytl="10" xbr="28" ybr="12" rotation="90" z_order="0"></box>'
    label = cvat.draw(drawing(image(0, "a.jpg", mask, box, turned)), numbered("a", "b"))
    expected = np.zeros(SIZE, np.uint8)
    expected[7:9, 5:8] = [[0, 1, 1], [0, 0, 1]]
    expected[2:6, 10:14] = 2
    expected[7:15, 23:25] = 2
    np.testing.assert_array_equal(label, expected)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (polygon("a", SQUARE[:2]), "polygon 1 (a): 2 points, where at least 3 are needed"),
        (polygon("tree", SQUARE), "polygon 1 (tree): label 'tree' is not in the layout"),
        (
            '<polyline label="a" points="1,1;2,2"/>',
            "polyline 1 (a): a shape of this kind is not read; read are polygon",
        ),
        ('<ellipse label="a" cx="9" cy="9" rx="5" ry="3"/>', "ellipse 1 (a): a shape of this kind is not read"),
        (polygon("a", [[99, 9], [99, 12], [90, 9]]), "polygon 1 (a): lies outside the image of 24x32"),
        (
            '<mask label="a" rle="1, 2" left="0" top="0" width="3" height="2"/>',
            "a run-length code of 3 pixels, not 3x2",
        ),
        ('<mask label="a" rle="6" left="30" top="0" width="3" height="2"/>', "a mask of 2x3 at 30,0 leaves the image"),
        ('<polygon label="a"/>', "cannot be read (KeyError: 'points')"),
    ],
)
def test_a_bad_shape_is_named(bad: str, words: str) -> None:
    assert words in fault_of(cvat.draw, drawing(image(0, "a.jpg", polygon("a", SQUARE), bad)), numbered("a"))


def test_tags_are_no_shapes() -> None:
    label = cvat.draw(drawing(image(0, "a.jpg", '<tag label="night"/>', polygon("a", SQUARE))), numbered("a"))
    np.testing.assert_array_equal(label, filled(SQUARE))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotations><image", "annotations.xml: no XML"),
        ("<annotation><object/></annotation>", "an XML without <image> in <annotations>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "an XML with a document type"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, text: str, words: str) -> None:
    photos(tmp_path / "images", "a.jpg")
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(DatasetError) as caught:
        read_all(tmp_path, layout_of("cvat", "annotations.xml", "road"), tmp_path / "out")
    assert words in str(caught.value)
