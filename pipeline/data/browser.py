"""What `segline browse` shows of a dataset: contact sheets, and how often each class and size occurs.

Looks at the records, as training does, so that what is shown is what is learnt from. Without TensorFlow, but for what
`--augmented` draws.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.audit import no_limit_of_pillow
from datasets.spec import DatasetSpec
from pipeline.data import statistics, statistics_table
from pipeline.data.statistics import SplitStatistics
from pipeline.drawing import contact_sheet
from pipeline.errors import UserError
from pipeline.input import record_reader, records

Drawing = Callable[[str, int], np.ndarray]
"""Draws a strip from the id of an example and its place in the split."""


@dataclass(frozen=True)
class Choice:
    """An example that is shown: its place in the split, its id, and a few words on it."""

    place: int
    id: str
    told: str


def browse(
    ingest: Path,
    out: Path,
    *,
    split: str | None = None,
    class_name: str | None = None,
    count: int = 24,
    augmented: Callable[[str, SplitStatistics], Drawing] | None = None,
) -> list[str]:
    """Write sheet-1.png, sheet-2.png, ..., statistics.png and statistics.txt.

    Args:
        ingest: Folder of a finished ingest step.
        out: Folder to write; sheets of an earlier call are removed.
        split: The split; None: train, or else the first that holds images.
        class_name: Only images that show this class, those with most of it first.
        count: Images on all sheets together; without a class, evenly spread over the split.
        augmented: Makes, from the split and what it holds, what draws an example before and after its changes.

    Returns:
        Lines for the terminal.

    Raises:
        UserError: There is no such split or class, or nothing to show.
    """
    spec = DatasetSpec.read(ingest / "spec.json")
    data = ingest / "records"
    split = _split(data, split)
    label = None if class_name is None else _class(spec, class_name)
    found = statistics.measure(data, spec.num_classes, split)[split]
    chosen = _spread(data, split, count) if label is None else _most(data, split, count, label)
    if not chosen:
        raise UserError(f"No image of split {split!r} shows {class_name!r}. Give another --class or --split.")
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("sheet-*.png"):
        old.unlink()
    strips = _strips(data, split, chosen, spec, augmented(split, found) if augmented else None)
    files = []
    for number, sheet in enumerate(contact_sheet.sheets(strips, spec), start=1):
        files.append(out / f"sheet-{number}.png")
        Image.fromarray(sheet).save(files[-1])
    lines = statistics_table.table(split, found, spec)
    Image.fromarray(statistics_table.plot(found, spec)).save(out / "statistics.png")
    (out / "statistics.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sheets = files[0].name if len(files) == 1 else f"{files[0].name} to {files[-1].name}"
    return [*lines, "", f"{out}: {len(chosen)} images on {sheets}; statistics.png, statistics.txt"]


def _split(data: Path, split: str | None) -> str:
    there = {name: images for name, images in records.splits(data).items() if images}
    if split is None and there:
        return records.TRAIN if records.TRAIN in there else next(iter(there))
    if split not in there:
        listed = ", ".join(f"{name} ({images:,} images)" for name, images in there.items())
        raise UserError(f"--split: there is no image in {split!r}. Splits with images: {listed or 'none'}.")
    return split


def _class(spec: DatasetSpec, name: str) -> int:
    if name not in spec.classes:
        raise UserError(f"--class: {spec.name} has no class {name!r}. Allowed: {', '.join(spec.classes)}.")
    return spec.classes.index(name)


def _spread(data: Path, split: str, count: int) -> list[Choice]:
    """Choose examples evenly over the split, whose order is random."""
    images = records.splits(data)[split]
    places = {index * images // min(count, images) for index in range(min(count, images))}
    return [Choice(place, record.id, "") for place, record in _read(data, split) if place in places]


def _most(data: Path, split: str, count: int, label: int) -> list[Choice]:
    """Choose the examples that show most of a class."""
    shares = []
    for place, record in _read(data, split):
        mask = _decoded(record.label, "L")
        share = float((mask == label).mean())
        if share:
            shares.append((share, Choice(place, record.id, f", {share:.2%} of it")))
    shares.sort(key=lambda found: (-found[0], found[1].place))
    return [choice for _, choice in shares[:count]]


def _strips(
    data: Path, split: str, chosen: list[Choice], spec: DatasetSpec, draw: Drawing | None
) -> Iterator[np.ndarray]:
    """Draw the chosen examples in their order; the files are read again, so that no more than a sheet is held."""
    if draw:
        yield from (draw(choice.id, choice.place) for choice in chosen)
        return
    wanted = {choice.place for choice in chosen}
    kept = {place: record for place, record in _read(data, split) if place in wanted}  # as encoded
    for choice in chosen:
        record = kept[choice.place]
        image, mask = _decoded(record.image, "RGB"), _decoded(record.label, "L")
        title = f"{record.id}{choice.told}   {image.shape[0]}x{image.shape[1]}"
        yield contact_sheet.strip(image, mask, title, spec)


def _read(data: Path, split: str) -> Iterator[tuple[int, record_reader.Record]]:
    return enumerate(record for path in records.shards(data, split) for record in record_reader.read(path))


def _decoded(content: bytes, mode: str) -> np.ndarray:
    with no_limit_of_pillow(), Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert(mode))
