"""Convert files of any common kind for a record: 16 bits, transparency, other formats, EXIF orientation."""

import io

import numpy as np
from PIL import Image, ImageOps

from datasets import colour_labels, labels, mat_labels
from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.image_folder.sections import ALL_16_BITS
from datasets.spec import IGNORE

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""Formats that are read. All but PNG and JPEG are re-encoded as PNG."""

UNCHANGED = {"PNG": ("L", "RGB", "P", "1"), "JPEG": ("L", "RGB"), "MPO": ("L", "RGB")}
"""Pillow's modes per format that a record holds unchanged. MPO is a JPEG with further images, as some phones write."""

DEEP = ("I", "F")
"""First letters of Pillow's modes with more than 8 bits per value."""

ORIENTATION = 0x0112
"""The EXIF tag; 1 is upright."""

ROTATED_BY_PILLOW = ("TIFF",)
"""Formats whose orientation Pillow always applies."""

INVERSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""{orientation: transposition that reverts it}."""

ORIENTATION_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG with an orientation contains one of these, before or after its pixels."""

BITS_PER_SAMPLE = 258
"""The TIFF tag: one number per channel."""


def record_image(content: bytes, low: float, high: float, exif: str) -> bytes:
    """Return the PNG or JPEG for the record: the file itself where possible, else a lossless PNG.

    Args:
        content: Bytes of an image file.
        low: Value of 16-bit and floating-point images that becomes 0.
        high: Value of 16-bit and floating-point images that becomes 255.
        exif: "apply" the EXIF orientation to the pixels, or "ignore" it.

    Returns:
        A PNG or JPEG of 8 bits without transparency; or an unchanged PNG of 16-bit colour, which decoders reduce to its
        high bytes.

    Raises:
        BadFileError: Not an image, damaged, or of 16-bit colour although a range is set.
    """
    with open_image(content, FORMATS) as image:
        if (low, high) != ALL_16_BITS:
            _refuse_16_bit_colour(image, content, "`image.range` cannot be applied to it")
        rotated = exif == "apply" and _orientation(image, content) != 1
        if image.mode in UNCHANGED.get(image.format or "", ()) and not rotated:
            return content
        upright = _load(image, exif)
    pixels = np.asarray(upright)
    if upright.mode.startswith(DEEP):
        scaled = np.rint((pixels.astype(np.float64) - low) * (255 / (high - low)))
        upright = Image.fromarray(np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8))
    elif upright.mode not in ("L", "RGB"):
        upright = upright.convert("L" if upright.mode in ("1", "LA", "La") else "RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=1, exif=b"")
    return file.getvalue()


def read_deep_pixels(content: bytes) -> np.ndarray | None:
    """Decode an image of more than 8 bits to its values, [H, W]; return None for 8 bits. Raises BadFileError."""
    with open_image(content, FORMATS) as image:
        return np.asarray(_load(image, "ignore")) if image.mode.startswith(DEEP) else None


def read_id_mask(content: bytes, table: np.ndarray, exif: str) -> np.ndarray:
    """Decode a mask of raw ids to train ids, uint8 [H, W]; `table` is a `labels.id_table`. Raises BadFileError."""
    return labels.lookup(read_ids(content, exif), table)


def read_mat_mask(content: bytes, table: np.ndarray, key: str) -> np.ndarray:
    """Decode a .mat mask to train ids, uint8 [H, W]; `table` is a `labels.id_table`. Raises BadFileError."""
    return labels.lookup(mat_labels.read(content, key), table)


def read_threshold_mask(content: bytes, at: int, exif: str) -> np.ndarray:
    """Decode a grey mask to 1 where it is at least `at` (0..255), else 0: uint8 [H, W]. Raises BadFileError."""
    upright = _read_mask(content, exif)
    if upright.mode.startswith("I"):
        return (np.asarray(upright) >= at * 257).astype(np.uint8)  # 16 bits: 255 * 257 is 65535
    return (np.asarray(upright.convert("L")) >= at).astype(np.uint8)


def read_colour_mask(
    content: bytes, colours: colour_labels.Colours, exif: str, *, nearest: bool, ignore_others: bool
) -> np.ndarray:
    """Decode a mask of colours to train ids, uint8 [H, W]. Raises BadFileError."""
    rgb = read_rgb(content, exif)
    if nearest:
        return colour_labels.map_nearest(rgb, colours)
    return colour_labels.map_exact(rgb, colours, other=IGNORE if ignore_others else labels.INVALID)


def read_ids(content: bytes, exif: str) -> np.ndarray:
    """Decode a mask to raw ids, [H, W], an integer dtype: grey, a palette's indices, or the same in each channel.

    Raises:
        BadFileError: Not an image, damaged, of 16-bit colour, of numbers that are not whole, or its channels differ.
    """
    pixels = np.asarray(_read_mask(content, exif))
    if pixels.ndim == 2:
        return pixels.astype(np.uint8) if pixels.dtype == bool else labels.to_integers(pixels, "it")
    first, channels = pixels[..., 0], pixels.shape[2]
    # The second of two channels, and the fourth of four, is transparency.
    if channels > 2 and not all((pixels[..., channel] == first).all() for channel in (1, 2)):
        raise BadFileError(
            Kind.MASK_CHANNELS, f"its {channels} channels differ; a mask of colours needs `read: colours`"
        )
    return first


def read_rgb(content: bytes, exif: str) -> np.ndarray:
    """Decode a mask to its colours, uint8 [H, W, 3]; transparency is dropped. Raises BadFileError."""
    return np.asarray(_read_mask(content, exif).convert("RGB"))


def _read_mask(content: bytes, exif: str) -> Image.Image:
    with open_image(content, FORMATS) as image:
        _refuse_16_bit_colour(image, content, "its low bytes cannot be read")
        return _load(image, exif)


def _refuse_16_bit_colour(image: Image.Image, content: bytes, why: str) -> None:
    """Raise BadFileError for 16-bit colour, of which Pillow reads only the high bytes, as it has no such mode."""
    if image.format == "PNG":
        deep = content[24] > 8 and content[25] != 0  # IHDR: bit depth, colour type; 0 is grey
    else:
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
        deep = max(bits) > 8 and not image.mode.startswith(DEEP)
    if deep:
        advice = "convert it to 8 bits, or to grey without transparency"
        raise BadFileError(Kind.DEPTH, f"{why}; {advice}")


def _orientation(image: Image.Image, content: bytes) -> int:
    """Return the EXIF orientation. Pillow decodes a whole PNG to find it, which is avoided where there is none."""
    if image.format == "PNG" and not any(mark in content for mark in ORIENTATION_MARKS):
        return 1
    with raise_damage():
        return image.getexif().get(ORIENTATION, 1)


def _load(image: Image.Image, exif: str) -> Image.Image:
    with raise_damage():
        applied = image.getexif().get(ORIENTATION, 1) if image.format in ROTATED_BY_PILLOW else 1
        image.load()
        if exif == "apply":
            return ImageOps.exif_transpose(image)
        return image.transpose(INVERSE[applied]) if applied in INVERSE else image
