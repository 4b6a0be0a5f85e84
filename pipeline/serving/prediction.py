"""Segment images and videos with an exported model; an interrupted prediction resumes."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from datasets.audit import lift_pillow_limit
from pipeline.errors import UserError
from pipeline.export.raw_image import BadImageError, turn_back
from pipeline.serving import image_files, output_formats, video
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import Output
from pipeline.serving.prediction_progress import Progress
from pipeline.serving.served_model import BATCH_PIXELS, ServedModel

PENDING_PIXELS = 4 * BATCH_PIXELS
"""Pixels of all images that wait for others of their size, at most."""

THREADS = 4
"""Reading and writing files takes longer than a fast model; Pillow and TensorFlow release the GIL meanwhile."""

LISTED = 18
"""Unreadable files that the error message names at most."""

UNREADABLE = "unreadable.txt"
"""In the results folder: all unreadable files, where the message does not name all."""

GEOMETRIES = ("upright", "stored")
"""Geometry of results: that of the picture as people see it, or that of the pixels in the file."""

Decoded = tuple[ImageFile, np.ndarray, int]
"""A file, its image uint8 [H,W,3] as training sees it, and the EXIF orientation from which results are turned back."""


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
    """Write <out>/<output>/<name>.png for each image and output; for a video, one video per output.

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
        chosen = output_formats.picture_outputs(outputs, served.facts["colours"], alpha)
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
    progress = Progress(out, served.folder, settings, dry_run=dry_run)
    waiting = [file for file in files if not progress.is_done(file.path, result_paths(out, chosen, file))]
    reused = len(files) - len(waiting)
    if dry_run:
        print(f"would predict {len(waiting)} of {len(files)} files with {served.folder}", *folders.values(), sep="\n  ")
        return Summary(reused, reused, folders)
    with (
        closing(progress),
        lift_pillow_limit(),
        tqdm(total=len(files), initial=reused, unit=" files", desc="predict", ascii=" #") as bar,
    ):
        prediction = _Prediction(served, chosen, out, batch_size, progress, bar, stored=geometry == "stored")
        prediction.of_images([file for file in waiting if not file.is_video])
        prediction.of_videos([file for file in waiting if file.is_video])
    unreadable = prediction.unreadable
    done = len(files) - len(unreadable)
    note = f" ({reused} of them reused)" if reused else ""
    print(f"{done} files{note} with {served.folder}", *folders.values(), sep="\n  ")
    if unreadable:
        raise UserError(_unreadable_message(sorted(unreadable), len(files), out))
    return Summary(done, reused, folders)


def result_paths(out: Path, outputs: Sequence[Output], file: ImageFile) -> list[Path]:
    """Paths that a file's outputs are written to."""
    if file.is_video:
        return [video.result_path(out, output, file) for output in outputs]
    return [out / output.folder / output.name(file) for output in outputs]


@dataclass
class _Prediction:
    """A running prediction; `unreadable` has a line for each file that could not be read."""

    model: ServedModel
    outputs: Sequence[Output]
    out: Path
    batch_size: int
    progress: Progress
    bar: tqdm
    stored: bool
    unreadable: list[str] = field(default_factory=list)

    def of_images(self, files: Sequence[ImageFile]) -> None:
        """Decode ahead, predict in batches and write behind, with a few batches in memory."""
        writing: deque[Future[None]] = deque()
        probabilities = any(output.probabilities for output in self.outputs)
        predict_batch = self.model.probabilities if probabilities else self.model.classify
        with ThreadPoolExecutor(THREADS) as pool:
            for batch in _batches(self._decode(files, pool, 2 * self.batch_size), self.batch_size):
                predictions = predict_batch(np.stack([image for _, image, _ in batch]))
                for (file, image, turned), prediction in zip(batch, predictions, strict=True):
                    upright = (image, prediction)
                    writing.append(pool.submit(self._write, file, *(turn_back(part, turned) for part in upright)))
                self.bar.update(len(batch))
                while len(writing) > self.batch_size:
                    writing.popleft().result()
            for future in writing:
                future.result()

    def of_videos(self, files: Sequence[ImageFile]) -> None:
        """Predict one video after the other."""
        for file in files:
            try:
                with self.progress.writing(file.path, result_paths(self.out, self.outputs, file)):
                    video.predict(self.model, file, self.outputs, self.out, self.batch_size)
            except BadImageError as error:
                self.unreadable.append(f"  {file.path}: {error}")
            self.bar.update()

    def _decode(self, files: Sequence[ImageFile], pool: ThreadPoolExecutor, ahead: int) -> Iterator[Decoded]:
        """Decode files in threads, up to `ahead` files in advance."""
        waiting: deque[tuple[ImageFile, Future[tuple[np.ndarray, int]]]] = deque()
        for file in [*files, *[None] * ahead]:
            if file is not None:
                waiting.append((file, pool.submit(self._read, file.path)))
            if waiting and (file is None or len(waiting) > ahead):
                first, future = waiting.popleft()
                try:
                    yield first, *future.result()
                except (OSError, BadImageError) as error:
                    self.unreadable.append(f"  {first.path}: {getattr(error, 'strerror', None) or error}")
                    self.bar.update()

    def _read(self, path: Path) -> tuple[np.ndarray, int]:
        """Read an image, and the orientation from which its results are turned back; called in threads."""
        content = path.read_bytes()
        return self.model.images.read(content), self.model.images.orientation(content) if self.stored else 1

    def _write(self, file: ImageFile, image: np.ndarray, prediction: np.ndarray) -> None:
        """Write the results of an image; called in threads."""
        paths = result_paths(self.out, self.outputs, file)
        with self.progress.writing(file.path, paths):
            for path, output in zip(paths, self.outputs, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = image_files.partial_path(path)
                Image.fromarray(output.draw(file, image, prediction)).save(partial, "PNG", compress_level=1)
                partial.replace(path)


def _batches(decoded: Iterator[Decoded], size: int) -> Iterator[list[Decoded]]:
    """Group images by size; once too many pixels wait, the oldest group is yielded incomplete."""
    waiting: dict[tuple[int, ...], list[Decoded]] = {}
    for file, image, turned in decoded:
        batch = waiting.setdefault(image.shape, [])
        batch.append((file, image, turned))
        pixels = image[..., 0].size
        if len(batch) == size or (len(batch) + 1) * pixels > BATCH_PIXELS:
            yield waiting.pop(image.shape)
        elif sum(len(group) * shape[0] * shape[1] for shape, group in waiting.items()) > PENDING_PIXELS:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


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
