"""The contact sheet of a layout: a few images as the layout reads them, so that a wrong reading is seen at a glance."""

from dataclasses import replace

import numpy as np
from PIL import Image

from datasets.audit import Problem
from datasets.spec import IGNORE, DatasetSpec
from pipeline.data.raw_examples import Example, RawExamples
from pipeline.drawing import contact_sheet, render

SHOWN, LOOKED_AT = 12, 36
"""Images of the sheet, and images that they are chosen from, so that the sheet shows as many classes as it can."""

PIXELS = 50_000_000
"""No further images are looked at once the sheet is full and so many pixels are read: about a second."""

LONGEST = 1024
"""Larger images are kept at this length of their longer side."""


def draw(examples: RawExamples, spec: DatasetSpec, name: str) -> tuple[np.ndarray | None, list[Problem]]:
    """Draw the sheet.

    Args:
        examples: The raw files.
        spec: Classes and colours.
        name: The folder's name, for the title.

    Returns:
        The sheet, uint8 [H,W,3], or None where no image can be read; the problems of the files that were looked at.
    """
    problems: list[Problem] = []
    seen, pixels = list[tuple[Example, np.ndarray]](), 0
    for example in examples.read(problems):
        seen.append((_small(example), np.bincount(example.mask.ravel(), minlength=256)))
        pixels += example.mask.size
        if len(seen) >= LOOKED_AT or (len(seen) >= SHOWN and pixels > PIXELS):
            break
    if not seen:
        return None, problems
    chosen = _choose([counts for _, counts in seen])
    cells = [
        contact_sheet.cell(example.image, example.mask, f"{example.split}  {example.id}", spec)
        for example, _ in (seen[index] for index in chosen)
    ]
    number = sum(examples.counts.values())
    title = f"{name}: {len(cells)} of {number:,} images as the layout reads them"
    counts = np.stack([seen[index][1] for index in chosen])
    return contact_sheet.grid(cells, title, _legend(counts, spec)), problems


def _choose(counts: list[np.ndarray]) -> list[int]:
    """Choose up to SHOWN images: first each that shows a value not yet shown, then any, in their order."""
    shown, first = np.zeros(256, bool), []
    for index, of_one in enumerate(counts):
        if (of_one.astype(bool) & ~shown).any():
            shown |= of_one > 0
            first.append(index)
    others = [index for index in range(len(counts)) if index not in first]
    return sorted((first + others)[:SHOWN])


def _small(example: Example) -> Example:
    longest = max(example.mask.shape)
    if longest <= LONGEST:
        return example
    height, width = (max(1, round(length * LONGEST / longest)) for length in example.mask.shape)
    image = Image.fromarray(example.image).resize((width, height), Image.Resampling.BOX)
    mask = Image.fromarray(example.mask).resize((width, height), Image.Resampling.NEAREST)
    return replace(example, image=np.asarray(image), mask=np.asarray(mask))


def _legend(counts: np.ndarray, spec: DatasetSpec) -> list[render.Entry]:
    """Return each class, and ignored pixels, with the share of all pixels and the number of images that show it."""
    total, images = int(counts.sum()), len(counts)
    named = zip(range(spec.num_classes), spec.classes, spec.colours, strict=True)
    entries: list[render.Entry] = []
    for index, name, colour in (*named, (IGNORE, "ignored", None)):
        pixels, number = int(counts[:, index].sum()), int((counts[:, index] > 0).sum())
        share = f"{pixels / total:.1%} in {number} of {images}" if number else "in none of these"
        entries.append((f"{_shown(index, name)}: {share}", colour))
    return entries


def undrawn(spec: DatasetSpec) -> list[str]:
    """Return what the legend has in place of the names of classes that the font cannot draw: "class 1 is ..."."""
    return [
        f"{_shown(index, name)} is {name}" for index, name in enumerate(spec.classes) if name != render.drawable(name)
    ]


def _shown(index: int, name: str) -> str:
    return name if render.drawable(name) == name else f"class {index}"
