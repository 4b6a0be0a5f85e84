"""Masks whose pixels are colours -> train ids: exact, or nearest where JPEG has bent the colours."""

import functools
from collections.abc import Iterable

import numpy as np

from datasets.audit import BadFileError, Kind, opened
from datasets.labels import INVALID, SHOWN_VALUES
from datasets.spec import IGNORE

Colours = tuple[tuple[tuple[int, int, int], int], ...]
"""((red, green, blue), train id) for each colour a mask may hold; several colours may share an id."""

UNSEEN = 253
"""Marks colours whose nearest has not been looked for yet. So train ids are 0..252, or IGNORE."""


def decode(content: bytes) -> np.ndarray:
    """Decode a mask of colours, a PNG or JPEG of 8 bits a channel or with a palette: uint8 [H, W, 3].

    Raises:
        BadFileError: No image, damaged, or without colours.
    """
    with opened(content) as image:
        if image.mode not in ("RGB", "P"):
            raise BadFileError(Kind.MASK_CHANNELS, f"mode {image.mode}, {image.height}x{image.width}; allowed RGB")
        try:
            return np.asarray(image.convert("RGB"))
        except Exception as error:  # what Pillow raises depends on where the damage lies
            raise BadFileError(Kind.DAMAGED, str(error)) from error


def exact(rgb: np.ndarray, colours: Colours, *, other: int = INVALID) -> np.ndarray:
    """Turn colours into train ids.

    Args:
        rgb: Colours, uint8 [H, W, 3].
        colours: What each one means.
        other: What a colour that is not listed becomes: IGNORE, or INVALID, which is an error.

    Returns:
        Train ids, uint8 [H, W].

    Raises:
        BadFileError: A pixel has another colour; the text names the colours and counts their pixels.
    """
    codes = _codes(rgb)
    train_ids = _exact_table(colours).take(codes)
    strange = train_ids == INVALID
    if strange.any():
        if other == INVALID:
            raise BadFileError(Kind.LABEL_RANGE, _strange(codes[strange], colours))
        train_ids[strange] = other
    return train_ids


def nearest(rgb: np.ndarray, colours: Colours) -> np.ndarray:
    """Turn colours into the train ids of the nearest listed ones; of two equally near, the first listed counts.

    Distance is Euclidean in red, green, blue. The nearest of a colour is computed when it is first met and then kept,
    so that a mask costs a lookup.

    Args:
        rgb: Colours, uint8 [H, W, 3].
        colours: What each one means.

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


def check(colours: Iterable[tuple[tuple[int, int, int], int]]) -> Colours:
    """Give `colours` as a tuple, or raise ValueError where one is met twice, is no colour or has no fitting id."""
    checked = tuple(((int(r), int(g), int(b)), int(train)) for (r, g, b), train in colours)
    if len({colour for colour, _ in checked}) != len(checked):
        raise ValueError("`colours` must hold a colour once.")
    for colour, train in checked:
        if not all(0 <= part <= 255 for part in colour) or not (0 <= train < UNSEEN or train == IGNORE):
            raise ValueError(f"`colours` must map 0..255 to 0..{UNSEEN - 1} or {IGNORE}. Received: {colour}: {train}.")
    return checked


def _codes(rgb: np.ndarray) -> np.ndarray:
    """Join red, green and blue to one number, int32 [H, W]."""
    wide = rgb.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


@functools.lru_cache(maxsize=4)
def _exact_table(colours: Colours) -> np.ndarray:
    """Train id or INVALID by colour, uint8 [2^24]: 16 MB that are made once a process."""
    table = np.full(1 << 24, INVALID, np.uint8)
    for (red, green, blue), train in check(colours):
        table[red << 16 | green << 8 | blue] = train
    return table


@functools.lru_cache(maxsize=4)
def _nearest_table(colours: Colours) -> np.ndarray:
    check(colours)
    return np.full(1 << 24, UNSEEN, np.uint8)


def _nearest_of(codes: np.ndarray, colours: Colours) -> np.ndarray:
    rgb = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    listed = np.array([colour for colour, _ in colours], np.int32)
    ids = np.array([train for _, train in colours], np.uint8)
    best = np.zeros(len(codes), np.intp)
    least = np.full(len(codes), np.iinfo(np.int32).max, np.int32)
    for index, colour in enumerate(listed):  # colour by colour: a mask may hold a hundred thousand different ones
        distance = ((rgb - colour) ** 2).sum(axis=1)
        nearer = distance < least
        best[nearer], least[nearer] = index, distance[nearer]
    return ids[best]


def _strange(codes: np.ndarray, colours: Colours) -> str:
    found, pixels = np.unique(codes, return_counts=True)
    order = np.argsort(-pixels, kind="stable")[:SHOWN_VALUES]
    shown = [f"({code >> 16}, {code >> 8 & 255}, {code & 255}) ({count} px)" for code, count in
             zip(found[order].tolist(), pixels[order].tolist(), strict=True)]  # fmt: skip
    more = f" and {len(found) - len(order)} more colours" if len(found) > len(order) else ""
    return f"received {', '.join(shown)}{more}; allowed are the {len(colours)} listed colours"
