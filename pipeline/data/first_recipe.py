"""The first recipe of a folder: what the network sees, the batch and the epochs follow the images' sizes and number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.input import input_check

RECIPE = """\
# {name}: the folder {folder}, described by {layout}. Written by `segline init`.
{data}
input:
{size}  augment: {{flip: true, scale: [0.75, 1.5], {crop}brightness: 0.1, contrast: 0.1}}

model:
  name: fast

train:
  epochs: {epochs}
  batch_size: {batch_size}
  learning_rate: 2e-3
  weight_decay: 0.02
  warmup_epochs: 1
  class_weights: sqrt_median_frequency

{gate}"""

BATCH, EPOCHS = 8, 30
"""Of a folder that is neither small nor large."""

FEWEST_STEPS, MOST_STEPS, FEWEST_EPOCHS = 300, 12_000, 10
"""A small folder takes more epochs, so that the network learns anything; a large one fewer."""

MOST_PIXELS = 640 * 640
"""Larger images are cut: a batch of them takes too much memory for a first recipe."""


@dataclass(frozen=True)
class FirstRecipe:
    """What a first recipe says beside the names of its files.

    Attributes:
        batch_size, epochs: As in its section `train`.
        size, crop: `input.size` and `input.augment.crop`, (height, width); None: not set.
        notes: One sentence per choice, for the user.
    """

    batch_size: int
    epochs: int
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    def text(self, name: str, folder: Path, layout: Path, num_classes: int) -> str:
        """Return the recipe as YAML."""
        return RECIPE.format(
            name=name,
            folder=quoted(folder),
            layout=quoted(layout),
            data=data_section(folder, layout),
            size=f"  size: {list(self.size)}\n" if self.size else "",
            crop=f"crop: {list(self.crop)}, " if self.crop else "",
            epochs=self.epochs,
            batch_size=self.batch_size,
            gate=gate_section(num_classes),
        )


def choose(images: int, sizes: Mapping[str, int]) -> FirstRecipe:
    """Choose what fits the training images.

    >>> first = choose(23, {"34x38": 1, "60x70": 11, "90x120": 11})
    >>> first.batch_size, first.epochs, first.crop
    (5, 75, (64, 64))

    Args:
        images: Their number.
        sizes: Number of images of each size (height x width), {"360x480": 367}; empty where it is not known.
    """
    batch_size = max(1, min(BATCH, images, max(2, images // 4)))
    steps = max(1, images // batch_size)
    epochs = min(max(EPOCHS, -(-FEWEST_STEPS // steps)), max(FEWEST_EPOCHS, MOST_STEPS // steps))
    notes = [f"{images} training image{'s' * (images > 1)}: batches of {batch_size}, {epochs} epochs"] if images else []
    size, crop, note = _what_is_seen(sizes)
    return FirstRecipe(batch_size, epochs, size, crop, (*([note] if note else []), *notes))


def _what_is_seen(
    sizes: Mapping[str, int],
) -> tuple[tuple[int, int] | None, tuple[int, int] | None, str]:
    """Return `input.size` and `input.augment.crop`, and the reason in words."""
    if not sizes:
        return None, None, ""
    advised = input_check.advise(sizes)
    shown = "{}x{}".format(*advised)
    shapes = sorted(
        (tuple(map(int, size.split("x"))) for size in sizes), key=lambda shape: (shape[0] * shape[1], shape)
    )
    (low, high), (height, width) = shapes[0], shapes[-1]
    if len(sizes) > 1:
        spread = f"{len(sizes)} sizes, {low}x{high} to {height}x{width} (height x width)"
        return None, advised, f"the images have {spread}: training cuts pieces of {shown}"
    if min(height, width) < input_check.MULTIPLE:
        return advised, None, f"the images are as small as {height}x{width}: they are enlarged to {shown}"
    if height * width > MOST_PIXELS:
        return None, advised, f"the images are as large as {height}x{width}: training cuts pieces of {shown}"
    return None, None, ""


def data_section(folder: Path, layout: Path) -> str:
    """Return the section `data` of a recipe for a folder, as YAML."""
    return f"data:\n  name: image_folder\n  manual_dir: {quoted(folder)}\n  layout: {quoted(layout)}\n"


def gate_section(num_classes: int) -> str:
    """Return the section `evaluate` of a first recipe: the least mIoU with which its model is served, and the reason.

    A model that answers one class everywhere has IoU 0 in every other class, hence at most mIoU 1/C.

    >>> print(gate_section(3), end="")
    evaluate:
      min_miou: 0.34  # the gate: one class everywhere gives at most 1/3; raise it to what your use needs
    """
    least = min(math.ceil(100 / num_classes), 50) / 100
    reason = f"one class everywhere gives at most 1/{num_classes}; raise it to what your use needs"
    return f"evaluate:\n  min_miou: {least:g}  # the gate: {reason}\n"


def quoted(path: Path) -> str:
    """Write a path as YAML text."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
