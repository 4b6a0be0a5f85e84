"""Segment images with an exported model: id masks, colour masks and overlays as PNG."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

from models.servable import decode
from pipeline import facts, image_files, render
from pipeline.errors import UserError
from pipeline.image_files import ImageFile

BATCH_PIXELS = 4_000_000
"""Pixels of a batch at most (a larger image goes alone), so that memory is bounded by the largest image."""


@dataclass(frozen=True)
class Summary:
    """What was done: number of images, and the folders that were written, by what they hold."""

    images: int
    folders: dict[str, Path]


def predict(model: Path, paths: Sequence[Path], out: Path, *, alpha: float = 0.5, batch_size: int = 8) -> Summary:
    """Write <out>/ids, <out>/colour and <out>/overlay, one PNG for each image in each.

    Class maps have the size of the image file: an EXIF orientation is not applied, neither to them nor to the overlay.

    Args:
        model: A SavedModel that Segline exported, or a folder of numbered versions, of which the highest is taken.
        paths: Images, and folders of images at any depth; see image_files.find.
        out: Folder for the results; made where it is missing, files of the same name are replaced.
        alpha: Strength of the overlay's colours, 0..1.
        batch_size: Images of one size that are computed at once, at most.

    Raises:
        UserError: A wrong argument; or, after all others are done, images that could not be read, each with the reason.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"alpha must be from 0 (the image alone) to 1 (the colours alone). Received: {alpha:g}.")
    saved_model = newest_version(model)
    told = facts.read(saved_model)
    files = image_files.find(paths, out)
    folders = {kind: out / kind for kind in ("ids", "colour", "overlay")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    classify = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    bad: list[str] = []
    with tqdm(total=len(files), unit=" images", desc="predict", ascii=" #") as bar:
        for batch in _batches(files, batch_size, bad, bar):
            classes = classify(images=tf.constant(np.stack([image for _, image in batch])))["classes"].numpy()
            for (file, image), mask in zip(batch, classes, strict=True):
                _write(folders, file, image, mask, told, alpha)
            bar.update(len(batch))
    done = len(files) - len(bad)
    print(f"{done} images with {saved_model}: {', '.join(map(str, folders.values()))}")
    if bad:
        raise UserError(f"{len(bad)} of {len(files)} images could not be read; all others are done:\n" + "\n".join(bad))
    return Summary(done, folders)


def newest_version(model: Path) -> Path:
    """Find the SavedModel in a folder: the folder itself, or its highest number as TensorFlow Serving chooses."""
    if (model / "saved_model.pb").is_file():
        return model
    numbers = [int(path.name) for path in model.glob("*") if path.name.isdecimal()]
    if numbers and (model / str(max(numbers)) / "saved_model.pb").is_file():
        return model / str(max(numbers))
    state = "there is no such folder" if not model.is_dir() else "it holds neither saved_model.pb nor numbered versions"
    raise UserError(
        f"{str(model)!r} is not a model: {state}. Give what `segline run` made, such as workspace/serving/<name> or "
        "workspace/serving/<name>/<version>."
    )


def _batches(files: Sequence[ImageFile], size: int, bad: list[str], bar: tqdm) -> Iterator[list[tuple[ImageFile, Any]]]:
    """Decode files and group neighbours of one size; a file that cannot be read is noted in `bad`."""
    batch: list[tuple[ImageFile, np.ndarray]] = []
    for file in files:
        try:
            image = decode(tf.constant(file.path.read_bytes())).numpy()
        except (OSError, tf.errors.InvalidArgumentError) as error:
            bad.append(f"  {file.path}: {_reason(error)}")
            bar.update(1)
            continue
        full = len(batch) == size or (len(batch) + 1) * image.shape[0] * image.shape[1] > BATCH_PIXELS
        if batch and (full or batch[0][1].shape != image.shape):
            yield batch
            batch = []
        batch.append((file, image))
    if batch:
        yield batch


def _write(
    folders: dict[str, Path], file: ImageFile, image: np.ndarray, mask: np.ndarray, told: dict[str, Any], alpha: float
) -> None:
    pictures = {
        "ids": mask,
        "colour": render.colour(mask, told["colours"]),
        "overlay": render.overlay(image, mask, told["colours"], alpha),
    }
    for kind, picture in pictures.items():
        path = folders[kind] / file.result
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)


def _reason(error: Exception) -> str:
    """Say in a few words why a file could not be read."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w+\]|name:\s*$", "", str(error)).strip()
    return text.splitlines()[0] if text else "not an image, or damaged"
