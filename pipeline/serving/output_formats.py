"""What `segline predict` writes for an image: pictures for people, or the files of a benchmark's submission."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from datasets.cityscapes_semantic.label_table import LABELS
from datasets.kitti_road import calibration
from pipeline.drawing import render
from pipeline.errors import UserError
from pipeline.evaluation.protocols.kitti_road import look_up
from pipeline.serving.image_files import ImageFile

KINDS = ("ids", "colour", "overlay", "contours")
"""Pictures: grey class ids, the dataset's colours, these over the image, borders of classes over the image."""

FORMATS = ("cityscapes", "kitti_road")

CITYSCAPES_NAME = re.compile(r"(?P<id>[A-Za-z-]+_\d{6}_\d{6})(_leftImg8bit)?")
KITTI_NAME = re.compile(r"(?P<category>um|umm|uu)_(?P<number>\d{6})")
LISTED = 5

OTHERS = {
    "cityscapes": re.compile(r"[A-Za-z-]+_\d{6}_\d{6}_(?!leftImg8bit$).+"),
    "kitti_road": re.compile(r"(um|umm|uu)_(road|lane)_\d{6}"),
}
"""What else lies in a benchmark's folders, by its name without suffix: masks, other cameras' images, results."""

WRITTEN = re.compile(
    rf"({'|'.join(KINDS)})/.+|\.partial-.+|[A-Za-z-]+_\d{{6}}_\d{{6}}_labelIds\.png|(um|umm|uu)_(road|lane)_\d{{6}}\.png",
    re.DOTALL,
)
"""All that `segline predict` ever writes, by the path below its folder of results."""


@dataclass(frozen=True)
class Output:
    """One file that is written for each image.

    Attributes:
        folder: Below `out`; "" is `out` itself.
        draw: From the file, the image uint8 [H,W,3] and the model's answer to the picture, uint8 [H,W] or [H,W,3].
        name: From the file to the path of its result below `folder`.
        probabilities: Whether the answer it draws is float32 [H,W,C] rather than the class map uint8 [H,W].
    """

    folder: str
    draw: Callable[[ImageFile, np.ndarray, np.ndarray], np.ndarray]
    name: Callable[[ImageFile], PurePath] = lambda file: file.result
    probabilities: bool = False


def pictures(kinds: Sequence[str], colours: render.Colours, alpha: float) -> list[Output]:
    """Give the outputs for some of KINDS; `alpha` is the strength of the overlay."""
    draw: dict[str, Callable[[ImageFile, np.ndarray, np.ndarray], np.ndarray]] = {
        "ids": lambda _, image, mask: mask,
        "colour": lambda _, image, mask: render.colour(mask, colours),
        "overlay": lambda _, image, mask: render.overlay(image, mask, colours, alpha),
        "contours": lambda _, image, mask: contours(image, mask, colours),
    }
    return [Output(kind, draw[kind]) for kind in kinds]


def contours(image: np.ndarray, mask: np.ndarray, colours: render.Colours) -> np.ndarray:
    """Draw the borders of the classes over an image, on each side in its class's colour, two pixels wide together."""
    border = np.zeros(mask.shape, bool)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    return np.where(border[..., None], render.colour(mask, colours), image)


def inputs(benchmark: str | None, files: Sequence[ImageFile]) -> Sequence[ImageFile]:
    """Leave a benchmark's OTHERS, where they were met in a folder, out of its submission, and print how many."""
    if benchmark is None:
        return files
    others = OTHERS[benchmark]
    left = {file for file in files if not file.named and not file.is_video and others.fullmatch(file.path.stem)}
    if not left or len(left) == len(files):
        return files  # of which submission() refuses each
    print(f"left out {len(left)} files in folders: by their names no images for {benchmark}")
    return [file for file in files if file not in left]


def submission(name: str, facts: Mapping[str, Any], files: Sequence[ImageFile], calib: Path | None) -> list[Output]:
    """Give the output of a benchmark's submission.

    Args:
        name: One of FORMATS.
        facts: What the model says of itself.
        files: The images; their names must be the benchmark's own.
        calib: Of kitti_road: folder of its calibration files; the view from above is written then, which is what its
            server takes.

    Raises:
        UserError: The model's classes, or a name, are not the benchmark's.
    """
    if name == "cityscapes":
        return [_cityscapes(facts, files)]
    return [_kitti_road(facts, files, calib)]


def _cityscapes(facts: Mapping[str, Any], files: Sequence[ImageFile]) -> Output:
    """Label ids at the image's size as <city>_<sequence>_<frame>_labelIds.png: what cityscapesScripts looks for."""
    ids = {label.name: label.id for label in LABELS}
    strange = [repr(name) for name in facts["classes"] if name not in ids]
    if strange:
        raise UserError(f"--format cityscapes: the model has classes that Cityscapes has not: {', '.join(strange)}.")
    _require_names(files, CITYSCAPES_NAME, "cityscapes", "aachen_000000_000019_leftImg8bit.png")
    table = np.zeros(256, np.uint8)
    table[: len(facts["classes"])] = [ids[name] for name in facts["classes"]]

    def name(file: ImageFile) -> PurePath:
        found = CITYSCAPES_NAME.fullmatch(file.path.stem)
        assert found is not None
        return PurePath(f"{found['id']}_labelIds.png")

    return Output("", lambda _, image, mask: table[mask], name)


def _kitti_road(facts: Mapping[str, Any], files: Sequence[ImageFile], calib: Path | None) -> Output:
    """The probability of the second class, k/255, as um_road_000000.png (um_lane_... where that is the class)."""
    classes = facts["classes"]
    if len(classes) != 2:
        raise UserError(f"--format kitti_road needs a model of 2 classes, the second the road. It has {len(classes)}.")
    _require_names(files, KITTI_NAME, "kitti_road", "um_000000.png")
    kind = "lane" if "lane" in classes[1] else "road"
    matrices = {} if calib is None else {file.path: _calibration(calib / f"{file.path.stem}.txt") for file in files}

    def name(file: ImageFile) -> PurePath:
        category, number = file.path.stem.split("_")
        return PurePath(f"{category}_{kind}_{number}.png")

    def draw(file: ImageFile, image: np.ndarray, shares: np.ndarray) -> np.ndarray:
        levels = np.rint(shares[..., 1] * 255).astype(np.uint8)
        if calib is None:
            return levels
        rows, columns, inside = look_up(matrices[file.path], levels.shape)
        above = np.zeros(inside.shape, np.uint8)
        above[inside] = levels[rows, columns]
        return above

    return Output("", draw, name, probabilities=True)


def _calibration(path: Path) -> Any:
    try:
        return calibration.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--calib: {path} cannot be read as a calibration file of KITTI: {error}.") from None


def _require_names(files: Sequence[ImageFile], pattern: re.Pattern[str], name: str, example: str) -> None:
    wrong = [str(file.path) for file in files if file.is_video or not pattern.fullmatch(file.path.stem)]
    if wrong:
        more = f" and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise UserError(
            f"--format {name} needs the benchmark's own file names, such as {example}. "
            f"Received: {', '.join(wrong[:LISTED])}{more}."
        )
