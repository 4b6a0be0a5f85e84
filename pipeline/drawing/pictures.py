"""Write the pictures of an evaluation for the report: full images, and crops where classes are confused.

pictures/index.json   {"examples": [...], "confused": [...]}, each entry with the files of its parts
overlays/             each example as a single captioned strip, for viewing without the report
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from datasets.spec import DatasetSpec
from pipeline.drawing import file_name, overlays
from pipeline.drawing.overlays import Choice
from pipeline.workspace import json_file

if TYPE_CHECKING:
    from pipeline.input.examples import Example  # TensorFlow

INDEX = "index.json"

CROP = 1 / 3
"""Side of a crop, as a share of the image's shorter side."""

SMALLEST = 48
"""Smallest side of a crop, pixels."""

SHOWN = 720
"""Largest width of the pictures of an image in the report, pixels, so that there is something to zoom into."""

Entry = dict[str, Any]


def write(
    out: Path,
    examples: "Iterable[Example]",
    predict: Callable[[np.ndarray], np.ndarray],
    choices: Sequence[Choice],
    confused: Sequence[Mapping[str, Any]],
    spec: DatasetSpec,
) -> None:
    """Draw the chosen images and crops, holding one image in memory at a time.

    Args:
        out: Folder of the step; pictures/ and overlays/ are created in it.
        examples: The examples that `choices` and `confused` name; others are ignored.
        predict: Image uint8 [H,W,3] -> class map uint8 [H,W].
        choices: Images to show.
        confused: Confused pairs of classes, each with the id of the image to show; see Measurement.metrics.
        spec: The dataset's facts.
    """
    pictures, strips = out / "pictures", out / "overlays"
    pictures.mkdir()
    strips.mkdir()
    entries: dict[str, Entry] = {}
    crops: dict[int, Entry] = {}
    by_id = {choice.id: choice for choice in choices}
    for example in examples:
        prediction = predict(example.image)
        if choice := by_id.get(example.id):
            parts = overlays.parts(example.image, example.truth, prediction, spec, width=SHOWN)
            title = f"{choice.kind} {choice.rank}: {choice.id}, mIoU of this image {choice.miou:.3f}"
            Image.fromarray(overlays.strip(parts, spec, title)).save(strips / choice.file)
            facts = {"kind": choice.kind, "rank": choice.rank, "id": choice.id, "miou": choice.miou}
            entries[choice.id] = {**facts, **save(pictures, Path(choice.file).stem, parts)}
        for number, pair in enumerate(confused):
            if pair["image"] == example.id:
                truth, predicted = (spec.classes.index(pair[key]) for key in ("truth", "prediction"))
                window = densest((example.truth == truth) & (prediction == predicted))
                image, mask, answer = (part[window] for part in (example.image, example.truth, prediction))
                parts = overlays.parts(image, mask, answer, spec, width=overlays.WIDTH)
                del parts["error"]
                name = file_name.sanitize(f"confused-{number}-{pair['truth']}-{pair['prediction']}")
                crops[number] = {**pair, **save(pictures, name, parts)}
    json_file.write(
        pictures / INDEX,
        {"examples": [entries[choice.id] for choice in choices], "confused": [crops[n] for n in sorted(crops)]},
    )


def densest(mask: np.ndarray) -> tuple[slice, slice]:
    """Find the square crop with the most True pixels of a mask bool [H,W]: (rows, columns)."""
    height, width = mask.shape
    side = max(SMALLEST, round(min(height, width) * CROP))
    high, wide = min(side, height), min(side, width)
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    inside = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    best = np.argwhere(inside == inside.max())
    top, left = best[len(best) // 2]
    return slice(top, top + high), slice(left, left + wide)


def save(folder: Path, name: str, parts: Mapping[str, np.ndarray]) -> Entry:
    """Write each part, the photograph as JPEG and flat colours as PNG; return file names and size."""
    files = {}
    for part, picture in parts.items():
        if part == "input":
            files[part] = f"{name}-{part}.jpg"
            Image.fromarray(picture).save(folder / files[part], quality=85)
        else:
            files[part] = f"{name}-{part}.png"
            Image.fromarray(picture).quantize(colors=256).save(folder / files[part], optimize=True)
    height, width = next(iter(parts.values())).shape[:2]
    return {"files": files, "width": width, "height": height}
