"""Files as people have them -> what a record can hold: 16 bits, transparency, other formats, EXIF orientation."""

import io

import numpy as np
from PIL import Image, ImageOps

from datasets import colour_labels, labels, mat_labels
from datasets.audit import BadFileError, Kind, check_png
from datasets.image_folder.sections import ALL_16_BITS
from datasets.spec import IGNORE

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""What is read. All but PNG and JPEG are encoded anew, as PNG."""

AS_IT_IS = {"PNG": ("L", "RGB", "P", "1"), "JPEG": ("L", "RGB"), "MPO": ("L", "RGB")}
"""Modes of each format that a record may hold unchanged. MPO is what some telephones write: a JPEG, and more."""

DEEP = ("I", "F")
"""How modes begin of which a pixel is a number of more than 8 bits."""

ORIENTATION = 0x0112
"""The EXIF tag; 1 is upright."""

TURNED_WHEN_READ = ("TIFF",)
"""Formats that Pillow turns as their orientation says, whether asked to or not."""

BACK = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What undoes each orientation."""

TELLERS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""What a PNG that says its orientation holds, before its pixels or after them."""

BITS_PER_SAMPLE = 258
"""The TIFF tag: a number for each channel."""


def record_image(content: bytes, low: float, high: float, exif: str) -> bytes:
    """Give the PNG or JPEG that the record holds; what is fit for it comes back unchanged.

    Args:
        content: An image file.
        low: Value of a 16-bit or floating-point pixel that becomes 0.
        high: Value that becomes 255.
        exif: "apply" turns the picture as its orientation says, "ignore" does not.

    Returns:
        A PNG or JPEG, of 8 bits unless it is a PNG of 16-bit colour, of which all who decode it see the high bytes;
        transparency is dropped.

    Raises:
        BadFileError: No image, damaged, or of 16-bit colour where a range is to be applied.
    """
    with _opened(content) as image:
        if (low, high) != ALL_16_BITS:
            _refuse_16_bit_colour(image, content, "`image.range` cannot be applied to it")
        turned = exif == "apply" and _orientation(image, content) != 1
        if image.mode in AS_IT_IS.get(image.format or "", ()) and not turned:
            return content
        upright = _loaded(image, exif)
    pixels = np.asarray(upright)
    if upright.mode.startswith(DEEP):
        scaled = np.rint((pixels.astype(np.float64) - low) * (255 / (high - low)))
        upright = Image.fromarray(np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8))
    elif upright.mode not in ("L", "RGB"):
        upright = upright.convert("L" if upright.mode in ("1", "LA", "La") else "RGB")
    file = io.BytesIO()
    upright.save(file, "PNG", compress_level=1, exif=b"")
    return file.getvalue()


def deep_pixels(content: bytes) -> np.ndarray | None:
    """Give the values [H, W] of an image to which a range applies; None for one of 8 bits. Raises BadFileError."""
    with _opened(content) as image:
        return np.asarray(_loaded(image, "ignore")) if image.mode.startswith(DEEP) else None


def mask_of_ids(content: bytes, table: np.ndarray, exif: str) -> np.ndarray:
    """Read a mask of raw ids as train ids, uint8 [H, W]; `table` as of labels.id_table. Raises BadFileError."""
    return labels.lookup(raw_ids(content, exif), table)


def mask_of_mat(content: bytes, table: np.ndarray, key: str) -> np.ndarray:
    """Read a .mat mask as train ids, uint8 [H, W]. Raises BadFileError."""
    return labels.lookup(mat_labels.read(content, key), table)


def mask_by_threshold(content: bytes, at: int, exif: str) -> np.ndarray:
    """Read a grey mask: 1 from `at` on, 0 below, uint8 [H, W]. Raises BadFileError."""
    upright = _mask(content, exif)
    if upright.mode.startswith("I"):
        return (np.asarray(upright) >= at * 257).astype(np.uint8)
    return (np.asarray(upright.convert("L")) >= at).astype(np.uint8)


def mask_of_colours(
    content: bytes, colours: colour_labels.Colours, exif: str, *, nearest: bool, ignore_others: bool
) -> np.ndarray:
    """Read a mask of colours as train ids, uint8 [H, W]. Raises BadFileError."""
    rgb = rgb_pixels(content, exif)
    if nearest:
        return colour_labels.nearest(rgb, colours)
    return colour_labels.exact(rgb, colours, other=IGNORE if ignore_others else labels.INVALID)


def raw_ids(content: bytes, exif: str) -> np.ndarray:
    """Read a mask's raw ids, an integer dtype [H, W]: of grey, of a palette, or the same in each channel.

    Raises:
        BadFileError: No image, damaged, of 16-bit colour, of numbers that are not whole, or its channels differ.
    """
    pixels = np.asarray(_mask(content, exif))
    if pixels.ndim == 2:
        return pixels.astype(np.uint8) if pixels.dtype == bool else labels.whole_numbers(pixels, "it")
    first, channels = pixels[..., 0], pixels.shape[2]
    # Of two channels the second is transparency, as the fourth is.
    if channels > 2 and not all((pixels[..., channel] == first).all() for channel in (1, 2)):
        raise BadFileError(
            Kind.MASK_CHANNELS, f"its {channels} channels differ; a mask of colours needs `read: colours`"
        )
    return first


def rgb_pixels(content: bytes, exif: str) -> np.ndarray:
    """Read colours, uint8 [H, W, 3]; transparency is dropped. Raises BadFileError."""
    return np.asarray(_mask(content, exif).convert("RGB"))


def _mask(content: bytes, exif: str) -> Image.Image:
    with _opened(content) as image:
        _refuse_16_bit_colour(image, content, "its low bytes cannot be read")
        return _loaded(image, exif)


def _opened(content: bytes) -> Image.Image:
    check_png(content)
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise BadFileError(Kind.NOT_AN_IMAGE, f"{len(content)} bytes, none of {', '.join(FORMATS)}") from error
    except Exception as error:  # what Pillow raises depends on where the damage lies
        raise BadFileError(Kind.DAMAGED, str(error)) from error


def _refuse_16_bit_colour(image: Image.Image, content: bytes, why: str) -> None:
    """Raise BadFileError where Pillow gives the high bytes alone: it has no mode for more than 8 bits of a colour."""
    if image.format == "PNG":
        deep = content[24] > 8 and content[25] != 0  # IHDR: bits, kind of colour; 0 is grey
    else:
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
        deep = max(bits) > 8 and not image.mode.startswith(DEEP)
    if deep:
        advice = "convert it to 8 bits, or to grey without transparency"
        raise BadFileError(Kind.DEPTH, f"{why}; {advice}")


def _orientation(image: Image.Image, content: bytes) -> int:
    """Give the EXIF orientation. Pillow decodes a PNG to look for it, so that is done only where there is one."""
    if image.format == "PNG" and not any(teller in content for teller in TELLERS):
        return 1
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # what Pillow raises depends on where the damage lies
        raise BadFileError(Kind.DAMAGED, str(error)) from error


def _loaded(image: Image.Image, exif: str) -> Image.Image:
    try:
        turned = image.getexif().get(ORIENTATION, 1) if image.format in TURNED_WHEN_READ else 1
        image.load()
        if exif == "apply":
            return ImageOps.exif_transpose(image)
        return image.transpose(BACK[turned]) if turned in BACK else image
    except Exception as error:  # as above
        raise BadFileError(Kind.DAMAGED, str(error)) from error
