"""Why files that a labelling tool wrote cannot be read, and what to do instead."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from datasets.annotations import sniff
from datasets.annotations.json_spans import parse, walk
from datasets.audit import BadFileError
from datasets.raw import RawFolder

SHOWN = 3
"""Number of files that a message names."""


def describe(raw: RawFolder, kinds: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence or two for each kind of `sniff.UNREAD`: the tool, what is wrong, and the way out."""
    return [reason for kind in kinds if kind in REASONS for reason in REASONS[kind](raw, kinds[kind])]


def some(files: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    return ", ".join(files[:SHOWN]) + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else "")


def _no_json(raw: RawFolder, files: Sequence[str]) -> list[str]:
    reason = ""
    try:
        parse(raw.read(files[0]))
    except BadFileError as error:
        reason = error.detail.removeprefix("no JSON: ") or str(error)
    return [f"{some(files)} {_are(files)} no JSON, but truncated or damaged ({reason}). Export again"]


def _coco_undrawn(raw: RawFolder, files: Sequence[str]) -> list[str]:
    counts: Counter[str] = Counter()
    for file in files:
        walk(raw.read(file), {key: lambda *_, key=key: counts.update([key]) for key in ("images", "annotations")})
    number = counts["annotations"]
    held = f"{number} annotations, none with a segmentation; a box does not say which pixels it means"
    return [
        f"{some(files)} {_are(files)} of COCO, with {counts['images']} images and {held if number else 'no annotation'}"
        ". Draw polygons or masks, and export these: COCO 1.0 in CVAT, COCO segmentation in Roboflow"
    ]


def _cvat_video(raw: RawFolder, files: Sequence[str]) -> list[str]:
    return [
        f"{some(files)} {_are(files)} of CVAT for video 1.1, whose <track>s number the frames of a video and name no "
        "image. Export the task as CVAT for images 1.1, with its images"
    ]


def _yolo_unnamed(raw: RawFolder, files: Sequence[str]) -> list[str]:
    return [
        f"{some(files)} {_are(files)} of YOLO, and the file that names the classes is missing. Write data.yaml beside "
        "them: `train: images`, and `names: [first, second]` in the order of the numbers"
    ]


def _brush_png(raw: RawFolder, files: Sequence[str]) -> list[str]:
    return [
        f"{some(files)} {_are(files)} brushes that Label Studio exported as images, whose names do not say which image "
        "is meant. Export as JSON, which holds the brushes and the names, and put it beside the images"
    ]


def _are(files: Sequence[str]) -> str:
    return "are" if len(files) > 1 else "is"


REASONS: Mapping[str, Callable[[RawFolder, Sequence[str]], list[str]]] = {
    sniff.NO_JSON: _no_json,
    sniff.COCO_UNDRAWN: _coco_undrawn,
    sniff.CVAT_VIDEO: _cvat_video,
    sniff.YOLO_UNNAMED: _yolo_unnamed,
    sniff.BRUSH_PNG: _brush_png,
}
"""{kind: why its files are not read}."""
