"""Convert files of any common kind for a record: 16 bits, transparency, bands, other formats, EXIF orientation."""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageOps

from datasets import colour_labels, labels, mat_labels
from datasets.audit import BadFileError, Kind, open_image, raise_damage
from datasets.image_folder import tiff_bands
from datasets.image_folder.sections import ALL_16_BITS

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM")
"""Formats that are read. All but PNG and JPEG are re-encoded as PNG."""

UNCHANGED = {"PNG": ("L", "RGB", "P", "1"), "JPEG": ("L", "RGB"), "MPO": ("L", "RGB")}
"""Pillow's modes per format that a record holds unchanged. MPO is a JPEG with further images, as some phones write."""

DEEP = ("I", "F")  # First letters of Pillow's modes with more than 8 bits per value
ORIENTATION = 0x0112  # The EXIF tag; 1 is upright
ROTATED_BY_PILLOW = ("TIFF",)  # Formats whose orientation Pillow always applies

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

UPRIGHT: Mapping[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),  # clockwise
    7: lambda pixels: np.rot90(pixels.swapaxes(0, 1), 2),
    8: np.rot90,
}
"""{orientation: what turns an array [H, W, ...] upright}."""

ORIENTATION_MARKS = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""A PNG with an orientation contains one of these, before or after its pixels."""

SWAPPED = (5, 6, 7, 8)  # Orientations that exchange height and width

ADVICE = (
    "say in the layout `image: {exif: apply}` if labels fit the image as a viewer shows it, or `exif: ignore` if they "
    "fit the pixels as stored"
)

SOFT_VALUES, SOFT_SHARE = 1, 0.5
"""Transparency of more values than this between none and full, in more than this share of the pixels, is no
transparency but a band: cut-outs are clear or opaque nearly everywhere."""

BITS_PER_SAMPLE = 258  # The TIFF tag: one number per channel


def record_image(content: bytes, low: float, high: float, exif: str, bands: Sequence[int] = ()) -> bytes:
    """Return the PNG or JPEG for the record: the file itself where possible, else a lossless PNG.

    Args:
        content: Bytes of an image file.
        low: Value of 16-bit and floating-point images that becomes 0.
        high: Value of 16-bit and floating-point images that becomes 255.
        exif: "apply" the EXIF orientation to the pixels, or "ignore" it.
        bands: Numbers, from 1, of the bands that become red, green and blue, or of the one that becomes grey. Empty:
            the colours of the file.

    Returns:
        A PNG or JPEG of 8 bits without transparency; or an unchanged PNG of 16-bit colour, which decoders reduce to its
        high bytes.

    Raises:
        BadFileError: Not an image, damaged, of several images, of 16-bit colour although a range is set, of bands that
            are not colours although `bands` is empty, or of fewer than `bands` asks for.
    """
    if bands:
        return _encode(_to_8_bits(_read_bands(content, bands, exif), low, high))
    with _open(content) as image:
        if (low, high) != ALL_16_BITS:
            _refuse_16_bit_colour(image, content, "`image.range` cannot be applied to it")
        rotated = exif == "apply" and _orientation(image, content) != 1
        if image.mode in UNCHANGED.get(image.format or "", ()) and not rotated:
            return content
        upright = _load(image, exif)
    if upright.mode.startswith(DEEP):
        return _encode(_to_8_bits(np.asarray(upright), low, high))
    if upright.mode not in ("L", "RGB"):
        _require_transparency(upright)
        upright = upright.convert("L" if upright.mode in ("1", "LA", "La") else "RGB")
    return _encode(upright)


def require_one_orientation(image: bytes, mask: bytes) -> None:
    """Raise BadFileError if EXIF turns an image and its mask differently, and sizes cannot tell which is right."""
    if fitting(image, mask) == {"apply", "ignore"}:
        turned, mask_turned = (orientation(content)[0] for content in (image, mask))
        raise BadFileError(Kind.ORIENTATION, f"orientation {turned}, of its mask {mask_turned}; {ADVICE}")


def fitting(image: bytes, mask: bytes) -> set[str]:
    """Return the values of `image.exif` by which a mask has the size of its image; none where EXIF turns both alike."""
    (turned, stored), (mask_turned, mask_stored) = orientation(image), orientation(mask)
    if turned == mask_turned:
        return set()
    upright, mask_upright = (
        size[::-1] if way in SWAPPED else size for way, size in ((turned, stored), (mask_turned, mask_stored))
    )
    return {name for name, fits in (("apply", upright == mask_upright), ("ignore", stored == mask_stored)) if fits}


def require_upright(image: bytes, _: bytes, *, sized: bool) -> None:
    """Raise BadFileError if EXIF turns an image, and no size tells whether its annotations fit it turned.

    `sized`: whether the annotations have the size of the image, which is compared when they are drawn.
    """
    turned, (height, width) = orientation(image)
    by_size = sized and turned in SWAPPED and height != width
    if turned not in (0, 1) and not by_size:
        raise BadFileError(Kind.ORIENTATION, f"orientation {turned}, of which its annotations say nothing; {ADVICE}")


def orientation(content: bytes) -> tuple[int, tuple[int, int]]:
    """Return the EXIF orientation of an image file, 1 if there is none, and its stored size, (height, width), pixels.

    Raises:
        BadFileError: Not an image, or damaged.
    """
    with open_image(content, FORMATS) as image:
        turned = _orientation(image, content)
        width, height = image.size
        swapped = image.format in ROTATED_BY_PILLOW and turned in SWAPPED  # Pillow gives the upright size
        return turned, (width, height) if swapped else (height, width)


def read_deep_pixels(content: bytes, bands: Sequence[int] = ()) -> np.ndarray | None:
    """Decode an image of more than 8 bits to its values, [H, W] or, of `bands`, [H, W, bands]; return None for 8 bits.

    Raises:
        BadFileError: Not an image, damaged, of several images, or of fewer than `bands` asks for.
    """
    if bands:
        pixels = _read_bands(content, bands, "ignore")
        return None if pixels.dtype == np.uint8 else pixels
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
    content: bytes, colours: colour_labels.Colours, exif: str, *, nearest: bool, other: int
) -> np.ndarray:
    """Decode a mask of colours to train ids, uint8 [H, W]; `other` is as in `map_exact`. Raises BadFileError."""
    rgb = read_rgb(content, exif)
    return colour_labels.map_nearest(rgb, colours) if nearest else colour_labels.map_exact(rgb, colours, other=other)


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


def _open(content: bytes) -> Image.Image:
    """Open an image of grey or of colours."""
    if tiff_bands.is_tiff(content):
        tiff_bands.require_colours(content)
    return open_image(content, FORMATS)


def _read_bands(content: bytes, bands: Sequence[int], exif: str) -> np.ndarray:
    """Decode the chosen bands: [H, W, 3] or [H, W], of the file's own dtype, upright where `exif` is "apply"."""
    if tiff_bands.is_tiff(content):
        turned, pixels = tiff_bands.orientation(content), tiff_bands.read(content)
    else:
        with open_image(content, FORMATS) as image, raise_damage():
            _refuse_16_bit_colour(image, content, "its bands cannot be chosen")
            turned = _orientation(image, content)
            pixels = np.atleast_3d(np.asarray(image.convert("RGB") if image.mode in ("P", "1") else image))
    if max(bands) > pixels.shape[2]:
        raise BadFileError(Kind.BANDS, f"it has {pixels.shape[2]}, `image.bands` asks for {list(bands)}")
    chosen = pixels[..., [band - 1 for band in bands]]
    chosen = chosen[..., 0] if len(bands) == 1 else chosen
    return np.ascontiguousarray(UPRIGHT[turned](chosen) if exif == "apply" and turned in UPRIGHT else chosen)


def _to_8_bits(pixels: np.ndarray, low: float, high: float) -> Image.Image:
    """Map `low` to 0 and `high` to 255; 8-bit values stay."""
    if pixels.dtype == np.uint8:
        return Image.fromarray(pixels)
    scaled = np.rint((pixels.astype(np.float64) - low) * (255 / (high - low)))
    return Image.fromarray(np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8))


def _encode(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, exif=b"")
    return file.getvalue()


def _require_transparency(image: Image.Image) -> None:
    """Raise BadFileError if what is declared as transparency holds as many values as a band of a picture."""
    if image.mode not in ("RGBA", "LA", "PA"):
        return
    counts = np.asarray(image.getchannel("A").histogram())[1:-1]
    if np.count_nonzero(counts) > SOFT_VALUES and counts.sum() > SOFT_SHARE * image.width * image.height:
        number = len(image.getbands())
        raise BadFileError(Kind.BANDS, f"band {number} of {number} is no transparency; {tiff_bands.advice(number)}")


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
