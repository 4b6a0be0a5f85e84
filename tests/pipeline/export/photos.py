"""Image files as cameras, scanners and tools leave them, of one picture."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112
HEIGHT, WIDTH = 24, 40


def upright(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Noise in the left half, red with noise in the right one."""
    pixels = np.random.default_rng(seed).integers(0, 90, (height, width, 3), np.uint8)
    pixels[:, width // 2 :, 0] += 160
    return Image.fromarray(pixels)


def mask(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Class 1 where the picture is red, uint8 [H,W]."""
    classes = np.zeros((height, width), np.uint8)
    classes[:, width // 2 :] = 1
    return classes


BACK = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turned(picture: Image.Image, kind: str, orientation: int, **options) -> bytes:
    """Encode a picture so that its EXIF orientation makes it upright."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    back = BACK[orientation]
    stored = picture if back is None else picture.transpose(back)
    file = io.BytesIO()
    stored.save(file, kind, exif=exif, **options)
    return file.getvalue()


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def deep(seed: int = 0) -> Image.Image:
    """A grey picture of 16 bits, whose low bytes count."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 65536, (HEIGHT, WIDTH), np.uint16))


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
