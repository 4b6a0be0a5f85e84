"""Videos for `segline predict`, with ffmpeg (the extra `video`)."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.console.terminal import cut
from pipeline.errors import UserError
from pipeline.export.raw_image import BadImageError
from pipeline.serving import image_files
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import Output
from pipeline.serving.served_model import BATCH_PIXELS, ServedModel

LOSSLESS = "ids"
"""Output whose frames hold class ids: FFV1 keeps them exactly, H.264 would blend them."""


def require_ffmpeg() -> None:
    """Raise UserError if imageio-ffmpeg is not installed."""
    if find_spec("imageio_ffmpeg") is None:
        raise UserError("Videos need imageio-ffmpeg, which is not installed: pip install 'segline[video]'.")


def result_path(out: Path, output: Output, file: ImageFile) -> Path:
    """Path of the video of an output: .mkv for class ids (FFV1, grey), .mp4 for the others (H.264)."""
    return out / output.folder / file.result.with_suffix(".mkv" if output.folder == LOSSLESS else ".mp4")


def predict(model: ServedModel, file: ImageFile, outputs: Sequence[Output], out: Path, batch_size: int) -> int:
    """Segment a video and write one video per output; each appears complete, by a rename.

    Args:
        model: The model.
        file: The video.
        outputs: What to write; none that needs probabilities.
        out: Folder of the results.
        batch_size: Frames of a batch at most.

    Returns:
        Number of frames.

    Raises:
        BadImageError: The video cannot be read, has frames larger than the model accepts, or has no frame.
    """
    import imageio_ffmpeg

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
) -> int:
    targets = [result_path(out, output, file) for output in outputs]
    partial = [image_files.partial_path(target) for target in targets]
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    writers = [_writer(path, output, facts) for path, output in zip(partial, outputs, strict=True)]
    count = 0
    total = round(facts["duration"] * facts["fps"]) or None
    try:
        with tqdm(total=total, unit=" frames", desc=cut(file.path.name, 24), leave=False, ascii=" #") as bar:
            for images in batches:
                for image, mask in zip(images, model.classify(images), strict=True):
                    for writer, output in zip(writers, outputs, strict=True):
                        writer.send(np.ascontiguousarray(output.draw(file, image, mask)))
                count += len(images)
                bar.update(len(images))
    finally:
        for writer in writers:
            writer.close()
    if not count:
        raise BadImageError("The video has no frame.")
    for path, target in zip(partial, targets, strict=True):
        path.replace(target)
    return count


def _writer(path: Path, output: Output, facts: dict[str, Any]) -> Any:
    import imageio_ffmpeg

    options: dict[str, Any] = {"fps": facts["fps"], "macro_block_size": 1, "output_params": []}
    if output.folder == LOSSLESS:
        options |= {"pix_fmt_in": "gray", "pix_fmt_out": "gray", "codec": "ffv1", "quality": None}
    else:
        options |= {"pix_fmt_in": "rgb24", "pix_fmt_out": "yuv420p", "codec": "libx264", "quality": 8}
        # yuv420p, which every player supports, halves the resolution of the colours: sides must be even.
        options["output_params"] = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
    writer = imageio_ffmpeg.write_frames(str(path.absolute()), facts["size"], **options)
    writer.send(None)
    return writer
