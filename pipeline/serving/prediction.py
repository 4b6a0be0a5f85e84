"""Segment images and videos with an exported model; an interrupted prediction resumes."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from datasets.audit import lift_pillow_limit
from pipeline.console.progress import Progress
from pipeline.errors import UserError
from pipeline.serving import class_shares, image_files, output_formats, video
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import GEOMETRIES, Output, result_paths
from pipeline.serving.prediction_progress import Journal
from pipeline.serving.served_model import ServedModel

LISTED = 18
"""Unreadable files that the error message names at most."""

UNREADABLE = "unreadable.txt"
"""In the results folder: all unreadable files, where the message does not name all."""


@dataclass(frozen=True)
class Summary:
    """Result of a prediction.

    Attributes:
        images: Images and videos whose results exist now.
        reused: Those of them whose results existed before.
        folders: Folder of each output, by its name.
    """

    images: int
    reused: int
    folders: dict[str, Path]


def predict(
    model: Path,
    paths: Sequence[Path],
    out: Path,
    *,
    outputs: Sequence[str] = ("ids", "colour", "overlay"),
    submission: str | None = None,
    calib: Path | None = None,
    alpha: float = 0.5,
    batch_size: int = 8,
    max_pixels: int | None = None,
    geometry: str = GEOMETRIES[0],
    dry_run: bool = False,
) -> Summary:
    """Write <out>/<output>/<name>.png for each image and output; for a video, one video per output; and shares.csv.

    An image is read as ingest reads it: if that applies the EXIF orientation, the model sees the picture upright.
    Results of the same model, settings and file are reused, unless the file has changed since.

    Args:
        model: A SavedModel that Segline exported, or a folder of numbered versions, of which the highest is loaded.
        paths: Images, videos, and folders of them at any depth; see image_files.find.
        out: Folder of the results; created if missing, files of the same names are overwritten.
        outputs: Some of output_formats.KINDS.
        submission: One of output_formats.FORMATS: its files, directly in `out`, instead of `outputs`.
        calib: Folder of KITTI's calibration files, for the bird's-eye view.
        alpha: Weight of the overlay's colours, 0..1.
        batch_size: Images of a batch at most; they have one size.
        max_pixels: Overrides the model's own limit of pixels per image.
        geometry: One of GEOMETRIES. "stored" turns class maps and overlays back to how the file stores its pixels.
        dry_run: Check everything and print how many files are left; write nothing.

    Raises:
        UserError: An argument is wrong; or, after all others are done, files could not be read, each with the reason.
    """
    _require(alpha, batch_size, outputs, geometry)
    served = ServedModel(model, max_pixels=max_pixels)
    files = output_formats.without_other_files(submission, image_files.find(paths, out, output_formats.WRITTEN))
    if submission:
        chosen = output_formats.submission_outputs(submission, served.facts, files, calib)
    else:
        chosen = output_formats.picture_outputs(outputs, served.facts["classes"], served.facts["colours"], alpha)
    image_files.require_distinct((result_paths(out, chosen, file)[0], file) for file in files)
    if any(file.is_video for file in files):
        video.require_ffmpeg()
    if any(output.probabilities for output in chosen):
        served.require("probabilities")
    folders = {output.folder or str(submission): out / output.folder for output in chosen}
    if not dry_run:
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
    settings = {"outputs": list(outputs), "submission": submission, "calib": str(calib), "alpha": alpha}
    settings["geometry"] = geometry
    journal = Journal(out, served.folder, settings, dry_run=dry_run)
    waiting = [file for file in files if not journal.is_done(file.path, result_paths(out, chosen, file))]
    reused = len(files) - len(waiting)
    if dry_run:
        print(f"would predict {len(waiting)} of {len(files)} files with {served.folder}", *folders.values(), sep="\n  ")
        return Summary(reused, reused, folders)
    unreadable: list[str] = []
    with closing(journal), lift_pillow_limit():
        if waiting:
            unreadable = _predict(served, waiting, chosen, out, batch_size, journal, reused, geometry)
        if not submission:
            class_shares.write(out, served.facts["classes"], journal.pixels())
    done = len(files) - len(unreadable)
    note = f" ({reused} of them reused)" if reused else ""
    table = [] if submission else [out / class_shares.FILE]
    print(f"{done} files{note} with {served.folder}", *folders.values(), *table, sep="\n  ")
    if unreadable:
        raise UserError(_unreadable_message(sorted(unreadable), len(files), out))
    return Summary(done, reused, folders)


def _predict(
    served: ServedModel,
    waiting: Sequence[ImageFile],
    outputs: Sequence[Output],
    out: Path,
    batch_size: int,
    journal: Journal,
    reused: int,
    geometry: str,
) -> list[str]:
    """Load the model and predict the files that wait; return a line for each file that could not be read."""
    served.load()
    from pipeline.serving.inference import Inference

    with Progress("predict", reused + len(waiting), "files", done=reused) as bar:
        inference = Inference(served, outputs, out, batch_size, journal, bar, stored=geometry == "stored")
        inference.of_images([file for file in waiting if not file.is_video])
        inference.of_videos([file for file in waiting if file.is_video])
    return inference.unreadable


def _unreadable_message(unreadable: list[str], count: int, out: Path) -> str:
    """List the files that could not be read; if more than LISTED, also write all of them to UNREADABLE."""
    lines = [f"{len(unreadable)} of {count} files could not be read; all others are done:", *unreadable[:LISTED]]
    if len(unreadable) > LISTED:
        (out / UNREADABLE).write_text("\n".join(unreadable) + "\n", encoding="utf-8", errors="backslashreplace")
        lines.append(f"  and {len(unreadable) - LISTED} more: {out / UNREADABLE}")
    return "\n".join(lines)


def _require(alpha: float, batch_size: int, outputs: Sequence[str], geometry: str) -> None:
    problems = []
    if not 0 <= alpha <= 1:
        problems.append(f"alpha must be from 0 (only the image) to 1 (only the colours). Received: {alpha:g}.")
    if batch_size < 1:
        problems.append(f"batch size must be 1 or more. Received: {batch_size}.")
    unknown = [repr(name) for name in outputs if name not in output_formats.KINDS]
    if unknown or not outputs:
        problems.append(
            f"outputs must be some of {', '.join(output_formats.KINDS)}. Received: {', '.join(unknown) or 'none'}."
        )
    if geometry not in GEOMETRIES:
        problems.append(f"geometry must be one of {', '.join(GEOMETRIES)}. Received: {geometry!r}.")
    if problems:
        raise UserError("\n".join(problems))
