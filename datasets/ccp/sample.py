"""Sample data in CCP's own layout: drawn street-fashion photographs with exact masks."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from datasets import catalog, sample_folder, scenes
from datasets.ccp import scene
from datasets.ccp.classes import CLASSES, split_of

VERSION = 1
"""Raise it with every change of what is drawn, so that older samples are not taken for today's."""

QUALITY = 92
"""Of the JPEG files."""


def write(
    out: Path,
    *,
    count: int,
    seed: int,
    size: tuple[int, int] = (412, 275),
    config: str | None = None,
    dry_run: bool = False,
) -> dict[str, int]:
    """Write sample data; see datasets.sample_folder.

    Args:
        out: Folder to make.
        count: Number of photographs over all splits; which is in which is CCP's own rule.
        seed: Photograph i is a function of (seed, i) alone.
        size: Height and width, pixels; CCP's are about 825 x 550.
        config: Configuration whose layout it is; None: the first.
        dry_run: Say what would be drawn and draw nothing.

    Returns:
        Number of photographs of each split.

    Raises:
        DatasetError: A setting makes no sense, or `out` holds something else.
    """
    spec = catalog.spec("ccp", config)
    sample_folder.check(count=count, seed=seed, size=size)
    drawn = numbers(count)
    sample_folder.write(
        out,
        partial(_draw, drawn=drawn, seed=seed, size=size),
        stamp={
            "dataset": spec.name,
            "config": spec.config,
            "version": VERSION,
            "count": count,
            "seed": seed,
            "size": list(size),
        },
        folders={"photos": count, "annotations/pixel-level": count},
        layout="CCP's",
        dry_run=dry_run,
    )
    return {split: sum(split_of(n) == split for n in drawn) for split in sample_folder.share(count)}


def numbers(count: int) -> list[int]:
    """Choose which of CCP's numbers are drawn: 60 % train, 25 % val, 15 % test, where its own rule gives 80, 10, 10."""
    shares = sample_folder.share(count)
    free = range(1, 10 * count + 11)
    chosen = ([n for n in free if split_of(n) == split][:number] for split, number in shares.items())
    return sorted(n for of_split in chosen for n in of_split)


def photograph(seed: int, number: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a photograph: image uint8 [H,W,3] and mask uint8 [H,W] of CCP's ids."""
    rng = np.random.default_rng([seed, number])
    return scene.draw(size, scenes.weather(rng), rng)


def _draw(folder: Path, *, drawn: list[int], seed: int, size: tuple[int, int]) -> Iterator[None]:
    masks = folder / "annotations" / "pixel-level"
    masks.mkdir(parents=True)
    (folder / "photos").mkdir()
    names = np.empty((1, len(CLASSES)), object)
    names[0] = [np.array([name]) for name in CLASSES]
    scipy.io.savemat(folder / "label_list.mat", {"label_list": names}, do_compression=True)
    for number in drawn:
        image, mask = photograph(seed, number, size)
        Image.fromarray(image).save(folder / "photos" / f"{number:04d}.jpg", quality=QUALITY)
        scipy.io.savemat(masks / f"{number:04d}.mat", {"groundtruth": mask}, do_compression=True)
        yield
