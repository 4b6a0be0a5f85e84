"""A street-fashion photograph: one person in focus before a blurred street."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datasets import scenes
from datasets.ccp import figure
from datasets.ccp.brush import Brush
from datasets.scenes.light import Light, develop
from datasets.scenes.noise import Noise


def draw(size: tuple[int, int], light: Light, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a photograph.

    Args:
        size: Height and width, pixels.
        light: The light of the scene.
        rng: Source of all other choices: equal generators give equal photographs.

    Returns:
        Image, uint8 [H, W, 3], and mask of CCP's ids, uint8 [H, W].
    """
    height, width = size
    picture = _street(size, light, rng)
    mask = Image.new("L", (width, height))
    tall = height * rng.uniform(0.74, 0.88)
    crown = (width * rng.uniform(0.42, 0.58), height * 0.97 - tall - height * rng.uniform(0, 0.05))
    _shadow(picture, crown, tall, light)
    figure.paint(Brush(picture, mask, crown, tall, Noise(rng)), rng)
    return develop(picture, light, rng), np.array(mask)


def _street(size: tuple[int, int], light: Light, rng: np.random.Generator) -> Image.Image:
    """Draw a street out of focus: at a third of the size, upsampled and blurred."""
    height, width = size
    small = (max(16, height // 3), max(16, width // 3))
    street = Image.fromarray(scenes.draw(small, light, rng)[0])
    blurred = street.resize((width, height), Image.Resampling.BILINEAR)
    return blurred.filter(ImageFilter.GaussianBlur(width * rng.uniform(0.004, 0.016)))


def _shadow(picture: Image.Image, crown: tuple[float, float], tall: float, light: Light) -> None:
    """Darken the ground under the figure and, in sunlight, beside it."""
    dark = Image.new("L", picture.size)
    pencil, (x, y) = ImageDraw.Draw(dark), (crown[0], crown[1] + 0.985 * tall)
    pencil.ellipse((x - 0.13 * tall, y - 0.015 * tall, x + 0.13 * tall, y + 0.02 * tall), fill=130)
    if light.direct > 0.3:
        away = -light.sun * tall
        pencil.polygon(
            [(x - 0.06 * tall, y), (x + 0.06 * tall, y), (x + 0.75 * away, y - 0.12 * tall),
             (x + 0.6 * away, y - 0.13 * tall)], fill=int(110 * light.direct)
        )  # fmt: skip
    picture.paste(
        Image.new("RGB", picture.size, (18, 18, 24)), mask=dark.filter(ImageFilter.GaussianBlur(0.008 * tall))
    )
