"""Why files that a labelling tool wrote cannot be read, and what to do instead."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from datasets.annotations import sniff
from datasets.annotations.json_spans import parse, walk
from datasets.audit import BadFileError, join_names
from datasets.raw import RawFolder

SHOWN = 3  # Number of files that a message names


def describe(raw: RawFolder, kinds: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence or two for each kind of `sniff.UNREAD`: the tool, what is wrong, and the way out."""
    reasons = []
    for kind in (kind for kind in kinds if kind in sniff.UNREAD):
        why = REASONS[kind](raw, kinds[kind]) if kind in REASONS else PLAIN_REASONS[kind]
        reasons.append(f"{some(kinds[kind])} {'are' if len(kinds[kind]) > 1 else 'is'} {why}")
    return reasons


def some(files: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    return join_names(files, SHOWN)


def _no_json(raw: RawFolder, files: Sequence[str]) -> str:
    reason = ""
    try:
        parse(raw.read(files[0]))
    except BadFileError as error:
        reason = error.detail.removeprefix("no JSON: ") or str(error)
    return f"no JSON, but truncated or damaged ({reason}). Export again"


def _coco_undrawn(raw: RawFolder, files: Sequence[str]) -> str:
    counts: Counter[str] = Counter()
    for file in files:
        walk(raw.read(file), {key: lambda *_, key=key: counts.update([key]) for key in ("images", "annotations")})
    number = counts["annotations"]
    held = f"{number} annotations, none with a segmentation; a box does not say which pixels it means"
    return (
        f"of COCO, with {counts['images']} images and {held if number else 'no annotation'}. Draw polygons or masks, "
        "and export these: COCO 1.0 in CVAT, COCO segmentation in Roboflow"
    )


REASONS: Mapping[str, Callable[[RawFolder, Sequence[str]], str]] = {
    sniff.NO_JSON: _no_json,
    sniff.COCO_UNDRAWN: _coco_undrawn,
}
PLAIN_REASONS = {
    sniff.CVAT_VIDEO: "of CVAT for video 1.1, whose <track>s number the frames of a video and name no image. Export "
    "the task as CVAT for images 1.1, with its images",
    sniff.YOLO_UNNAMED: "of YOLO, and the file that names the classes is missing. Write data.yaml beside them: `train: "
    "images`, and `names: [first, second]` in the order of the numbers",
    sniff.BRUSH_PNG: "brushes that Label Studio exported as images, whose names do not say which image is meant. "
    "Export as JSON, which holds the brushes and the names, and put it beside the images",
}
"""{kind: why its files are not read}; the others are opened to say it."""
