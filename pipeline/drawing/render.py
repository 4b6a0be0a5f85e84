"""Draw masks, with NumPy and Pillow only.

Every image here is uint8 [H,W,3] RGB; every mask is uint8 [H,W] of train ids, 255 = ignored. Ignored pixels are striped
in colour masks and error maps, which no class is, and transparent in overlays.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from datasets.spec import IGNORE

Colour = tuple[int, int, int]
Colours = Sequence[Colour]

Entry = tuple[str, Colour | None]
"""A text of a legend and its colour; None: hatched."""

PAPER = (255, 255, 255)
INK = (32, 33, 36)
RIGHT = (226, 228, 232)
WRONG = (213, 94, 0)
"""Vermilion of Okabe and Ito's palette (2008): distinct from grey in every kind of colour vision."""

FONT_SIZE = 13
SWATCH = 14
PAD = 6


def colour(mask: np.ndarray, colours: Colours) -> np.ndarray:
    """Paint a mask in the dataset's colours.

    Args:
        mask: uint8 [H,W] of train ids.
        colours: One (red, green, blue) for each class.

    Returns:
        uint8 [H,W,3]; ignored pixels are striped.

    Raises:
        ValueError: The mask holds an id that is neither a class nor 255.

    >>> colour(np.array([[1, 255]], np.uint8), [(0, 0, 0), (255, 128, 0)]).tolist()
    [[[255, 128, 0], [32, 33, 36]]]
    """
    unknown = np.setdiff1d(np.unique(mask), [*range(len(colours)), IGNORE])
    if unknown.size:
        raise ValueError(
            f"`mask` must hold ids below {len(colours)}, or {IGNORE} for ignored. Received: {unknown.tolist()}."
        )
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours
    return hatch(palette[mask], mask == IGNORE)


def overlay(image: np.ndarray, mask: np.ndarray, colours: Colours, alpha: float = 0.5) -> np.ndarray:
    """Blend a mask's colours over its image; ignored pixels show the image.

    Args:
        image: uint8 [H,W,3].
        mask: uint8 [H,W] of train ids.
        colours: One (red, green, blue) for each class.
        alpha: Weight of the colours, 0..1.

    >>> overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), [(200, 100, 0)], alpha=0.5).tolist()
    [[[100, 50, 0]]]
    """
    mixed = (1 - alpha) * image.astype(np.float32) + alpha * colour(mask, colours)
    return np.where((mask == IGNORE)[..., None], image, np.rint(mixed).astype(np.uint8))


def hatch(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Draw black and white stripes where the mask bool [H,W] is True; uint8 [H,W,3], a copy."""
    stripe = np.add.outer(np.arange(where.shape[0]), np.arange(where.shape[1])) % 10
    hatched = picture.copy()
    hatched[where & (stripe < 2)], hatched[where & (stripe >= 2) & (stripe < 4)] = INK, PAPER
    return hatched


def error_map(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Draw wrong pixels vermilion, right ones light grey and ignored ones striped; both masks uint8 [H,W]."""
    picture = np.where((truth == prediction)[..., None], RIGHT, WRONG).astype(np.uint8)
    return hatch(picture, truth == IGNORE)


def side_by_side(images: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Lay out images in a row on white, `gap` pixels apart, tops aligned."""
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images) + gap * (len(images) - 1)
    picture = np.full((height, width, 3), PAPER, np.uint8)
    left = 0
    for image in images:
        picture[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + gap
    return picture


def stack(images: Sequence[np.ndarray], gap: int = 4) -> np.ndarray:
    """Lay out images in a column on white, `gap` pixels apart, left edges aligned."""
    transposed = [image.transpose(1, 0, 2) for image in images]
    return side_by_side(transposed, gap).transpose(1, 0, 2)


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """Write one line of text above an image, clipped to its width."""
    strip = Image.new("RGB", (image.shape[1], FONT_SIZE + PAD), PAPER)
    ImageDraw.Draw(strip).text((1, 1), drawable(text), fill=INK, font=font())
    return stack([np.asarray(strip), image], gap=0)


def legend(classes: Sequence[str], colours: Colours, width: int) -> np.ndarray:
    """Draw a swatch and a name for each class and for ignored pixels, in as many columns as fit `width` pixels.

    Returns:
        uint8 [H,width,3]; the height follows from the number of rows.
    """
    return entries([*zip(classes, colours, strict=True), ("ignored", None)], width)


def entries(items: Iterable[Entry], width: int, *, scale: int = 1) -> np.ndarray:
    """Draw a swatch and a text for each entry, `scale` times as large, in as many columns as fit `width` pixels.

    Returns:
        uint8 [H,W,3]; W is `width`, or more where the longest text needs it.
    """
    items, face = [(drawable(text), fill) for text, fill in items], font(scale)
    swatch, pad = scale * SWATCH, scale * PAD
    cell = swatch + 2 * pad + int(max(face.getlength(text) for text, _ in items)) + pad
    columns = max(1, width // cell)
    row = swatch + pad
    picture = Image.new("RGB", (max(width, cell), -(-len(items) // columns) * row + pad), PAPER)
    draw = ImageDraw.Draw(picture)
    for index, (text, fill) in enumerate(items):
        left, top = index % columns * cell, index // columns * row + pad
        if fill is None:
            blank = np.full((swatch, swatch, 3), (128, 128, 128), np.uint8)
            picture.paste(Image.fromarray(hatch(blank, np.ones((swatch, swatch), bool))), (left, top))
        box = (left, top, left + swatch, top + swatch - 1)
        draw.rectangle(box, fill=None if fill is None else tuple(fill), outline=INK)
        draw.text((left + swatch + pad, top - 2 * scale), text, fill=INK, font=face)
    return np.asarray(picture)


def fit(picture: np.ndarray, width: int) -> np.ndarray:
    """Scale an image or a mask towards `width`: a wider one shrinks to it, others grow by the largest whole factor."""
    if picture.shape[1] <= width:
        factor = width // picture.shape[1]
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)
    return shrink(picture, width)


def shrink(picture: np.ndarray, width: int) -> np.ndarray:
    """Scale an image [H,W,3] or a mask [H,W] wider than `width` down to it; a mask keeps its ids."""
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    method = Image.Resampling.NEAREST if picture.ndim == 2 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(picture).resize((width, height), method))


def drawable(text: str) -> str:
    r"""Replace the signs that the font lacks, which would be drawn as boxes, by their escapes.

    >>> drawable("Mitte"), drawable("\u8f66 1").isascii()
    ('Mitte', True)
    """
    face = font()
    box = bytes(face.getmask("\uffff"))
    return "".join(
        sign if sign.isascii() or bytes(face.getmask(sign)) != box else sign.encode("unicode_escape").decode()
        for sign in text
    )


def font(scale: int = 1) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's built-in font, `scale` times as large, so that no font has to be installed."""
    return ImageFont.load_default(scale * FONT_SIZE)
