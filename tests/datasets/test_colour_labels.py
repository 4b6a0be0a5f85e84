"""Masks of colours: exact, or nearest; ties, unlisted colours, colours that share a class."""

import numpy as np
import pytest

from datasets import colour_labels
from datasets.audit import BadFileError, Kind
from datasets.spec import IGNORE

COLOURS = (((0, 0, 0), IGNORE), ((255, 0, 0), 0), ((0, 0, 255), 1), ((0, 0, 254), 1))


def test_exact_colours_become_train_ids() -> None:
    rgb = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 0, 255], [0, 0, 254]]], np.uint8)
    np.testing.assert_array_equal(colour_labels.map_exact(rgb, COLOURS), [[IGNORE, 0], [1, 1]])


def test_an_unlisted_colour_is_named_and_counted() -> None:
    rgb = np.zeros((2, 3, 3), np.uint8)
    rgb[0, :2], rgb[1, 0] = (1, 2, 3), (9, 9, 9)
    with pytest.raises(BadFileError) as caught:
        colour_labels.map_exact(rgb, COLOURS)
    assert caught.value.kind is Kind.LABEL_RANGE
    assert caught.value.detail.startswith("received (1, 2, 3) (2 px), (9, 9, 9) (1 px); allowed are the 4 listed")


def test_unlisted_colours_may_be_a_class_or_ignored() -> None:
    rgb = np.array([[[0, 0, 0], [9, 9, 9]], [[0, 0, 255], [7, 0, 0]]], np.uint8)
    for other in (5, IGNORE):
        wanted = [[IGNORE, other], [1, other]]
        np.testing.assert_array_equal(colour_labels.map_exact(rgb, COLOURS, other=other), wanted)


def test_nearest_agrees_with_all_distances_and_the_first_wins_a_tie() -> None:
    colours = (((10, 0, 0), 4), ((0, 10, 0), 2), ((200, 200, 200), IGNORE))
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    rgb[0, 0] = 0  # as near to the first as to the second
    listed = np.array([colour for colour, _ in colours])
    best = ((rgb[..., None, :].astype(int) - listed) ** 2).sum(-1).argmin(-1)
    wanted = np.array([train for _, train in colours])[best]
    for _ in range(2):  # the second time from the table
        np.testing.assert_array_equal(colour_labels.map_nearest(rgb, colours), wanted)
    assert wanted[0, 0] == 4


@pytest.mark.parametrize("wrong", [[((0, 0, 256), 1)], [((0, 0, 0), 253)], [((0, 0, 0), 1), ((0, 0, 0), 2)]])
def test_invalid_colours_are_refused(wrong: list) -> None:
    with pytest.raises(ValueError, match="colours"):
        colour_labels.validate(wrong)
