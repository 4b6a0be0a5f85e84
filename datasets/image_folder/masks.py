"""Guess from a sample of masks what their pixels mean."""

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
from datasets.audit import MAX_PIXELS, BadFileError, Kind, check_pixels, join_names, lift_pillow_limit
from datasets.errors import DatasetError
from datasets.image_folder import files
from datasets.raw import RawFolder
from datasets.spec import IGNORE

SAMPLED = 200
"""Number of masks that are opened, evenly spaced."""

MAX_CLASSES = 253
"""Masks with more values than this are not masks of classes."""


@dataclass
class Meaning:
    """The guessed meaning of masks.

    Attributes:
        mask: The layout's `mask` section.
        classes: (raw value or None, colour or None) of each class.
        ignore: Raw values that become IGNORE.
        notes: What was guessed and why, for the user.
    """

    mask: dict[str, Any]
    classes: list[tuple[Any, Any]]
    ignore: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def guess(raw: RawFolder, names: Sequence[str]) -> Meaning:
    """Open a sample of the masks `names` and guess their meaning.

    Raises:
        DatasetError: No mask can be read, or the masks hold no classes.
    """
    number = min(SAMPLED, len(names))
    chosen = [names[index * len(names) // number] for index in range(number)]
    contents: list[tuple[str, bytes]] = []
    bad = []
    with lift_pillow_limit():  # else Pillow's own limit would look like a damaged image
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
    with lift_pillow_limit():
        return _of_images(raw, contents)


def _of_mat(raw: RawFolder, contents: list[tuple[str, bytes]]) -> Meaning:
    keys: Counter[str] = Counter()
    for _, content in contents:
        with suppress(Exception):  # of any type, where the file is damaged, which ingest reports by name
            variables = scipy.io.whosmat(io.BytesIO(content))
            keys.update(key for key, shape, _ in variables if len(shape) == 2 and min(shape) > 1)
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
        except BadFileError as error:  # ingest reports all of them
            bad.append(f"{name}: {error}")
            continue
        if ids is None:
            colours.update(_count_colours(content))
            continue
        distinct, counts = np.unique(ids, return_counts=True)
        values.update(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))
        if stored:
            palette |= {value: (stored[3 * value], stored[3 * value + 1], stored[3 * value + 2])
                        for value in distinct.tolist() if 3 * value + 2 < len(stored)}  # fmt: skip
    kind = ", ".join(f"{mode} ({number})" for mode, number in modes.most_common(3))
    if not modes:
        raise DatasetError(f"In {raw.path}: none of {len(contents)} sampled masks can be read. {bad[0]}.")
    if colours:
        return _of_colours(raw, colours, kind)
    if ("JPEG" in kind or any(32 <= value < 224 for value in values)) and _is_binary(values):
        note = f"masks are {kind}; nearly all pixels are close to 0 or 255, so the threshold is 128"
        return Meaning({"read": "threshold", "at": 128}, [(None, None), (None, None)], notes=[note])
    if len(values) > MAX_CLASSES:
        raise DatasetError(
            f"In {raw.path}: masks such as {contents[0][0]} ({kind}) hold {len(values)} different values, too many for "
            "classes. Are these the masks? If so, write the layout by hand; datasets/image_folder/README.md shows how."
        )
    grey = all(red == green == blue for red, green, blue in palette.values())  # as in GIFs: not class colours
    return _of_ids(sorted(values), {"read": "ids"}, kind, {} if grey else palette)


def _ids(content: bytes) -> np.ndarray | None:
    """Decode a mask to raw ids, [H, W]; return None if its pixels are colours. Raises BadFileError."""
    try:
        return files.read_ids(content, "apply")
    except BadFileError as error:
        if error.kind is Kind.MASK_CHANNELS:
            return None
        raise


def _of_ids(values: list[int], mask: dict[str, Any], kind: str, palette: dict) -> Meaning:
    ignore = [IGNORE] if IGNORE in values and len(values) > 2 else []
    kept = [value for value in values if value not in ignore]
    if len(kept) == 1:
        raise DatasetError(f"The sampled masks ({kind}) hold nothing but {kept[0]}. Write the layout by hand.")
    notes = [f"masks are {kind} with the values {join_names([str(value) for value in values])}"]
    if ignore:
        notes.append(f"{IGNORE} is ignored, as is usual beside other ids")
    gaps = sorted(set(range(kept[-1])) - set(kept))
    if gaps and len(kept) > 2 and kept[-1] < 64 and len(gaps) < kept[-1] / 2:
        notes.append(f"{', '.join(map(str, gaps))} are in no sampled mask, and are taken for rare classes")
        kept = list(range(kept[-1] + 1))
    return Meaning(mask, [(value, palette.get(value)) for value in kept], list(ignore), notes)


def _of_colours(raw: RawFolder, colours: Counter, kind: str) -> Meaning:
    total = sum(colours.values())
    nearest = len(colours) > MAX_CLASSES or "JPEG" in kind
    kept = sorted(colour for colour, pixels in colours.items() if not nearest or pixels > 0.005 * total)
    if not 2 <= len(kept) <= MAX_CLASSES:
        raise DatasetError(
            f"In {raw.path}: the masks ({kind}) hold {len(colours)} colours, which cannot be classes. Write the layout "
            "by hand; datasets/image_folder/README.md shows how."
        )
    notes = [f"masks are {kind} with {len(kept)} colours"]
    if nearest:
        notes.append(f"of {len(colours)} colours those with more than 0.5 % of the pixels are classes, the others go "
                     "to the nearest: check the list")  # fmt: skip
    mask = {"read": "colours", "nearest": True} if nearest else {"read": "colours"}
    return Meaning(mask, [(list(colour), None) for colour in kept], notes=notes)


def _count_colours(content: bytes) -> dict[tuple[int, int, int], int]:
    colours, counts = np.unique(files.read_rgb(content, "apply").reshape(-1, 3), axis=0, return_counts=True)
    return {(r, g, b): count for (r, g, b), count in zip(colours.tolist(), counts.tolist(), strict=True)}


def _is_binary(values: Counter) -> bool:
    """Whether the values cluster at both ends of 0..255, as 0 and 255 do after blurring or JPEG compression."""
    total = sum(values.values())
    low = sum(pixels for value, pixels in values.items() if value <= 8)
    high = sum(pixels for value, pixels in values.items() if 247 <= value <= 255)
    return max(values) <= 255 and low + high > 0.9 * total and min(low, high) > 0.005 * total
