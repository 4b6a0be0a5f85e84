"""Segment images and videos with an exported model, and go on from there when it was stopped."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.errors import UserError
from pipeline.serving import image_files, output_formats, video
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import Output
from pipeline.serving.prediction_progress import Progress
from pipeline.serving.served_model import BATCH_PIXELS, BadImageError, ServedModel

HELD_PIXELS = 4 * BATCH_PIXELS
"""Pixels of all images that wait for others of their size."""

THREADS = 4
"""Reading and writing files takes longer than a fast model; Pillow and TensorFlow free the interpreter meanwhile."""

LISTED = 18
"""Files that the message names when they cannot be read."""

UNREADABLE = "unreadable.txt"
"""In the folder of results: all of them, where they are more."""

Decoded = tuple[ImageFile, np.ndarray]

Write = Callable[[ImageFile, np.ndarray, np.ndarray], None]
"""Takes a file, its image and the model's answer to it; called in threads."""


@dataclass(frozen=True)
class Summary:
    """What was done.

    Attributes:
        images: Images and videos whose results are there now.
        reused: Those of them that were there before.
        folders: The folders that hold them, by what they hold.
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
    dry_run: bool = False,
) -> Summary:
    """Write <out>/<output>/<name>.png for each image and output; for a video, a video of each.

    Class maps have the size of the image file: an EXIF orientation is not applied, neither to them nor to the overlay.
    A result that the same model made of the same file with the same settings is kept, unless the file changed since.

    Args:
        model: A SavedModel that Segline exported, or a folder of numbered versions, of which the highest is taken.
        paths: Images, videos, and folders of them at any depth; see image_files.find.
        out: Folder for the results; made where it is missing, files of the same name are replaced.
        outputs: Some of forms.KINDS.
        submission: One of forms.FORMATS: its files, in `out` itself, instead of `outputs`.
        calib: Folder of KITTI's calibration files, for the view from above.
        alpha: Strength of the overlay's colours, 0..1.
        batch_size: Images of one size that are computed at once, at most.
        max_pixels: Another limit than the model's own.
        dry_run: Check everything, and say how many files wait; write nothing.

    Raises:
        UserError: A wrong argument; or, after all others are done, files that could not be read, each with the reason.
    """
    _require(alpha, batch_size, outputs)
    served = ServedModel(model, max_pixels=max_pixels)
    files = output_formats.inputs(submission, image_files.find(paths, out, output_formats.WRITTEN))
    if submission:
        chosen = output_formats.submission(submission, served.facts, files, calib)
    else:
        chosen = output_formats.pictures(outputs, served.facts["colours"], alpha)
    image_files.refuse_collisions((results(out, chosen, file)[0], file) for file in files)
    if any(file.is_video for file in files):
        video.require()
    if any(output.probabilities for output in chosen):
        served.require("probabilities")
    folders = {output.folder or str(submission): out / output.folder for output in chosen}
    if not dry_run:
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
    settings = {"outputs": list(outputs), "submission": submission, "calib": str(calib), "alpha": alpha}
    progress = Progress(out, served.folder, settings, dry_run=dry_run)
    waiting = [file for file in files if not progress.has(file.path, results(out, chosen, file))]
    if dry_run:
        reused = len(files) - len(waiting)
        print(f"would make {len(waiting)} of {len(files)} with {served.folder}", *folders.values(), sep="\n  ")
        return Summary(reused, reused, folders)
    with closing(progress):
        bad = _make(served, files, waiting, chosen, out, batch_size, progress)
    done, reused = len(files) - len(bad), len(files) - len(waiting)
    kept = f" ({reused} were there already)" if reused else ""
    print(f"{done} files{kept} with {served.folder}", *folders.values(), sep="\n  ")
    if bad:
        raise UserError(_told(sorted(bad), len(files), out))
    return Summary(done, reused, folders)


def results(out: Path, outputs: Sequence[Output], file: ImageFile) -> list[Path]:
    """Name the files that a file's outputs are written to."""
    if file.is_video:
        return [video.result(out, output, file) for output in outputs]
    return [out / output.folder / output.name(file) for output in outputs]


