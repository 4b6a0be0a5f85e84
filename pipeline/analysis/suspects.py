"""Regions in which a confident model and the mask disagree most: the first to check for wrong labels.

A region is a connected patch of pixels with one predicted class and another labelled class, away from any border
between labels, where annotators differ by a few pixels. With the gap p(predicted class) - p(labelled class) of a
pixel, a region's weight is the sum of the gap over its pixels: large and confident regions come first. A model that was
trained on the image has learned its mask, so a disagreement that remains is all the more suspect.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from heapq import heappush, heappushpop
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from datasets.spec import IGNORE, DatasetSpec
from models import inference
from pipeline.analysis import searched
from pipeline.cluster import devices
from pipeline.config.step_names import INGEST, TRAIN
from pipeline.console.progress import Progress
from pipeline.drawing import file_name, render
from pipeline.drawing.page_template import counted
from pipeline.evaluation.scoring import Batch, Scorer, plan_of
from pipeline.report import gallery
from pipeline.training import trained_model
from pipeline.workspace import json_file
from pipeline.workspace.run_folder import RunFolder

if TYPE_CHECKING:
    from pipeline.config.recipe import Recipe

BORDER = 2
"""Pixels from a border between labels within which a disagreement does not count."""

MIN_PIXELS = 30
"""Smallest size of a region."""

MIN_GAP = 0.5
"""Smallest gap p(predicted class) - p(labelled class) of a pixel that counts."""

MARGIN = 0.5
"""Margin of a crop around a region, as a share of its longer side; a crop is at least MIN_SHOWN pixels wide."""

MIN_SHOWN = 96

WIDTH = 240
"""Width of each part of a crop, pixels."""


Draw = Callable[[], np.ndarray]
"""Draws the crop of a region: uint8 [h,w,3]."""


@dataclass(frozen=True)
class Suspect:
    """One region.

    Attributes:
        split, id: The image.
        label, answer: Class in the mask; class predicted by the model.
        weight: Sum of the gap over the region's pixels.
        pixels: Size of the region.
        gap: Mean of p(answer) - p(label) over the region, 0..1.
        top, left, height, width: The region's box, pixels.
    """

    split: str
    id: str
    label: str
    answer: str
    weight: float
    pixels: int
    gap: float
    top: int
    left: int
    height: int
    width: int


def find(run: RunFolder, out: Path, *, splits: tuple[str, ...], count: int, html: Path | None = None) -> list[Suspect]:
    """Search splits and write the `count` regions of the largest weight.

    Creates in `out`: suspects.csv and suspects.json (largest weight first), crops/<rank>-<id>.png (image | mask |
    prediction, the region framed) and sheet.png with the first 24 crops.

    Args:
        run: A run that has trained.
        out: Folder to write; created if missing.
        splits: Names of splits to search.
        count: Number of regions to keep.
        html: Folder of a gallery of all images with such a region; None: none is written.

    Raises:
        UserError: The run has not trained yet, or a split does not exist.
    """
    recipe, ingest = run.recipe(), run.artifact(INGEST)
    spec = DatasetSpec.read(ingest / "spec.json")
    searched.count_images(run, splits)
    out.mkdir(parents=True, exist_ok=True)
    kept: list[tuple[float, int, Suspect, np.ndarray]] = []
    suspicious = _keep(kept, count, images(run, recipe, spec, splits))
    if html:
        note = f"Run {run.id}: images of {' and '.join(splits)} with a region whose mask a confident model contradicts."
        gallery.write(html, suspicious, spec, title=f"{spec.shown_name}: suspects", note=note, sort="suspicion")
    deque(suspicious, maxlen=0)
    ranked = sorted(kept, key=lambda entry: entry[:2], reverse=True)
    _write(out, [(suspect, picture) for _, _, suspect, picture in ranked])
    return [suspect for _, _, suspect, _ in ranked]


def _keep(
    kept: list[tuple[float, int, Suspect, np.ndarray]],
    count: int,
    searched_images: Iterator[tuple[gallery.Shown, Sequence[tuple[Suspect, Draw]]]],
) -> Iterator[gallery.Shown]:
    """Keep the `count` regions of the largest weight in a heap; yield every image with a region."""
    number = 0
    for shown, suspected in searched_images:
        for suspect, draw in suspected:
            number += 1  # of regions of one weight the first is kept
            place = (suspect.weight, -number)
            if len(kept) < count:
                heappush(kept, (*place, suspect, draw()))
            elif place > kept[0][:2]:
                heappushpop(kept, (*place, suspect, draw()))
        if suspected:
            yield shown


def regions(
    truth: np.ndarray, prediction: np.ndarray, gap: np.ndarray
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Find the regions of one image.

    Args:
        truth: uint8 [H,W] of train ids; 255 = ignored.
        prediction: uint8 [H,W] of train ids.
        gap: float32 [H,W], -1..1: p(predicted class) - p(labelled class).

    Yields:
        The box (rows, columns) of each region, and bool [h,w] of its pixels within the box.
    """
    wrong = (truth != prediction) & (truth != IGNORE) & (gap >= MIN_GAP)
    wrong &= ndimage.maximum_filter(truth, 2 * BORDER + 1) == ndimage.minimum_filter(truth, 2 * BORDER + 1)
    # One number for each (label, prediction), so that a patch with two predicted classes is two regions.
    pairs = np.where(wrong, truth.astype(np.int32) * 256 + prediction, -1)
    for pair in np.unique(pairs[wrong]):
        marked, _ = ndimage.label(pairs == pair)
        for index, box in enumerate(ndimage.find_objects(marked), start=1):
            inside = marked[box] == index
            if inside.sum() >= MIN_PIXELS:
                yield box, inside


