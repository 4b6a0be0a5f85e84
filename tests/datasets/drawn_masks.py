"""Masks that are drawn for tests of what `init` takes for classes."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from datasets.image_folder import guess, masks
from datasets.image_folder.meaning import Meaning
from datasets.raw import RawFolder
from tests.datasets.described_folder import encoded, put

LARGE = (192, 256)
"""Height and width before masks are made smaller."""

RED_BLUE = ((0, 0, 0), (255, 0, 0), (0, 0, 255))
GREYS = (0, 128, 255)


def shapes(number: int = 6, classes: int = 3, size: tuple[int, int] = LARGE, seed: int = 0) -> list[np.ndarray]:
    """Draw discs of the classes 1, 2, ... on 0, two of each: uint8 [H, W]."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(number):
        image = Image.new("L", size[::-1], 0)
        for class_ in [*range(1, classes)] * 2:
            radius, x, y = rng.integers(12, 36), rng.integers(size[1]), rng.integers(size[0])
            ImageDraw.Draw(image).ellipse([x - radius, y - radius, x + radius, y + radius], fill=class_)
        drawn.append(np.asarray(image))
    return drawn


def paint(ids: np.ndarray, values: Sequence) -> np.ndarray:
    return np.asarray(values, np.uint8)[ids]


def shrink(pixels: np.ndarray, factor: int = 4, filter_: Image.Resampling = Image.Resampling.BOX) -> np.ndarray:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((image.width // factor, image.height // factor), filter_))


def meaning(root: Path, contents: Sequence[bytes], suffix: str = "png") -> Meaning:
    names = [f"{index:03d}.{suffix}" for index in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        put(root, name, content=content)
    return masks.guess(RawFolder(root), names)


def raws(result: Meaning) -> list:
    return [raw for raw, _ in result.classes]


def indexed(ids: np.ndarray, *colours: tuple[int, int, int], kind: str = "PNG", **options) -> bytes:
    """Encode indices with a palette."""
    image = Image.frombytes("P", ids.shape[::-1], ids.astype(np.uint8).tobytes())
    image.putpalette(np.array(colours, np.uint8).ravel().tolist())
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def described(root: Path, contents: Sequence[bytes], **lists: str) -> guess.Guess:
    """Write masks, images and lists of names, and guess their layout."""
    for index, content in enumerate(contents):
        put(root, f"masks/{index}.png", content=content)
        put(root, f"images/{index}.png", content=encoded(np.zeros((8, 8), np.uint8)))
    for name, text in lists.items():
        (root / f"{name}.txt").write_text(text)
    return guess.guess(root)
