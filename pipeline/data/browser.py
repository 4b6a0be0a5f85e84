"""`segline browse`: contact sheets of a dataset, and how often each class and size occurs.

It reads the records, as training does. TensorFlow is imported for `--augmented` only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.audit import lift_pillow_limit
from datasets.spec import DatasetSpec
from pipeline.data import statistics, statistics_table
from pipeline.data.statistics import SplitStatistics
from pipeline.drawing import contact_sheet
from pipeline.errors import UserError
from pipeline.input import record_reader, records

Drawing = Callable[[str, int], np.ndarray]
"""From the id of an example and its index in the split to a strip, uint8 [h,w,3]."""


Augmented = Callable[[str, SplitStatistics], Drawing]
"""From a split and its statistics to what draws its examples before and after augmentation."""


@dataclass(frozen=True)
class Choice:
    """An example that is drawn: its index in the split, its id, and a remark that is appended to its title."""

    index: int
    id: str
    remark: str


@lift_pillow_limit()  # ingest has refused images of more pixels than data.max_pixels allows
def browse(
    ingest: Path,
    out: Path,
    *,
    split: str | None = None,
    class_name: str | None = None,
    count: int = 24,
    augmented: Augmented | None = None,
) -> list[str]:
    """Draw sheet-1.png, sheet-2.png, ..., statistics.png, and write statistics.txt.

    Args:
        ingest: Folder of a finished ingest step.
        out: Folder to write; sheets of an earlier call are removed.
        split: The split; None: train, or the first with images where train has none.
        class_name: Only images with this class, those with the largest share of it first; None: any images.
        count: Images on all sheets together; without a class, evenly spread over the split.
        augmented: From the split and its statistics to a function that draws an example before and after augmentation;
            None: examples are drawn as they are.

    Returns:
        Lines for the terminal.

    Raises:
        UserError: There is no such split or class, or nothing to show.
    """
    spec = DatasetSpec.read(ingest / "spec.json")
    data = ingest / "records"
    split, chosen = choose(ingest, spec, split=split, class_name=class_name, count=count)
    measured = statistics.measure(data, spec.num_classes, split)[split]
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("sheet-*.png"):
        old.unlink()
    strips = _strips(data, split, chosen, spec, augmented(split, measured) if augmented else None)
    files = []
    for number, sheet in enumerate(contact_sheet.sheets(strips, spec), start=1):
        files.append(out / f"sheet-{number}.png")
        Image.fromarray(sheet).save(files[-1])
    lines = statistics_table.table(split, measured, spec)
    Image.fromarray(statistics_table.plot(measured, spec)).save(out / "statistics.png")
    (out / "statistics.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheets = files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"
    return [*lines, "", f"{out}: {len(chosen)} images on {sheets}; statistics.png, statistics.txt"]


def choose(
    ingest: Path, spec: DatasetSpec, *, split: str | None, class_name: str | None, count: int | None
) -> tuple[str, list[Choice]]:
    """Choose the examples to show, as `browse` describes; a `count` of None: all. Return the split and the examples.

    Raises:
        UserError: There is no such split or class, or nothing to show.
    """
    data = ingest / "records"
    split = _split(data, split)
    label = None if class_name is None else require_class(spec, class_name)
    most = records.splits(data)[split] if count is None else count
    chosen = _spread(data, split, most) if label is None else _most(data, split, most, label)
    if not chosen:
        raise UserError(f"No image of split {split!r} shows {class_name!r}. Give another --class or --split.")
    return split, chosen


def _split(data: Path, split: str | None) -> str:
    filled = {name: images for name, images in records.splits(data).items() if images}
    if split is None and filled:
        return records.TRAIN if records.TRAIN in filled else next(iter(filled))
    if split not in filled:
        listed = ", ".join(f"{name} ({images:,} images)" for name, images in filled.items())
        raise UserError(f"--split: there is no image in {split!r}. Splits with images: {listed or 'none'}.")
    return split


def require_class(spec: DatasetSpec, name: str) -> int:
    """Return the train id of a class. Raises UserError, which names the classes, if there is none of this name."""
    if name not in spec.classes:
        raise UserError(f"--class: {spec.shown_name} has no class {name!r}. Allowed: {', '.join(spec.classes)}.")
    return spec.classes.index(name)


def _spread(data: Path, split: str, count: int) -> list[Choice]:
    """Choose examples evenly spread over the split, whose order is random."""
    images = records.splits(data)[split]
    indices = {number * images // min(count, images) for number in range(min(count, images))}
    return [Choice(index, record.id, "") for index, record in _read(data, split) if index in indices]


def _most(data: Path, split: str, count: int, label: int) -> list[Choice]:
    """Choose the examples with the largest share of a class, the largest first."""
    shares = []
    for index, record in _read(data, split):
        share = float((statistics.decode(record.label, "L") == label).mean())
        if share:
            shares.append((share, Choice(index, record.id, f", {share:.2%} of it")))
    shares.sort(key=lambda pair: (-pair[0], pair[1].index))
    return [choice for _, choice in shares[:count]]


def _strips(
    data: Path, split: str, chosen: list[Choice], spec: DatasetSpec, draw: Drawing | None
) -> Iterator[np.ndarray]:
    """Draw the chosen examples in their order, one at a time: decoded, all of them might not fit in memory."""
    if draw:
        yield from (draw(choice.id, choice.index) for choice in chosen)
        return
    indices = {choice.index for choice in chosen}
    encoded = {index: record for index, record in _read(data, split) if index in indices}
    for choice in chosen:
        record = encoded[choice.index]
        image, mask = statistics.decode(record.image, "RGB"), statistics.decode(record.label, "L")
        title = f"{record.id}{choice.remark}   {image.shape[0]}x{image.shape[1]}"
        yield contact_sheet.strip(image, mask, title, spec)


def _read(data: Path, split: str) -> Iterator[tuple[int, record_reader.Record]]:
    return enumerate(record for path in records.shards(data, split) for record in record_reader.read(path))
