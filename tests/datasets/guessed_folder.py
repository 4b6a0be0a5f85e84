"""Helpers that guess the layout of a folder as init does, and read it as ingest does."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from datasets.image_folder import folder, guess, layout
from datasets.image_folder.image_folder_dataset_builder import Builder
from datasets.raw import RawFolder
from tests.datasets.described_folder import encoded

RNG = np.random.default_rng(0)
PHOTO = encoded(RNG.integers(0, 256, (8, 6, 3)).astype(np.uint8))
ALL = {"ratios": {"train": 1.0}}


def mask(*pixels: int, value: int = 255) -> bytes:
    """A mask of 8 x 6 in which the pixels of these numbers are of the object."""
    flat = np.zeros(48, np.uint8)
    flat[list(pixels)] = value
    return encoded(flat.reshape(8, 6))


def guessed(root: Path) -> tuple[layout.Layout, str, dict]:
    """Return the layout as read from the file that init writes, the notes, and the splits that ingest finds."""
    result = guess.guess(root)
    (root / "segline.yaml").write_text(result.text(), encoding="utf-8")
    read = layout.read(root / "segline.yaml")
    return read, "\n".join(result.notes), folder.find(RawFolder(root), read)


def built(root: Path, out: Path, **options) -> dict[str, np.ndarray]:
    """Return {id: label} of all records that ingest writes."""
    builder = Builder(layout=root / "segline.yaml", data_dir=out, **options)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=root, try_download_gcs=False))
    return {
        example["id"].decode(): example["label"][..., 0]
        for split in builder.info.splits
        for example in tfds.as_numpy(builder.as_dataset(split=split))
    }
