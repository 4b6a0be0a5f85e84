"""Guessing from a few masks what their pixels mean."""

import io
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from datasets import mat_labels
from datasets.audit import MAX_PIXELS, BadFileError, Kind, check_pixels, no_limit_of_pillow
from datasets.errors import DatasetError
from datasets.image_folder import files
from datasets.raw import RawFolder

LOOKED_AT = 200
"""Masks that are opened; they are taken evenly from all."""

MOST = 253
"""More values than this are no classes."""


@dataclass
class Meaning:
    """What was guessed.

    Attributes:
        mask: The layout's `mask` section.
        classes: (raw value or None, colour or None) of each class.
        ignore: Raw values that do not count.
        said: What was seen, for the user.
    """

    mask: dict[str, Any]
    classes: list[tuple[Any, Any]]
    ignore: list[Any] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def guess(raw: RawFolder, names: Sequence[str]) -> Meaning:
    """Open some of the masks and say what they hold.

    Raises:
        DatasetError: None of them can be read, or they hold no classes.
    """
    number = min(LOOKED_AT, len(names))
    chosen = [names[index * len(names) // number] for index in range(number)]
    contents: list[tuple[str, bytes]] = []
    bad = []
    with no_limit_of_pillow():  # else an image that Pillow will not look at would pass as none
        for name in chosen:
            try:
                content = raw.read(name)
                check_pixels(content, MAX_PIXELS)
                contents.append((name, content))
            except BadFileError as error:
                bad.append(f"{name}: {error}")
    if not contents:
        raise DatasetError("\n".join([f"In {raw.path}: no mask can be read.", *bad]))
    if chosen[0].lower().endswith(".mat"):
        return _of_mat(raw, contents)
    with no_limit_of_pillow():
        return _of_images(raw, contents)


def _of_mat(raw: RawFolder, contents: list[tuple[str, bytes]]) -> Meaning:
    keys: Counter[str] = Counter()
    for _, content in contents:
        with suppress(Exception):  # a damaged file, of which ingest tells by name; what SciPy raises depends on where
            held = scipy.io.whosmat(io.BytesIO(content))
            keys.update(key for key, shape, _ in held if len(shape) == 2 and min(shape) > 1)
    if not keys:
        raise DatasetError(f"In {raw.path}: {contents[0][0]} holds no matrix. Write the layout by hand.")
    key = keys.most_common(1)[0][0]
    values: set[int] = set()
    for _, content in contents:
        with suppress(BadFileError):
            values |= set(np.unique(mat_labels.read(content, key)).astype(int).tolist())
    if not values:
        raise DatasetError(f"In {raw.path}: {key!r} holds no ids, as in {contents[0][0]}. Write the layout by hand.")
    return _of_ids(sorted(values), {"read": "mat", "key": key}, f"variable {key!r} of .mat files", {})


def _of_images(raw: RawFolder, contents: list[tuple[str, bytes]]) -> Meaning:
    values: Counter[int] = Counter()
    colours: Counter[tuple[int, int, int]] = Counter()
    palette: dict[int, tuple[int, int, int]] = {}
    modes: Counter[str] = Counter()
    bad = []
    for name, content in contents:
        try:
            ids = _ids(content)
            with Image.open(io.BytesIO(content)) as image:
                modes[f"{image.format} {image.mode}"] += 1
                stored = image.getpalette() if image.mode == "P" else None
        except BadFileError as error:  # ingest tells of all of them
            bad.append(f"{name}: {error}")
            continue
        if ids is None:
            colours.update(_counted_colours(content))
            continue
        found, counts = np.unique(ids, return_counts=True)
        values.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        if stored:
            palette |= {value: (stored[3 * value], stored[3 * value + 1], stored[3 * value + 2])
                        for value in found.tolist() if 3 * value + 2 < len(stored)}  # fmt: skip
    kind = ", ".join(f"{mode} ({number})" for mode, number in modes.most_common(3))
    if not modes:
        raise DatasetError(f"In {raw.path}: none of {len(contents)} masks looked at can be read. {bad[0]}.")
    if colours:
        return _of_colours(raw, colours, kind)
    if ("JPEG" in kind or any(32 <= value < 224 for value in values)) and _is_binary(values):
        said = f"masks are {kind}; nearly all pixels are close to 0 or 255, so they are cut at 128"
        return Meaning({"read": "threshold", "at": 128}, [(None, None), (None, None)], said=[said])
    if len(values) > MOST:
        raise DatasetError(
            f"In {raw.path}: masks such as {contents[0][0]} ({kind}) hold {len(values)} different values, which are no "
            "classes. Are these the masks? If so, write the layout by hand; datasets/image_folder/README.md shows how."
        )
    grey = all(red == green == blue for red, green, blue in palette.values())  # as GIFs have it: no colours to show
    return _of_ids(sorted(values), {"read": "ids"}, kind, {} if grey else palette)


def _ids(content: bytes) -> np.ndarray | None:
    """Read a mask's raw ids; None where its pixels are colours. Raises BadFileError."""
    try:
        return files.raw_ids(content, "apply")
    except BadFileError as error:
        if error.kind is Kind.MASK_CHANNELS:
            return None
        raise


def _of_ids(values: list[int], mask: dict[str, Any], kind: str, palette: dict) -> Meaning:
    ignore = [255] if 255 in values and len(values) > 2 else []
    kept = [value for value in values if value not in ignore]
    if len(kept) == 1:
        raise DatasetError(f"The masks looked at ({kind}) hold nothing but {kept[0]}. Write the layout by hand.")
    shown = ", ".join(map(str, values[:20])) + (f" and {len(values) - 20} more" if len(values) > 20 else "")
    said = [f"masks are {kind} with the values {shown}"]
    if ignore:
        said.append("255 is ignored, as is usual beside other ids")
    if kept == list(range(len(kept))) or len(kept) == 2:
        return Meaning(mask, [(value, palette.get(value)) for value in kept], list(ignore), said)
    gaps = sorted(set(range(kept[-1])) - set(kept))
    if kept[-1] < 64 and len(gaps) < kept[-1] / 2:
        said.append(f"{', '.join(map(str, gaps))} were not met, and are taken for rare classes")
        kept = list(range(kept[-1] + 1))
    return Meaning(mask, [(value, palette.get(value)) for value in kept], list(ignore), said)


def _of_colours(raw: RawFolder, colours: Counter, kind: str) -> Meaning:
    total = sum(colours.values())
    nearest = len(colours) > MOST or "JPEG" in kind
    kept = sorted(colour for colour, pixels in colours.items() if not nearest or pixels > 0.005 * total)
    if not 2 <= len(kept) <= MOST:
        raise DatasetError(
            f"In {raw.path}: the masks ({kind}) hold {len(colours)} colours, which are no classes. Write the layout by "
            "hand; datasets/image_folder/README.md shows how."
        )
    said = [f"masks are {kind} with {len(kept)} colours"]
    if nearest:
        said.append(f"of {len(colours)} colours those with more than 0.5 % of the pixels are classes, the others go to "
                    "the nearest: check the list")  # fmt: skip
    mask = {"read": "colours", "nearest": True} if nearest else {"read": "colours"}
    return Meaning(mask, [(list(colour), None) for colour in kept], said=said)


def _counted_colours(content: bytes) -> dict[tuple[int, int, int], int]:
    found, counts = np.unique(files.rgb_pixels(content, "apply").reshape(-1, 3), axis=0, return_counts=True)
    return {(r, g, b): count for (r, g, b), count in zip(found.tolist(), counts.tolist(), strict=True)}


def _is_binary(values: Counter) -> bool:
    """Whether the values crowd at both ends of 0..255, as what was 0 and 255 does after blurring or JPEG."""
    total = sum(values.values())
    low = sum(pixels for value, pixels in values.items() if value <= 8)
    high = sum(pixels for value, pixels in values.items() if 247 <= value <= 255)
    return max(values) <= 255 and low + high > 0.9 * total and min(low, high) > 0.005 * total
