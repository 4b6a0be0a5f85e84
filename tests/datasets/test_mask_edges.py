"""Colours between those of classes, which smoothing and JPEG leave, are edges."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from datasets.errors import DatasetError
from datasets.image_folder.image_folder_dataset_builder import reader_of
from datasets.image_folder.layout import Layout
from tests.datasets.described_folder import encoded
from tests.datasets.drawn_masks import GREYS, RED_BLUE, described, indexed, meaning, paint, raws, shapes, shrink

# --- edges between colours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("filter_", [Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("colours", [RED_BLUE[:2], RED_BLUE, ((0, 0, 0), (255, 255, 255), (0, 0, 255))])
@pytest.mark.parametrize("factor", [2, 4])
def test_in_between_colours_are_edges(factor: int, colours: tuple, filter_: Image.Resampling, tmp_path: Path) -> None:
    contents = [encoded(shrink(paint(ids, colours), factor, filter_)) for ids in shapes(4, len(colours))]
    result = meaning(tmp_path, contents)
    assert result.mask == {"read": "colours", "nearest": True}
    assert sorted(map(tuple, raws(result))) == sorted(colours)
    assert "on edges that were smoothed: each is read as the nearest class" in result.notes[1]


def test_indices_of_smooth_grey_edges_are_read_by_their_grey_levels(tmp_path: Path) -> None:
    levels = (255, 192, 128, 64, 0)
    contents = [indexed(4 - shrink(ids * 4, 2), *((level,) * 3 for level in levels)) for ids in shapes(classes=2)]
    result = meaning(tmp_path, contents)
    assert (result.mask, raws(result)) == ({"read": "colours", "nearest": True}, [[0, 0, 0], [255, 255, 255]])


def test_edges_of_thin_lines_are_refused(tmp_path: Path) -> None:
    contents = []
    for x in range(6):
        lines = Image.new("L", (160, 96))
        for index in range(1, 5):
            ImageDraw.Draw(lines).line([20 * index + 7 * x, 95, 80, 10], fill=60 * index)
        contents.append(encoded(lines.resize((320, 192), Image.Resampling.BICUBIC)))
    with pytest.raises(
        DatasetError, match=r"different values, too many for classes.* smooth edges: mask: \{read: thres"
    ):
        meaning(tmp_path, contents)


def test_edges_that_pass_the_colour_of_a_third_class_are_ignored(tmp_path: Path) -> None:
    colours = ((0, 0, 0), (200, 0, 0), (100, 0, 0))
    result = meaning(tmp_path, [encoded(shrink(paint(ids, colours))) for ids in shapes()])
    assert result.mask == {"read": "colours", "others": "ignore"}
    assert sorted(map(tuple, raws(result))) == sorted(colours)
    assert "as those from [0, 0, 0] to [200, 0, 0] come near [100, 0, 0]" in result.notes[1]


def test_smooth_edges_in_a_single_mask_of_many_are_edges(tmp_path: Path) -> None:
    exact = [encoded(paint(ids, RED_BLUE)) for ids in shapes(20)]
    result = meaning(tmp_path, [*exact, encoded(shrink(paint(shapes(1)[0], RED_BLUE)))])
    assert result.mask["nearest"] and len(result.classes) == 3


def test_many_exact_colours_are_classes(tmp_path: Path) -> None:
    colours = [(0, 0, 0), *[(index, 255 - index, 40) for index in range(60, 200, 4)]]
    ids = np.arange(len(colours)).repeat(6).reshape(1, -1).repeat(6, 0)
    result = meaning(tmp_path, [encoded(paint(ids, colours))] * 6)
    assert (result.mask, len(result.classes)) == ({"read": "colours"}, len(colours))


def test_colours_that_are_nearly_the_same_are_noted(tmp_path: Path) -> None:
    exact = [encoded(paint(ids, RED_BLUE)) for ids in shapes()]
    result = meaning(tmp_path, [*exact, encoded(paint(shapes()[0], ((0, 0, 0), (254, 0, 0), (0, 0, 255))))])
    assert len(result.classes) == 4
    assert any(note.startswith("[254, 0, 0], in 1 of 7 masks, is like [255, 0, 0]") for note in result.notes)


def test_smoothed_masks_are_read_as_drawn(tmp_path: Path) -> None:
    drawn = shapes(classes=2)
    contents = [encoded(shrink(paint(ids, RED_BLUE))) for ids in drawn]
    read = reader_of(Layout.model_validate(described(tmp_path, contents).layout)).mask
    for ids, content in zip(drawn, contents, strict=True):
        share = shrink(ids * 255)
        np.testing.assert_array_equal(read(content)[share != 128], (share > 128)[share != 128])


@pytest.mark.parametrize(("colours", "small"), [(RED_BLUE, (0, 255, 0)), ((0, 100, 200), 255), ((0, 200, 255), 107)])
def test_a_class_of_four_pixels_beside_smooth_edges_is_a_class(colours: tuple, small, tmp_path: Path) -> None:
    drawn = [shrink(paint(ids, colours)) for ids in shapes()]
    for pixels in (drawn := [one.copy() for one in drawn])[:2]:
        pixels[:4, :4] = 0
        pixels[1:3, 1:3] = small
    read = raws(meaning(tmp_path, list(map(encoded, drawn))))
    expected = [list(one) if isinstance(one, tuple) else one for one in (*colours, small)]
    assert sorted(map(str, read)) == sorted(map(str, expected))


@pytest.mark.parametrize("quality", [75, 92])
@pytest.mark.parametrize(("values", "small"), [(RED_BLUE, (0, 255, 0)), ((0, 255), 128)])
def test_a_class_that_jpeg_nearly_hides_is_noted(values: tuple, small, quality: int, tmp_path: Path) -> None:
    drawn = [paint(ids, values) for ids in shapes(classes=len(values))]
    plain = meaning(tmp_path, [encoded(one, "JPEG", quality=quality) for one in drawn], "jpg")
    for pixels in (drawn := [one.copy() for one in drawn])[:3]:
        pixels[:16, :16] = 0
        pixels[6:10, 5:9] = small
    noted = meaning(tmp_path, [encoded(one, "JPEG", quality=quality) for one in drawn], "jpg")
    assert [any("export the masks as PNG" in note for note in one.notes) for one in (plain, noted)] == [False, True]


# --- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("WEBP", "webp"), ("TIFF", "tif")])
def test_colours_in_lossy_masks_go_to_the_nearest(kind: str, suffix: str, tmp_path: Path) -> None:
    options = {"compression": "jpeg"} if kind == "TIFF" else {"quality": 80}
    contents = [encoded(paint(ids, RED_BLUE), kind, **options) for ids in shapes()]
    result = meaning(tmp_path, contents, suffix)
    assert result.mask == {"read": "colours", "nearest": True} and len(result.classes) == 3
    assert all(min(abs(np.array(raw) - RED_BLUE).max(axis=1)) <= 2 for raw in raws(result))
    assert "whose compression changes values: 3 of" in result.notes[0]


def test_lossless_webp_is_exact(tmp_path: Path) -> None:
    contents = [encoded(paint(ids, RED_BLUE), "WEBP", lossless=True) for ids in shapes()]
    assert meaning(tmp_path, contents, "webp").mask == {"read": "colours"}


def test_a_png_that_was_a_jpeg_goes_to_the_nearest(tmp_path: Path) -> None:
    jpegs = [io.BytesIO(encoded(paint(ids, RED_BLUE), "JPEG")) for ids in shapes()]
    result = meaning(tmp_path, [encoded(np.asarray(Image.open(file))) for file in jpegs])
    assert result.mask == {"read": "colours", "nearest": True} and len(result.classes) == 3


def test_grey_levels_of_a_jpeg_go_to_the_nearest_and_their_edges_are_noted(tmp_path: Path) -> None:
    result = meaning(tmp_path, [encoded(paint(ids, GREYS), "JPEG") for ids in shapes()], "jpg")
    assert result.mask == {"read": "colours", "nearest": True}
    assert raws(result) == [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    assert "edges between 0 and 255 are read as 128" in result.notes[1]


@pytest.mark.parametrize(("values", "words"), [((0, 1, 2), "1 fill areas"), ((0, 20, 200), "areas of 0 and 20")])
def test_ids_that_jpeg_has_blurred_into_each_other_are_refused(values: tuple, words: str, tmp_path: Path) -> None:
    contents = [encoded(paint(ids, values), "JPEG") for ids in shapes()]
    with pytest.raises(
        DatasetError, match=rf"000\.jpg \(JPEG L \(6\)\) hold .*{words}.*Export the masks again, as PNG"
    ):
        meaning(tmp_path, contents, "jpg")
