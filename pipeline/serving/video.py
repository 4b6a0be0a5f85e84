"""Videos for `segline predict`, with ffmpeg (the extra `video`)."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.console.progress import Progress
from pipeline.console.terminal import cut
from pipeline.errors import UserError
from pipeline.serving import image_files
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import LOSSLESS, Output, video_path
from pipeline.serving.served_model import BATCH_PIXELS, ServedModel


def require_ffmpeg() -> None:
    """Raise UserError if imageio-ffmpeg is not installed."""
    if find_spec("imageio_ffmpeg") is None:
        raise UserError("Videos need imageio-ffmpeg, which is not installed: pip install 'segline[video]'.")


def predict(model: ServedModel, file: ImageFile, outputs: Sequence[Output], out: Path, batch_size: int) -> np.ndarray:
    """Segment a video and write one video per output; each appears complete, by a rename.

    Args:
        model: The model.
        file: The video.
        outputs: What to write; none that needs probabilities.
        out: Folder of the results.
        batch_size: Frames of a batch at most.

    Returns:
        Pixels of each class in all frames, int64 [C].

    Raises:
        BadImageError: The video cannot be read, has frames larger than the model accepts, or has no frame.
    """
    import imageio_ffmpeg

    from pipeline.export.raw_image import BadImageError

    try:
        # An absolute path is never read as an option or a protocol; the whitelist stops playlists that name URLs.
        frames = imageio_ffmpeg.read_frames(str(file.path.absolute()), input_params=["-protocol_whitelist", "file"])
        facts = next(frames)
        width, height = facts["size"]
        if width * height > model.max_pixels:
            frames.close()
            raise BadImageError(f"It is {width} x {height} pixels. At most {model.max_pixels} are accepted.")
        frames_at_once = max(1, min(batch_size, BATCH_PIXELS // (width * height)))
        return _write(model, file, outputs, out, _batches(frames, (height, width), frames_at_once), facts)
    except (OSError, RuntimeError, StopIteration, KeyError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise BadImageError(f"ffmpeg cannot read it: {lines[-1].strip() if lines else 'no frame'}") from None


def _batches(frames: Iterator[bytes], size: tuple[int, int], batch_size: int) -> Iterator[np.ndarray]:
    while batch := [np.frombuffer(frame, np.uint8) for frame in islice(frames, batch_size)]:
        yield np.stack(batch).reshape(-1, *size, 3)


def _write(
    model: ServedModel,
    file: ImageFile,
    outputs: Sequence[Output],
    out: Path,
    batches: Iterator[np.ndarray],
    facts: dict[str, Any],
) -> np.ndarray:
    from pipeline.export.raw_image import BadImageError

    targets = [video_path(out, output, file) for output in outputs]
    partial = [image_files.partial_path(target) for target in targets]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    width, height = facts["size"]
    blank = np.zeros([height, width, 3], np.uint8)
    sizes = [output.draw(file, blank, blank[..., 0]).shape[1::-1] for output in outputs]  # a legend adds to it
    writers = [_writer(*one, facts["fps"]) for one in zip(partial, outputs, sizes, strict=True)]
    pixels = np.zeros(len(model.facts["classes"]), np.int64)
    try:
        with Progress(cut(file.path.name, 24), round(facts["duration"] * facts["fps"]) or None, "frames") as bar:
            for images in batches:
                for image, mask in zip(images, model.classify(images), strict=True):
                    pixels += np.bincount(mask.ravel(), minlength=len(pixels))
                    for writer, output in zip(writers, outputs, strict=True):
                        writer.send(np.ascontiguousarray(output.draw(file, image, mask)))
                bar.add(len(images))
    finally:
        for writer in writers:
            writer.close()
    if not pixels.any():
        raise BadImageError("The video has no frame.")
    for path, target in zip(partial, targets, strict=True):
        path.replace(target)
    return pixels


def _writer(path: Path, output: Output, size: tuple[int, int], fps: float) -> Any:
    import imageio_ffmpeg

    options: dict[str, Any] = {"fps": fps, "macro_block_size": 1, "output_params": []}
    if output.folder == LOSSLESS:
        options |= {"pix_fmt_in": "gray", "pix_fmt_out": "gray", "codec": "ffv1", "quality": None}
    else:
        options |= {"pix_fmt_in": "rgb24", "pix_fmt_out": "yuv420p", "codec": "libx264", "quality": 8}
        # yuv420p, which every player supports, halves the resolution of the colours: sides must be even.
        options["output_params"] = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
    writer = imageio_ffmpeg.write_frames(str(path.absolute()), size, **options)
    writer.send(None)
    return writer
