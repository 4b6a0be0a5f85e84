"""A static page to look through images, their masks and predictions: a folder that needs no server and no network.

index.html     the page, with the facts of every image; it draws only the cells that are in view
pictures/      of each image its photograph as JPEG, and mask, prediction and errors as PNG
thumbnails/    of each image
"""

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datasets import foreign_text
from datasets.spec import IGNORE, DatasetSpec
from models import metrics
from pipeline.drawing import overlays, page_template, pictures, render
from pipeline.errors import UserError
from pipeline.workspace.digest import write_atomically

TEMPLATES = Path(__file__).with_name("templates")

WIDTH, THUMBNAIL = 720, 200
"""Largest width of a picture and of a thumbnail, pixels."""

MADE = '<meta name="generator" content="segline browse">'
"""By this line a page is known as one that may be replaced."""

PICTURES, THUMBNAILS = "pictures", "thumbnails"


@dataclass(frozen=True)
class Suspicion:
    """A region whose mask is probably wrong: what it says, and its box in pixels (top, left, height, width)."""

    text: str
    weight: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Shown:
    """One image of a gallery.

    Attributes:
        id, group: As in the record.
        image: uint8 [H,W,3].
        truth: uint8 [H,W] of train ids, 255 = ignored.
        prediction: uint8 [H,W] of train ids; None where no model has seen the image.
        suspicions: Regions to check, of any number.
    """

    id: str
    group: str
    image: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray | None = None
    suspicions: Sequence[Suspicion] = ()


def require_free(out: Path, option: str) -> None:
    """Raise UserError unless `out` is new, empty or holds a gallery, which is replaced."""
    page = out / "index.html"
    ours = page.is_file() and MADE in page.read_text(encoding="utf-8", errors="replace")
    if out.is_dir() and any(out.iterdir()) and not ours:
        raise UserError(f"{option} must be a new folder, an empty one, or one with an earlier page. Received: {out}.")


def write(out: Path, shown: Iterable[Shown], spec: DatasetSpec, *, title: str, note: str, sort: str = "order") -> int:
    """Write the page and its pictures, holding one image in memory at a time.

    Args:
        out: The folder; see require_free.
        shown: The images, in the order of the page.
        spec: The dataset's classes and colours.
        title: The heading.
        note: A sentence below it.
        sort: The order at first, a value of the page's field `sort`.

    Returns:
        The number of images.
    """
    for name in (PICTURES, THUMBNAILS):
        shutil.rmtree(out / name, ignore_errors=True)
        (out / name).mkdir(parents=True)
    # Already a page that may be replaced: a kill leaves a folder that the same command writes again.
    (out / "index.html").write_text(f"{MADE} This page was not finished.", encoding="utf-8")
    facts = [_add(out, f"{number:06d}", one, spec) for number, one in enumerate(shown)]
    groups = sorted({fact["group"] for fact in facts})
    shared = page_template.SHARED
    values = {
        "title": title,
        "note": note,
        "sort": sort,
        "made": MADE,
        "groups": groups if len(groups) > 1 else [],
        "spec": spec,
        "predicted": any("miou" in fact for fact in facts),
        "suspected": any(fact.get("boxes") for fact in facts),
        "data": {"title": title, "classes": [foreign_text.escape(name) for name in spec.classes], "images": facts},
        "style": page_template.texts(shared / "page.css", TEMPLATES / "gallery.css"),
        "script": page_template.texts(shared / "viewer.js", TEMPLATES / "gallery.js"),
        "images": "'self'",
    }
    write_atomically(out / "index.html", page_template.render(TEMPLATES, "gallery.html.j2", values))
    return len(facts)


def _add(out: Path, name: str, one: Shown, spec: DatasetSpec) -> Mapping[str, Any]:
    """Write the pictures of an image; return its facts for the page."""
    answer = one.truth if one.prediction is None else one.prediction
    parts = overlays.parts(one.image, one.truth, answer, spec, width=WIDTH)
    if one.prediction is None:
        del parts["prediction"], parts["error"]
    files = pictures.save(out / PICTURES, name, parts)["files"]
    Image.fromarray(render.shrink(one.image, THUMBNAIL)).save(out / THUMBNAILS / f"{name}.jpg", quality=80)
    height, width = one.truth.shape
    return {
        "id": foreign_text.escape(one.id),
        "group": foreign_text.escape(one.group),
        "size": [width, height],
        "files": {part: f"{PICTURES}/{file}" for part, file in files.items()},
        "thumbnail": f"{THUMBNAILS}/{name}.jpg",
        **_measured(one, spec.num_classes),
        **_suspected(one.suspicions),
    }


def _measured(one: Shown, num_classes: int) -> Mapping[str, Any]:
    """Return {class: [share of the labelled pixels, IoU]} and the mIoU; without a prediction only the shares.

    As in the evaluation, a class that is only predicted has IoU 0.
    """
    if one.prediction is None:
        pixels = np.bincount(one.truth[one.truth != IGNORE], minlength=num_classes)
        return {"classes": {index: [round(share, 4)] for index, share in _shares(pixels) if share}}
    confusion = metrics.confusion_matrix(one.truth, one.prediction, num_classes)
    margins = metrics.Margins.of(confusion)
    ious = margins.iou().tolist()
    shares = [(index, share) for index, share in _shares(confusion.sum(axis=1)) if not math.isnan(ious[index])]
    miou = float(margins.mean_iou())
    return {
        "classes": {index: [round(share, 4), round(ious[index], 4)] for index, share in shares},
        "miou": None if math.isnan(miou) else round(miou, 4),
    }


def _shares(pixels: np.ndarray) -> list[tuple[int, float]]:
    return list(enumerate((pixels / max(1, pixels.sum())).tolist()))


def _suspected(suspicions: Sequence[Suspicion]) -> Mapping[str, Any]:
    """Return the boxes and texts of suspicions, and their largest weight; nothing where there are none."""
    if not suspicions:
        return {}
    suspicions = sorted(suspicions, key=lambda one: -one.weight)
    return {
        "boxes": [one.box for one in suspicions],
        "reasons": [foreign_text.escape(one.text) for one in suspicions],
        "suspicion": round(suspicions[0].weight, 1),
    }
