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
from datasets.sample_folder import Plan, Sampler

QUALITY = 92
"""Of the JPEG files."""


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan photographs; CCP's own rule says which is in which split, and its own are about 825 x 550."""
    spec = catalog.spec("ccp", config)
    drawn = numbers(count)
    splits = {split: sum(split_of(n) == split for n in drawn) for split in sample_folder.share(count)}
    folders = {"photos": count, "annotations/pixel-level": count}
    return Plan(spec.config, splits, folders, partial(_draw, drawn=drawn, seed=seed, size=size))


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


write = Sampler("ccp", layout="CCP's", version=1, size=(412, 275), plan=plan).write
