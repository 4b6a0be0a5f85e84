"""Outputs of `segline predict` for an image: pictures, or the files of a benchmark submission."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from datasets.cityscapes_semantic.label_table import LABELS
from datasets.kitti_road import calibration
from pipeline.drawing import render
from pipeline.errors import UserError
from pipeline.evaluation.protocols.kitti_road import look_up
from pipeline.serving.image_files import ImageFile

KINDS = ("ids", "colour", "overlay", "contours")
"""Pictures: class ids with the class colours as palette, class colours, these blended over the image with a legend
below, class borders over the image."""

LOSSLESS = "ids"
"""Output of a video whose frames hold class ids: FFV1 keeps them exactly, H.264 would blend them."""

GEOMETRIES = ("upright", "stored")
"""Geometry of results: that of the picture as people see it, or that of the pixels in the file."""

FORMATS = ("cityscapes", "kitti_road")

CITYSCAPES_NAME = re.compile(r"(?P<id>[A-Za-z-]+_\d{6}_\d{6})(_leftImg8bit)?")
KITTI_NAME = re.compile(r"(?P<category>um|umm|uu)_(?P<number>\d{6})")
LISTED = 5

LEGEND_WIDTH = 1000
"""Width of a picture, pixels, for each further size of the letters of its legend."""

CONTOUR_SIDE = 300
"""Longer side of a picture, pixels, for each further pixel of a contour on either side of a border."""

OTHER_FILES = {
    "cityscapes": re.compile(r"[A-Za-z-]+_\d{6}_\d{6}_(?!leftImg8bit$).+"),
    "kitti_road": re.compile(r"(um|umm|uu)_(road|lane)_\d{6}"),
}
"""Stems of other files in a benchmark's folders: masks, images of other cameras, results."""

WRITTEN = re.compile(
    rf"({'|'.join(KINDS)})/.+|\.partial-.+|[A-Za-z-]+_\d{{6}}_\d{{6}}_labelIds\.png|(um|umm|uu)_(road|lane)_\d{{6}}\.png",
    re.DOTALL,
)
"""Paths below the results folder of all files that `segline predict` writes."""


@dataclass(frozen=True)
class Output:
    """A kind of file that is written for each image.

    Attributes:
        folder: Folder below `out`; "" is `out` itself.
        draw: (file, image uint8 [H,W,3], prediction) -> picture uint8 [H,W] or [H,W,3].
        name: File -> path of its result below `folder`.
        probabilities: Whether `draw` takes probabilities float32 [H,W,C] rather than class ids uint8 [H,W].
        palette: Colours in which a viewer shows the values of a picture [H,W]; None: grey.
    """

    folder: str
    draw: Callable[[ImageFile, np.ndarray, np.ndarray], np.ndarray]
    name: Callable[[ImageFile], PurePath] = lambda file: file.result
    probabilities: bool = False
    palette: render.Colours | None = None


