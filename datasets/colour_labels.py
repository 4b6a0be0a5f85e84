"""Masks of colours: map them to train ids exactly, or to the nearest colour where JPEG has changed them."""

import functools
from collections.abc import Iterable

import numpy as np

from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.labels import INVALID, SHOWN_VALUES
from datasets.spec import IGNORE

Colours = tuple[tuple[tuple[int, int, int], int], ...]
"""((red, green, blue), train id) of each colour that a mask may hold; several colours may share an id."""

UNSEEN = 253
"""Table entry of colours whose nearest is not computed yet. So train ids are 0..252, or IGNORE."""


def decode(content: bytes) -> np.ndarray:
    """Decode a mask of colours, a PNG or JPEG of 8 bits per channel or with a palette, to uint8 [H, W, 3].

    Raises:
        BadFileError: Not an image, damaged, or without colours.
    """
    with open_image(content) as image:
        if image.mode not in ("RGB", "P"):
            raise BadFileError(Kind.MASK_CHANNELS, f"mode {image.mode}, {image.height}x{image.width}; allowed RGB")
        with raise_damage():
            return np.asarray(image.convert("RGB"))


def map_exact(rgb: np.ndarray, colours: Colours, *, other: int = INVALID) -> np.ndarray:
    """Map colours to train ids.

    Args:
        rgb: Colours, uint8 [H, W, 3].
        colours: Train id of each colour.
        other: Train id of colours that are not listed: a class, IGNORE, or INVALID, which is an error.

    Returns:
        Train ids, uint8 [H, W].

    Raises:
        BadFileError: A pixel has another colour; the text names the colours and counts their pixels.

    >>> map_exact(np.array([[[0, 0, 0], [255, 0, 0]]], np.uint8), (((0, 0, 0), 0), ((255, 0, 0), 1)))
    array([[0, 1]], dtype=uint8)
    """
    codes = _codes(rgb)
    train_ids = _exact_table(colours).take(codes)
    unlisted = train_ids == INVALID
    if unlisted.any():
        if other == INVALID:
            raise BadFileError(Kind.LABEL_RANGE, _describe(codes[unlisted], colours))
        train_ids[unlisted] = other
    return train_ids


def map_nearest(rgb: np.ndarray, colours: Colours) -> np.ndarray:
    """Map colours to the train ids of the nearest listed colours; of two equally near, the first listed wins.

    Distance is Euclidean in red, green, blue. The nearest colour is computed once per distinct colour and kept in a
    table, so that a mask costs a lookup.

    Args:
        rgb: Colours, uint8 [H, W, 3].
        colours: Train id of each colour.

    Returns:
        Train ids, uint8 [H, W].
    """
    codes, table = _codes(rgb), _nearest_table(colours)
    train_ids = table.take(codes)
    if (train_ids == UNSEEN).any():
        new = np.unique(codes[train_ids == UNSEEN])
        table[new] = _nearest_of(new, colours)
        train_ids = table.take(codes)
    return train_ids


def validate(colours: Iterable[tuple[tuple[int, int, int], int]]) -> Colours:
    """Return `colours` as a tuple; raise ValueError for a duplicate colour, or a colour or train id out of range."""
    checked = tuple(((int(r), int(g), int(b)), int(train)) for (r, g, b), train in colours)
    if len({colour for colour, _ in checked}) != len(checked):
        raise ValueError("`colours` must hold each colour once.")
    for colour, train in checked:
        if not all(0 <= part <= 255 for part in colour) or not (0 <= train < UNSEEN or train == IGNORE):
            raise ValueError(f"`colours` must map 0..255 to 0..{UNSEEN - 1} or {IGNORE}. Received: {colour}: {train}.")
    return checked


def _codes(rgb: np.ndarray) -> np.ndarray:
    """Pack red, green and blue into one number, int32 [H, W]."""
    wide = rgb.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


@functools.lru_cache(maxsize=4)
def _exact_table(colours: Colours) -> np.ndarray:
    """Return train id or INVALID by packed colour, uint8 [2^24]: 16 MB, made once per process."""
    table = np.full(1 << 24, INVALID, np.uint8)
    for (red, green, blue), train in validate(colours):
        table[red << 16 | green << 8 | blue] = train
    return table


@functools.lru_cache(maxsize=4)
def _nearest_table(colours: Colours) -> np.ndarray:
    validate(colours)
    return np.full(1 << 24, UNSEEN, np.uint8)


def _nearest_of(codes: np.ndarray, colours: Colours) -> np.ndarray:
    rgb = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    listed = np.array([colour for colour, _ in colours], np.int32)
    ids = np.array([train for _, train in colours], np.uint8)
    best = np.zeros(len(codes), np.intp)
    least = np.full(len(codes), np.iinfo(np.int32).max, np.int32)
    for index, colour in enumerate(listed):  # one by one, to save memory: a JPEG mask may have 100,000 colours
        distance = ((rgb - colour) ** 2).sum(axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = index, distance[nearer]
    return ids[best]


def _describe(codes: np.ndarray, colours: Colours) -> str:
    distinct, pixels = np.unique(codes, return_counts=True)
    order = np.argsort(-pixels, kind="stable")[:SHOWN_VALUES]
    shown = [f"({code >> 16}, {code >> 8 & 255}, {code & 255}) ({count} px)" for code, count in
             zip(distinct[order].tolist(), pixels[order].tolist(), strict=True)]  # fmt: skip
    more = f" and {len(distinct) - len(order)} more colours" if len(distinct) > len(order) else ""
    return f"received {', '.join(shown)}{more}; allowed are the {len(colours)} listed colours"
