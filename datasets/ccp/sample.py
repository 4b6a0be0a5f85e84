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
"""JPEG quality."""


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan photographs, whose numbers determine their splits, as in CCP. Real ones are about 825 x 550 pixels."""
    spec = catalog.spec("ccp", config)
    drawn = choose_numbers(count)
    splits = {split: sum(split_of(n) == split for n in drawn) for split in sample_folder.split_sizes(count)}
    folders = {"photos": count, "annotations/pixel-level": count}
    return Plan(spec.config, splits, folders, partial(_draw, drawn=drawn, seed=seed, size=size))


def choose_numbers(count: int) -> list[int]:
    """Return numbers of which 60 % are train, 25 % val, 15 % test; of consecutive numbers, 80, 10 and 10 % are."""
    free = range(1, 10 * count + 11)
    sizes = sample_folder.split_sizes(count)
    chosen = ([n for n in free if split_of(n) == split][:number] for split, number in sizes.items())
    return sorted(n for numbers in chosen for n in numbers)


def draw_photograph(seed: int, number: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw a photograph: image, uint8 [H, W, 3], and mask of CCP's ids, uint8 [H, W]."""
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
        image, mask = draw_photograph(seed, number, size)
        Image.fromarray(image).save(folder / "photos" / f"{number:04d}.jpg", quality=QUALITY)
        scipy.io.savemat(masks / f"{number:04d}.mat", {"groundtruth": mask}, do_compression=True)
        yield


write = Sampler("ccp", layout="CCP's", version=1, size=(412, 275), plan=plan).write