def picture_outputs(
    kinds: Sequence[str], classes: Sequence[str], colours: render.Colours, alpha: float
) -> list[Output]:
    """Return the outputs of some of KINDS; `alpha`, 0..1, is the weight of the overlay's colours."""

    def overlay(file: ImageFile, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        blended = render.overlay(image, mask, colours, alpha)
        return draw_legend(blended, mask, classes, colours, complete=file.is_video)

    outputs = {
        "ids": Output("ids", lambda _, image, mask: mask, palette=colours),
        "colour": Output("colour", lambda _, image, mask: render.colour(mask, colours)),
        "overlay": Output("overlay", overlay),
        "contours": Output("contours", lambda _, image, mask: draw_contours(image, mask, colours)),
    }
    return [outputs[kind] for kind in kinds]


def to_picture(pixels: np.ndarray, palette: render.Colours | None = None) -> Image.Image:
    """Return uint8 [H,W] or [H,W,3] as a picture; with a palette, the pixels [H,W] stay what they are and have colours.

    >>> to_picture(np.array([[1]], np.uint8), [(0, 0, 0), (9, 8, 7)]).convert("RGB").getpixel((0, 0))
    (9, 8, 7)
    """
    picture = Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette([value for colour in palette for value in colour])
    return picture


def draw_legend(
    picture: np.ndarray, mask: np.ndarray, classes: Sequence[str], colours: render.Colours, *, complete: bool
) -> np.ndarray:
    """Write below a picture which colour is which class.

    Args:
        picture: uint8 [H,W,3].
        mask: Class ids, uint8 [H,W].
        classes: Name of each class.
        colours: One (red, green, blue) for each class.
        complete: All classes rather than those of the mask with their shares: the frames of a video have one size.
    """
    shares = np.bincount(mask.ravel(), minlength=len(classes)) / mask.size
    shown = range(len(classes)) if complete else np.flatnonzero(shares)[np.argsort(-shares[shares > 0], kind="stable")]
    items = [(classes[k] if complete else f"{classes[k]} {shares[k]:.1%}", colours[k]) for k in shown]
    scale = max(1, round(picture.shape[1] / LEGEND_WIDTH))
    margin = scale * render.PAD
    legend = render.entries(items, picture.shape[1] - margin, scale=scale)
    return render.stack([picture, np.pad(legend, ((0, 0), (margin, 0), (0, 0)), constant_values=255)], gap=0)


def draw_contours(image: np.ndarray, mask: np.ndarray, colours: render.Colours) -> np.ndarray:
    """Draw class borders over an image, thicker in a larger one, half in each of the two classes' colours.

    Args:
        image: uint8 [H,W,3].
        mask: Class ids, uint8 [H,W].
        colours: One (red, green, blue) for each class.

    >>> image, mask = np.zeros((1, 4, 3), np.uint8), np.array([[0, 0, 1, 1]], np.uint8)
    >>> draw_contours(image, mask, [(9, 9, 9), (7, 7, 7)])[0, :, 0].tolist()
    [0, 9, 7, 0]
    """
    border = np.zeros(mask.shape, bool)
    across, down = mask[:, 1:] != mask[:, :-1], mask[1:] != mask[:-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    border[1:] |= down
    border[:-1] |= down
    for _ in range(max(mask.shape) // CONTOUR_SIDE):
        border[:, 1:] |= border[:, :-1]
        border[:, :-1] |= border[:, 1:]
        border[1:] |= border[:-1]
        border[:-1] |= border[1:]
    return np.where(border[..., None], render.colour(mask, colours), image)


def result_paths(out: Path, outputs: Sequence[Output], file: ImageFile) -> list[Path]:
    """Return the paths that a file's outputs are written to."""
    if file.is_video:
        return [video_path(out, output, file) for output in outputs]
    return [out / output.folder / output.name(file) for output in outputs]


def video_path(out: Path, output: Output, file: ImageFile) -> Path:
    """Return the path of the video of an output: .mkv for class ids (FFV1, grey), .mp4 for the others (H.264)."""
    return out / output.folder / file.result.with_suffix(".mkv" if output.folder == LOSSLESS else ".mp4")


def without_other_files(benchmark: str | None, files: Sequence[ImageFile]) -> Sequence[ImageFile]:
    """Drop a benchmark's OTHER_FILES that come from folders, and print how many; benchmark None: all files."""
    if benchmark is None:
        return files
    pattern = OTHER_FILES[benchmark]
    others = {file for file in files if not file.named and not file.is_video and pattern.fullmatch(file.path.stem)}
    if not others or len(others) == len(files):
        return files  # submission_outputs() then refuses all of them by name
    print(f"left out {len(others)} files in folders: not images of {benchmark} by their names")
    return [file for file in files if file not in others]


def submission_outputs(
    name: str, facts: Mapping[str, Any], files: Sequence[ImageFile], calib: Path | None
) -> list[Output]:
    """Return the output of a benchmark submission.

    Args:
        name: One of FORMATS.
        facts: The model's facts; see pipeline.export.facts.
        files: The images; their names must be the benchmark's own.
        calib: For kitti_road: folder of its calibration files. With it the bird's-eye view is written, which KITTI's
            server expects.

    Raises:
        UserError: The model's classes or a file name do not match the benchmark.
    """
    if name == "cityscapes":
        return [_cityscapes(facts, files)]
    return [_kitti_road(facts, files, calib)]


def _cityscapes(facts: Mapping[str, Any], files: Sequence[ImageFile]) -> Output:
    """Label ids at the image's size in <city>_<sequence>_<frame>_labelIds.png, as cityscapesScripts expects."""
    ids = {label.name: label.id for label in LABELS}
    unknown = [repr(name) for name in facts["classes"] if name not in ids]
    if unknown:
        raise UserError(f"--format cityscapes: these classes are not of Cityscapes: {', '.join(unknown)}.")
    _require_names(files, CITYSCAPES_NAME, "cityscapes", "aachen_000000_000019_leftImg8bit.png")
    table = np.zeros(256, np.uint8)
    table[: len(facts["classes"])] = [ids[name] for name in facts["classes"]]

    def name(file: ImageFile) -> PurePath:
        match = CITYSCAPES_NAME.fullmatch(file.path.stem)
        assert match is not None
        return PurePath(f"{match['id']}_labelIds.png")

    return Output("", lambda _, image, mask: table[mask], name)


def _kitti_road(facts: Mapping[str, Any], files: Sequence[ImageFile], calib: Path | None) -> Output:
    """Probability of the second class, k/255, in um_road_000000.png (um_lane_... for a lane class)."""
    classes = facts["classes"]
    if len(classes) != 2:
        raise UserError(f"--format kitti_road needs a model of 2 classes, the second the road. It has {len(classes)}.")
    _require_names(files, KITTI_NAME, "kitti_road", "um_000000.png")
    kind = "lane" if "lane" in classes[1] else "road"
    matrices = {} if calib is None else {file.path: _calibration(calib / f"{file.path.stem}.txt") for file in files}

    def name(file: ImageFile) -> PurePath:
        category, number = file.path.stem.split("_")
        return PurePath(f"{category}_{kind}_{number}.png")

    def draw(file: ImageFile, image: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        levels = np.rint(probabilities[..., 1] * 255).astype(np.uint8)
        if calib is None:
            return levels
        rows, columns, inside = look_up(matrices[file.path], levels.shape)
        birds_eye = np.zeros(inside.shape, np.uint8)
        birds_eye[inside] = levels[rows, columns]
        return birds_eye

    return Output("", draw, name, probabilities=True)


def _calibration(path: Path) -> Any:
    try:
        return calibration.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--calib: {path} cannot be read as a KITTI calibration file: {error}.") from None


def _require_names(files: Sequence[ImageFile], pattern: re.Pattern[str], name: str, example: str) -> None:
    wrong = [str(file.path) for file in files if file.is_video or not pattern.fullmatch(file.path.stem)]
    if wrong:
        more = f" and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise UserError(
            f"--format {name} needs the benchmark's own file names, such as {example}. "
            f"Received: {', '.join(wrong[:LISTED])}{more}."
        )
