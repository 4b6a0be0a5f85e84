"""Masks, overlays and error maps have the expected colour at each pixel."""

import numpy as np
import pytest

from pipeline.drawing import render

COLOURS = ((128, 64, 128), (0, 0, 255))
MASK = np.array([[0, 1], [255, 0]], np.uint8)


def test_colour_paints_classes_and_stripes_ignored_pixels():
    picture = render.colour(MASK, COLOURS)
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[[128, 64, 128], [0, 0, 255]], [list(render.INK), [128, 64, 128]]]


def test_colour_refuses_unknown_ids():
    with pytest.raises(ValueError, match=r"Received: \[2, 9\]"):
        render.colour(np.array([[0, 2, 9]], np.uint8), COLOURS)


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, [100, 100, 100]), (0.5, [50, 50, 178]), (1.0, [0, 0, 255])])
def test_overlay_mixes_by_alpha(alpha, expected):
    image = np.full((2, 2, 3), 100, np.uint8)
    assert render.overlay(image, MASK, COLOURS, alpha)[0, 1].tolist() == expected


def test_overlay_shows_the_image_where_the_mask_is_ignored():
    image = np.full((2, 2, 3), 100, np.uint8)
    assert render.overlay(image, MASK, COLOURS, 1.0)[1, 0].tolist() == [100, 100, 100]


def test_hatch_marks_only_where_the_mask_is_true():
    picture = np.full((20, 20, 3), 90, np.uint8)
    where = np.zeros((20, 20), bool)
    where[:, 10:] = True
    hatched = render.hatch(picture, where)
    assert (hatched[:, :10] == 90).all() and (picture == 90).all()
    assert {tuple(pixel) for pixel in hatched[:, 10:].reshape(-1, 3)} == {(90, 90, 90), render.INK, render.PAPER}


def test_error_map_distinguishes_right_wrong_and_ignored():
    picture = render.error_map(MASK, np.array([[0, 0], [0, 0]], np.uint8))
    assert picture[0, 0].tolist() == list(render.RIGHT)
    assert picture[0, 1].tolist() == list(render.WRONG)
    assert picture[1, 0].tolist() == list(render.INK)


def test_side_by_side_and_stack_leave_a_gap():
    left, right = np.zeros((2, 3, 3), np.uint8), np.ones((4, 5, 3), np.uint8)
    row = render.side_by_side([left, right], gap=2)
    assert row.shape == (4, 10, 3)
    assert (row[:2, :3] == 0).all() and (row[:, 5:] == 1).all() and (row[:, 3:5] == 255).all()
    assert render.stack([left, right], gap=1).shape == (7, 5, 3)


def test_caption_writes_above_and_keeps_the_image():
    image = np.full((10, 60, 3), 7, np.uint8)
    picture = render.caption(image, "input")
    above = picture.shape[0] - 10
    assert (picture[above:] == image).all()
    assert picture[:above].min() < 128


@pytest.mark.parametrize("width", [90, 400])
def test_legend_shows_every_colour_at_any_width(width):
    picture = render.legend(["road", "sky"], COLOURS, width)
    assert picture.shape[1] == width
    drawn = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    assert {*COLOURS, (128, 128, 128)} <= drawn  # the grey between the stripes


def test_fit_shrinks_to_the_width_and_grows_by_whole_factors():
    picture = np.arange(20 * 40 * 3, dtype=np.uint8).reshape(20, 40, 3)
    assert render.fit(picture, 10).shape == (5, 10, 3)
    assert (render.fit(picture, 79) == picture).all()
    grown = render.fit(picture, 100)
    assert grown.shape == (40, 80, 3)
    assert (grown[::2, 1::2] == picture).all()


def test_shrink_averages_an_image_and_keeps_the_ids_of_a_mask():
    mask = np.array([[0, 7, 7, 255]], np.uint8)
    assert set(render.shrink(mask, 2)[0].tolist()) <= {0, 7, 255} and render.shrink(mask, 4) is mask
    image = np.array([[[0, 0, 0], [100, 100, 100]]], np.uint8)
    assert render.shrink(image, 1).tolist() == [[[50, 50, 50]]]
