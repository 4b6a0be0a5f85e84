"""Count the values of masks: their pixels, the masks that show them, and whether they fill areas or lie on edges."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

TESTED = 100_000  # Number of pixels per mask, evenly spaced, whose neighbours are compared

CONNECTED, MOST_CONNECTED, SIDE = 24, 256, 512
"""Masks whose areas are counted, the first ones; values of a mask at most; and rows and columns that are looked at."""

NEIGHBOURS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


@dataclass
class Tally:
    """Counts of every value in masks. A value is a raw id, or a colour as `pack` makes it.

    Attributes:
        tolerance: Neighbours count as equal up to this difference in each channel: for JPEG, which changes values.
        masks: Number of masks.
        total: Number of pixels.
        pixels: Pixels of each value.
        files: Masks that show each value.
        inner: Pixels of each value whose four neighbours have the same: areas have them, blurred edges have none.
        tested: Pixels of each value, in masks where it has no inner pixel, whose neighbours were compared.
        between: Those of `tested` that lie between the values of their neighbours, as blurred edges do.
        shown: The values of each mask.
        blocks: Squares of 2 x 2 pixels of each value: what is drawn has one, edges hardly ever.
        order: The values of each mask, by their first pixels, row by row.
        areas: Masks, of the first CONNECTED, that show each value.
        whole: Those of `areas` in which the value is one connected area.
    """

    tolerance: int = 0
    masks: int = 0
    total: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    files: Counter[int] = field(default_factory=Counter)
    inner: Counter[int] = field(default_factory=Counter)
    tested: Counter[int] = field(default_factory=Counter)
    between: Counter[int] = field(default_factory=Counter)
    shown: list[frozenset[int]] = field(default_factory=list)
    blocks: Counter[int] = field(default_factory=Counter)
    order: list[tuple[int, ...]] = field(default_factory=list)
    areas: Counter[int] = field(default_factory=Counter)
    whole: Counter[int] = field(default_factory=Counter)

    def add(self, values: np.ndarray, channels: np.ndarray | None = None) -> None:
        """Count the pixels of a mask.

        Args:
            values: Raw ids or packed colours, whole numbers [H, W].
            channels: Colours of the pixels, [H, W, C]; None: the values themselves.
        """
        flat, points = values.ravel(), values[..., None] if channels is None else channels
        inside = _inside(points.astype(np.int32) if self.tolerance else values[..., None], self.tolerance)
        starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])  # of runs: masks have few
        lengths = np.diff(starts, append=flat.size)
        distinct, first, run_of = np.unique(flat[starts], return_index=True, return_inverse=True)
        pixels = np.bincount(run_of, lengths).astype(int)
        inner = np.bincount(run_of, np.add.reduceat(inside.ravel().astype(np.int64), starts)).astype(int)
        self.masks, self.total = self.masks + 1, self.total + values.size
        self.shown.append(frozenset(distinct.tolist()))
        self.files.update(distinct.tolist())
        self._update(self.pixels, distinct, pixels)
        self._update(self.inner, distinct, inner)
        blocks = np.add.reduceat(_begins_block(values).ravel().astype(np.int64), starts)
        self._update(self.blocks, distinct, np.bincount(run_of, blocks).astype(int))
        self.order.append(tuple(distinct[np.argsort(first)].tolist()))
        if self.masks <= CONNECTED and len(distinct) <= MOST_CONNECTED and not self.tolerance:
            whole = _are_whole(np.repeat(run_of, lengths).reshape(values.shape), len(distinct))
            self._update(self.areas, distinct, np.ones(len(distinct), int))
            self._update(self.whole, distinct, whole)
        at = np.flatnonzero(np.repeat((inner == 0)[run_of], lengths))
        at = at[:: max(1, len(at) // TESTED)]
        if at.size:
            self._update(self.tested, *np.unique(flat[at], return_counts=True))
            self._update(self.between, *np.unique(flat[at[_is_between(points, at)]], return_counts=True))

    @staticmethod
    def _update(counter: Counter[int], values: np.ndarray, counts: np.ndarray) -> None:
        counter.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def pack(rgb: np.ndarray) -> np.ndarray:
    """Pack red, green and blue, uint8 [..., 3], into one number, int32 [...].

    >>> unpack(int(pack(np.array([128, 0, 64], np.uint8))))
    (128, 0, 64)
    """
    wide = rgb.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def unpack(code: int) -> tuple[int, int, int]:
    """Return red, green and blue of a packed colour."""
    return code >> 16, code >> 8 & 255, code & 255


def _inside(points: np.ndarray, tolerance: int) -> np.ndarray:
    """Whether the four neighbours of each pixel, as far as there are, have the same value: bool [H, W]."""
    inside = np.ones(points.shape[:2], bool)
    for before, after, first, second in (
        (points[:-1], points[1:], inside[:-1], inside[1:]),
        (points[:, :-1], points[:, 1:], inside[:, :-1], inside[:, 1:]),
    ):
        equal = abs(before - after) <= tolerance if tolerance else before == after
        first &= equal.all(axis=-1)
        second &= equal.all(axis=-1)
    return inside


def _begins_block(values: np.ndarray) -> np.ndarray:
    """Whether a pixel equals those to the right, below, and between these: bool [H, W]."""
    begins = np.zeros(values.shape, bool)
    right, below = values[:-1, 1:] == values[:-1, :-1], values[1:, :-1] == values[:-1, :-1]
    begins[:-1, :-1] = right & below & (values[1:, 1:] == values[:-1, :-1])
    return begins


def _are_whole(places: np.ndarray, number: int) -> np.ndarray:
    """Whether each of the values, numbered 0, 1, ... in `places` [H, W], is one connected area: int [number]."""
    from scipy import ndimage

    step = -(-max(places.shape) // SIDE)
    numbered = places[::step, ::step] + 1
    boxes = [*ndimage.find_objects(numbered), *[None] * number][:number]
    areas = [box and ndimage.label(numbered[box] == at, np.ones((3, 3)))[1] for at, box in enumerate(boxes, 1)]
    return np.array([one == 1 for one in areas], int)


def _is_between(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether pixels are between the least and the greatest of their neighbours in every channel, in one strictly.

    `points` are [H, W, C], `at` flat indices of the pixels.
    """
    height, width = points.shape[:2]
    row, column = np.divmod(at, width)
    near = [  # beyond the border: the pixel at the border
        points[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)] for down, right in NEIGHBOURS
    ]
    own, least, greatest = points[row, column], np.minimum.reduce(near), np.maximum.reduce(near)
    within: np.ndarray = ((least <= own) & (own <= greatest)).all(axis=-1)
    return within & ((least < own) & (own < greatest)).any(axis=-1)
