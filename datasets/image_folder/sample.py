"""Sample data of a user's own folder: small, grey seismic images with masks of salt."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import sample_folder
from datasets.errors import DatasetError
from datasets.sample_folder import Plan, Sampler
from datasets.scenes.noise import Noise

CONFIGS = ("salt",)

LAYOUT = """\
# How Segline reads this folder. `segline init` would write much the same.
images: images/{{id}}.png
masks: masks/{{id}}.png
splits: {{lists: {{{lists}}}}}
mask: {{read: ids}}
classes:
  - {{name: sediment, raw: 0, colour: [40, 44, 52]}}
  - {{name: salt, raw: 65535, colour: [236, 212, 150]}}
licence: Drawn by Segline, which is Apache-2.0.
"""


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan images as in Kaggle's TGS salt competition: 8-bit grey images, 16-bit masks of 0 and 65535."""
    if config not in (None, *CONFIGS):
        raise DatasetError(f"image_folder has no sample {config!r} (--config). Allowed: {', '.join(CONFIGS)}.")
    splits = sample_folder.split_sizes(count)
    draw = partial(_draw, splits=splits, seed=seed, size=size)
    return Plan(CONFIGS[0], splits, {"images": count, "masks": count}, draw)


def draw_scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw layers of rock, and in most images a dome of salt that bends them.

    Returns:
        Image, uint8 [H, W], and mask of 0 and 65535, uint16 [H, W].
    """
    rng = np.random.default_rng([seed, index])
    noise = Noise(rng)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    x, y = x * (101 / size[1]), y * (101 / size[0])
    offset = rng.integers(0, 200, 2)
    wobble = noise.at(noise.soft, x * 0.5 + offset[0], y * 0.1 + offset[1])
    salt = np.zeros(size, bool)
    lift = np.zeros(size, np.float32)
    if rng.random() < 0.75:
        middle, wide, top = rng.uniform(10, 90), rng.uniform(14, 45), rng.uniform(10, 75)
        roof = top + 60 * ((x - middle) / wide) ** 2 + 5 * noise.at(noise.soft, x * 0.9, y * 0 + offset[0])
        salt = y > roof
        lift = 22 * np.exp(-(((x - middle) / wide) ** 2)) * np.exp(-np.abs(y - roof) / 30)
    depth = y + lift + rng.uniform(-0.25, 0.25) * x + 4 * wobble
    strata = sum(
        rng.uniform(0.4, 1) * np.sin(depth * (2 * np.pi / period) + rng.uniform(0, 6))
        for period in rng.uniform(4, 22, 4)
    )
    rock = 118 + 22 * strata + 9 * noise.at(noise.fine, x * 2, y)
    inside = 112 + 9 * noise.at(noise.soft, x * 3, y * 3) + 12 * noise.at(noise.fine, x * 2 + 50, y * 2)
    edge = np.abs(np.gradient(salt.astype(np.float32), axis=0)) * 70
    image = np.where(salt, inside, rock) + edge
    return np.clip(image, 0, 255).astype(np.uint8), salt.astype(np.uint16) * 65535


def _draw(folder: Path, *, splits: dict[str, int], seed: int, size: tuple[int, int]) -> Iterator[None]:
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for index in range(sum(splits.values())):
        image, mask = draw_scene(seed, index, size)
        Image.fromarray(image).save(folder / "images" / f"{index:06x}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index:06x}.png")
        yield
    first = 0
    for split, number in splits.items():
        ids = "".join(f"{index:06x}\n" for index in range(first, first + number))
        (folder / f"{split}.txt").write_text(ids, encoding="ascii")
        first += number
    lists = ", ".join(f"{split}: {split}.txt" for split in splits)
    (folder / "segline.yaml").write_text(LAYOUT.format(lists=lists), encoding="utf-8")


write = Sampler("image_folder", layout="a folder's own", version=1, size=(101, 101), plan=plan).write
