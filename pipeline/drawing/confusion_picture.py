"""A confusion matrix as a picture, drawn with Pillow only."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.drawing.render import INK, PAPER, drawable

CELL, PAD, FONT_SIZE = 30, 6, 12
FULL = (0, 90, 160)
"""RGB of a share of 1; a share of 0 is white."""


def draw(matrix: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Draw a confusion matrix, each row as shares of the true class's pixels.

    Args:
        matrix: int64 [C,C], pixel counts; rows truth, columns prediction.
        classes: C names.

    Returns:
        uint8 [H,W,3]: names to the left (truth) and upright above (prediction), each share in its cell in per cent.
        The row of a class without pixels is empty.
    """
    font, classes = ImageFont.load_default(FONT_SIZE), [drawable(name) for name in classes]
    margin = round(max(font.getlength(name) for name in classes)) + 2 * PAD
    side = margin + CELL * len(classes) + PAD
    picture = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(picture)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row, name in enumerate(classes):
        middle = margin + CELL * row + CELL // 2
        pen.text((margin - PAD, middle), name, fill=INK, font=font, anchor="rm")
        _write_upright(picture, name, middle, margin - PAD, font)
        for column, share in enumerate(shares[row]):
            left, top = margin + CELL * column, margin + CELL * row
            pen.rectangle((left, top, left + CELL - 2, top + CELL - 2), fill=_shade(share))
            if share >= 0.005:
                ink = PAPER if share > 0.5 else INK
                centre = (left + CELL // 2 - 1, top + CELL // 2)
                pen.text(centre, f"{100 * share:.0f}", fill=ink, font=font, anchor="mm")
    return np.asarray(picture)


def _write_upright(
    picture: Image.Image, text: str, middle: int, bottom: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> None:
    """Write text bottom to top, starting at row `bottom`, centred on column `middle`."""
    strip = Image.new("RGB", (round(font.getlength(text)) + 2, FONT_SIZE + 4), PAPER)
    ImageDraw.Draw(strip).text((1, 1), text, fill=INK, font=font)
    rotated = strip.rotate(90, expand=True)
    picture.paste(rotated, (middle - rotated.width // 2, bottom - rotated.height))


def _shade(share: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 + (full - 255) * float(share)) for full in FULL)
    return red, green, blue