def images(
    run: RunFolder, recipe: "Recipe", spec: DatasetSpec, splits: tuple[str, ...]
) -> Iterator[tuple[gallery.Shown, Sequence[tuple[Suspect, Draw]]]]:
    """Yield every image of the splits with its prediction, and its regions."""
    strategy = devices.local_strategy(recipe.evaluate.strategy)
    with strategy.scope():
        model = trained_model.load(run.artifact(TRAIN), recipe.model, spec.num_classes)
    plan = plan_of(recipe.evaluate)
    scorer = Scorer(model, spec.num_classes, recipe.input.fitting, strategy=strategy, plan=plan)
    with Progress("predict", sum(searched.count_images(run, splits).values())) as progress:
        for split in splits:
            for batch in scorer.batches(run.artifact(INGEST) / "records", split, batch_size=4):
                for row, (name, group) in enumerate(zip(batch.ids, batch.groups, strict=True)):
                    suspected = list(_of_image(batch, row, split, spec))
                    suspicions = [_suspicion(suspect) for suspect, _ in suspected]
                    group = f"{split}, {group}" if len(splits) > 1 else group
                    pixels = batch.images[row], batch.labels[row], batch.predictions[row]
                    yield gallery.Shown(name, group, *pixels, suspicions), suspected
                progress.add(len(batch.ids))


def _suspicion(suspect: Suspect) -> gallery.Suspicion:
    pixels = counted(suspect.pixels, "pixel")
    text = f"The mask says {suspect.label}, the model {suspect.answer}: {pixels}, with a gap of {suspect.gap:.2f}."
    return gallery.Suspicion(text, suspect.weight, (suspect.top, suspect.left, suspect.height, suspect.width))


def _of_image(batch: Batch, row: int, split: str, spec: DatasetSpec) -> Iterator[tuple[Suspect, Draw]]:
    """Yield the regions of one image."""
    truth, prediction, answers = batch.labels[row], batch.predictions[row], batch.answers[row]
    gap = answers[..., inference.CONFIDENCE] - answers[..., inference.TRUTH]
    for box, inside in regions(truth, prediction, gap):
        weights = gap[box][inside]
        first = tuple(np.argwhere(inside)[0])
        suspect = Suspect(
            split=split,
            id=batch.ids[row],
            label=spec.classes[truth[box][first]],
            answer=spec.classes[prediction[box][first]],
            weight=float(weights.sum(dtype=np.float64)),
            pixels=int(inside.sum()),
            gap=float(weights.mean(dtype=np.float64)),
            top=box[0].start,
            left=box[1].start,
            height=inside.shape[0],
            width=inside.shape[1],
        )
        yield suspect, partial(_picture, batch.images[row], truth, prediction, box, spec)


def _picture(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, box: tuple[slice, slice], spec: DatasetSpec
) -> np.ndarray:
    """Draw image, mask and prediction around a region, its box framed in the error colour."""
    side = max(box[0].stop - box[0].start, box[1].stop - box[1].start)
    side = max(MIN_SHOWN, round(side * (1 + 2 * MARGIN)))
    window, frame = [], []
    for part, length in zip(box, truth.shape, strict=True):
        begin = min(max(0, (part.start + part.stop - side) // 2), max(0, length - side))
        window.append(slice(begin, min(begin + side, length)))
        frame.append((part.start - begin, part.stop - begin))
    here = tuple(window)
    colours = (render.colour(mask[here], spec.colours) for mask in (truth, prediction))
    shown = [(image[here], Image.Resampling.BILINEAR), *((mask, Image.Resampling.NEAREST) for mask in colours)]
    return render.side_by_side([_framed(Image.fromarray(part), frame, resampling) for part, resampling in shown])


def _framed(part: Image.Image, frame: list[tuple[int, int]], resampling: Image.Resampling) -> np.ndarray:
    """Resize a crop to WIDTH and draw a frame around a box ((top, bottom), (left, right)) of it."""
    zoom = WIDTH / part.width
    drawn = part.resize((WIDTH, max(1, round(part.height * zoom))), resampling)
    (top, bottom), (left, right) = ([round(end * zoom) for end in ends] for ends in frame)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((left - 3, top - 3, right + 2, bottom + 2), outline=render.PAPER, width=1)
    pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=render.WRONG, width=2)
    return np.asarray(drawn)


def _write(out: Path, ranked: list[tuple[Suspect, np.ndarray]]) -> None:
    crops = out / "crops"
    crops.mkdir(exist_ok=True)
    rows: list[Mapping[str, Any]] = []
    sheet = []
    for rank, (suspect, picture) in enumerate(ranked, start=1):
        name = f"{rank:04d}-{file_name.truncate(suspect.id.replace('/', '_'))}.png"
        title = f"{rank}. {suspect.id}: mask {suspect.label}, model {suspect.answer} (gap {suspect.gap:.2f})"
        drawn = render.caption(picture, title)
        Image.fromarray(drawn).save(crops / name)
        rows.append({"rank": rank, **asdict(suspect), "crop": f"crops/{name}"})
        if rank <= 24:
            sheet.append(drawn)
    json_file.write(out / "suspects.json", rows)
    with (out / "suspects.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["rank"])
        writer.writeheader()
        writer.writerows(rows)
    if sheet:
        pairs = [render.side_by_side(sheet[index : index + 2], gap=16) for index in range(0, len(sheet), 2)]
        Image.fromarray(render.stack(pairs, gap=12)).save(out / "sheet.png")