def _make(
    model: ServedModel,
    files: Sequence[ImageFile],
    waiting: Sequence[ImageFile],
    outputs: Sequence[Output],
    out: Path,
    batch_size: int,
    progress: Progress,
) -> list[str]:
    """Make the results of the files that wait; give a line for each that could not be read."""

    def write(file: ImageFile, image: np.ndarray, answer: np.ndarray) -> None:
        paths = results(out, outputs, file)
        with progress.making(file.path, paths):
            _write(paths, outputs, file, image, answer)

    bad: list[str] = []
    with tqdm(total=len(files), initial=len(files) - len(waiting), unit=" files", desc="predict", ascii=" #") as bar:
        _images(model, [file for file in waiting if not file.is_video], outputs, write, batch_size, bad, bar)
        for file in (file for file in waiting if file.is_video):
            try:
                with progress.making(file.path, results(out, outputs, file)):
                    video.convert(model, file, outputs, out, batch_size)
            except BadImageError as error:
                bad.append(f"  {file.path}: {error}")
            bar.update()
    return bad


def _images(
    model: ServedModel,
    files: Sequence[ImageFile],
    outputs: Sequence[Output],
    write: Write,
    batch_size: int,
    bad: list[str],
    bar: tqdm,
) -> None:
    """Read ahead, compute in batches, and write behind; no more than a few batches are in memory."""
    writing: deque[Future[None]] = deque()
    infer = model.probabilities if any(output.probabilities for output in outputs) else model.classify
    with ThreadPoolExecutor(THREADS) as pool:
        decoded = _decoded(model, files, pool, 2 * batch_size, bad, bar)
        for batch in _batches(decoded, batch_size):
            answers = infer(np.stack([image for _, image in batch]))
            for (file, image), answer in zip(batch, answers, strict=True):
                writing.append(pool.submit(write, file, image, answer))
            bar.update(len(batch))
            while len(writing) > batch_size:
                writing.popleft().result()
        for future in writing:
            future.result()


def _decoded(
    model: ServedModel, files: Sequence[ImageFile], pool: ThreadPoolExecutor, ahead: int, bad: list[str], bar: tqdm
) -> Iterator[Decoded]:
    """Decode files in threads, `ahead` of their use; one that cannot be read is noted in `bad`."""
    waiting: deque[tuple[ImageFile, Future[np.ndarray]]] = deque()
    for file in [*files, *[None] * ahead]:
        if file is not None:
            waiting.append((file, pool.submit(lambda path: model.decode(path.read_bytes()), file.path)))
        if waiting and (file is None or len(waiting) > ahead):
            first, future = waiting.popleft()
            try:
                yield first, future.result()
            except (OSError, BadImageError) as error:
                bad.append(f"  {first.path}: {getattr(error, 'strerror', None) or error}")
                bar.update()


def _batches(decoded: Iterator[Decoded], size: int) -> Iterator[list[Decoded]]:
    """Group images of one size, neighbours or not; too many that wait for others go as they are."""
    waiting: dict[tuple[int, ...], list[Decoded]] = {}
    for file, image in decoded:
        batch = waiting.setdefault(image.shape, [])
        batch.append((file, image))
        pixels = image[..., 0].size
        if len(batch) == size or (len(batch) + 1) * pixels > BATCH_PIXELS:
            yield waiting.pop(image.shape)
        elif sum(len(held) * shape[0] * shape[1] for shape, held in waiting.items()) > HELD_PIXELS:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _write(
    paths: Sequence[Path], outputs: Sequence[Output], file: ImageFile, image: np.ndarray, answer: np.ndarray
) -> None:
    for path, output in zip(paths, outputs, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = image_files.partial(path)
        Image.fromarray(output.draw(file, image, answer)).save(partial, "PNG", compress_level=1)
        partial.replace(path)


def _told(bad: list[str], count: int, out: Path) -> str:
    """Say which files could not be read, in a screen; where they are more, a file in `out` has them all."""
    told = [f"{len(bad)} of {count} files could not be read; all others are done:", *bad[:LISTED]]
    if len(bad) > LISTED:
        (out / UNREADABLE).write_text("\n".join(bad) + "\n", encoding="utf-8", errors="backslashreplace")
        told.append(f"  and {len(bad) - LISTED} more: {out / UNREADABLE}")
    return "\n".join(told)


def _require(alpha: float, batch_size: int, outputs: Sequence[str]) -> None:
    problems = []
    if not 0 <= alpha <= 1:
        problems.append(f"alpha must be from 0 (the image alone) to 1 (the colours alone). Received: {alpha:g}.")
    if batch_size < 1:
        problems.append(f"batch size must be 1 or more. Received: {batch_size}.")
    strange = [repr(name) for name in outputs if name not in output_formats.KINDS]
    if strange or not outputs:
        problems.append(f"outputs must be some of {', '.join(output_formats.KINDS)}. Received: {', '.join(strange)}.")
    if problems:
        raise UserError("\n".join(problems))
