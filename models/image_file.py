"""Decoding of image files in the graph. Untrusted files are checked by their headers before they are decompressed."""

import re
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models import exif, image_header
from models.image_header import Header

MAX_PIXELS = 1 << 24
"""Default for the pixels of the largest accepted image: 4096 x 4096, which is 50 MB of RGB."""

HIGH_BITS = 16
"""Bits per channel of the PNGs that `Reading.range` scales to 8."""

FULL_RANGE = (0.0, 65535.0)
"""The range of all 16-bit values; only with it is 16-bit colour accepted, of which the high bytes are used."""

FORMATS = "PNG, JPEG, BMP, or WebP without animation"
"""Formats that `decode_untrusted` accepts."""

SOFT_VALUES, SOFT_SHARE = 1, 0.5
"""As in datasets.image_folder.files: a fourth band of more values than this between none and full, in more than this
share of the pixels, is no transparency."""

ELSEWHERE = "`segline predict` and `segline serve` read it."


@dataclass(frozen=True)
class Reading:
    """How ingest turned an image file into pixels; what is served does the same.

    Attributes:
        range: Values of a 16-bit grey image that become 0 and 255; None: its high bytes are used.
        upright: Whether the EXIF orientation is applied.
        bands: Numbers, from 1, of the bands that become red, green and blue, or of the one that becomes grey; (): the
            colours of the file.
    """

    range: tuple[float, float] | None = None
    upright: bool = False
    bands: tuple[int, ...] = ()


def decode(image: tf.Tensor) -> tf.Tensor:
    """Decode an image file of a record: string -> uint8 [H,W,3] RGB, the same values as Pillow's.

    Grey becomes RGB, alpha is dropped, 16 bits become 8. An EXIF orientation is not applied: ingest has done what the
    layout says, and a record's label belongs to the pixels as they are stored.

    >>> png = tf.io.encode_png(tf.constant([[[7], [200]]], tf.uint8))
    >>> decode(png).numpy().tolist()
    [[[7, 7, 7], [200, 200, 200]]]

    Args:
        image: The file's bytes, a scalar string.

    Raises:
        tf.errors.InvalidArgumentError: The file is not an image, or damaged; see `reason`.
    """
    is_jpeg = tf.strings.substr(image, 0, tf.minimum(3, tf.strings.length(image))) == b"\xff\xd8\xff"
    return _rgb(tf.cond(is_jpeg, lambda: _of_jpeg(image), lambda: _of_8_bits(image)))


def decode_untrusted(image: tf.Tensor, max_pixels: int, reading: Reading) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode an untrusted image file as ingest does, in memory bounded by `max_pixels`.

    PNG, JPEG, BMP and still WebP. Not GIF: its decoder decompresses every frame, each of its own size, before one can
    be selected, so that a small file can require any amount of memory.

    Args:
        image: The file's bytes, a scalar string.
        max_pixels: Most pixels of an accepted image.
        reading: What ingest did.

    Returns:
        uint8 [H,W,3] RGB, and the EXIF orientation that was applied, int32 1..8; 1 where none was.

    Raises:
        tf.errors.InvalidArgumentError: The file is of another format or damaged, the image has no pixel or more than
            `max_pixels`, or it cannot be read as ingest does; see `reason`.
    """
    header = image_header.read(image)
    with tf.control_dependencies([_require_size(header, max_pixels), _require_kind(header, reading)]):
        image = tf.identity(image)
        pixels = _pixels(image, header, reading)
        if not reading.upright:
            return pixels, tf.constant(1)
        stated = exif.orientation(image)
        return exif.turn(pixels, stated), stated


def reason(error: Exception) -> str:
    """Describe in one line why a file could not be decoded, without TensorFlow's node names."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error)
    if "assertion failed: [" in text:
        return text.split("assertion failed: [", 1)[1].split("]", 1)[0]
    lines = [re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|name:\s*$", "", line).strip() for line in text.splitlines()]
    noise = ("Graph execution error", "Detected at node", "<stack traces", "[[", "(0)", "(1)", "0 successful")
    return next((line for line in lines if line and not line.startswith(noise)), "damaged or truncated")


def _require_size(header: Header, max_pixels: int) -> tf.Operation:
    kind = tf.strings.join(["This is not an image of an accepted format: ", FORMATS, "."])
    size = tf.strings.join(
        ["The image says it is ", tf.as_string(header.width), " x ", tf.as_string(header.height), " pixels. "]
    )
    small = tf.strings.join([size, "It must have at least one."])
    # Each side is compared before the product, so that a product cannot overflow.
    sides = [header.height <= max_pixels, header.width <= max_pixels, header.height * header.width <= max_pixels]
    large = tf.strings.join([size, f"At most {max_pixels} are accepted."])
    accepted, has_pixels = header.known & ~header.animated, (header.height > 0) & (header.width > 0)
    # The message is that of the first failed check: a file that is not an image has no size either.
    text = tf.where(accepted, tf.where(has_pixels, large, small), kind)
    return tf.debugging.Assert(accepted & has_pixels & tf.reduce_all(sides), [text])


def _require_kind(header: Header, reading: Reading) -> tf.Operation:
    """Refuse what would be decoded to other pixels than in ingest."""
    plain = (header.compression == image_header.BMP_PLAIN) & tf.reduce_any(header.depth == [8, 24, 32])
    masks = (header.compression == image_header.BMP_MASKS) & (header.depth == 32)
    odd_bmp = header.bmp & ~(plain | masks)
    high = header.png & (header.depth == HIGH_BITS)
    odd_range = high & (header.colour_type != image_header.GREY) & (reading.range not in (None, FULL_RANGE))
    three = header.colour_type == image_header.COLOUR
    four = header.colour_type == image_header.COLOUR_ALPHA
    enough = (three & (max(reading.bands, default=0) <= 3)) | (four & (max(reading.bands, default=0) <= 4))
    odd_bands = (len(reading.bands) > 0) & ~(header.png & (header.depth == 8) & enough)
    text = tf.case(
        [
            (odd_bmp, lambda: f"A BMP must have 8, 24 or 32 bits per pixel, and no compression. {ELSEWHERE}"),
            (odd_range, lambda: "It has 16-bit colour, to which `image.range` cannot be applied."),
        ],
        default=lambda: f"Bands {list(reading.bands)} are read from a PNG of 8-bit RGB or RGBA only. {ELSEWHERE}",
    )
    return tf.debugging.Assert(~(odd_bmp | odd_range | odd_bands), [text])


def _pixels(image: tf.Tensor, header: Header, reading: Reading) -> tf.Tensor:
    """Decode an accepted file: uint8 [H,W,3]."""
    if reading.bands:
        return _of_bands(image, reading.bands)
    cases = [
        (header.jpeg, lambda: _of_jpeg(image)),
        (header.bmp & (header.depth == 8), lambda: _of_palette(image)),
    ]
    if reading.range is not None:
        levels = _levels(*reading.range)
        grey = header.png & (header.depth == HIGH_BITS) & (header.colour_type == image_header.GREY)
        cases.append((grey, lambda: _of_16_bits(image, levels)))
    cases.append((header.alpha, lambda: _of_alpha(image)))
    return _rgb(tf.case(cases, default=lambda: _of_8_bits(image)))


def _rgb(pixels: tf.Tensor) -> tf.Tensor:
    pixels.set_shape([None, None, 3])
    return pixels


def _of_jpeg(image: tf.Tensor) -> tf.Tensor:
    """Decode a JPEG with the accurate DCT, as other decoders do; TensorFlow's default is the fast one."""
    return tf.io.decode_jpeg(image, channels=3, dct_method="INTEGER_ACCURATE")


def _of_8_bits(image: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(image, channels=3, expand_animations=False)


def _of_palette(image: tf.Tensor) -> tf.Tensor:
    """Decode a BMP of 8 bits, whose values are places in its palette."""
    places = _of_8_bits(image)  # in each of the three channels
    return tf.gather(image_header.bmp_palette(image), tf.cast(places[..., 0], tf.int32))


def _of_16_bits(image: tf.Tensor, levels: np.ndarray) -> tf.Tensor:
    """Decode a 16-bit PNG and scale it to 8 bits; this needs 7 bytes per value for a while."""
    return tf.gather(levels, tf.cast(tf.io.decode_png(image, channels=3, dtype=tf.uint16), tf.int32))


def _of_bands(image: tf.Tensor, bands: tuple[int, ...]) -> tf.Tensor:
    chosen = [band - 1 for band in (bands if len(bands) == 3 else bands * 3)]
    return _rgb(tf.gather(tf.io.decode_png(image, channels=4), chosen, axis=-1))


def _of_alpha(image: tf.Tensor) -> tf.Tensor:
    """Decode an image and drop its transparency, or refuse what is no transparency."""
    pixels = tf.io.decode_image(image, channels=4, expand_animations=False)
    pixels.set_shape([None, None, 4])
    counts = tf.math.bincount(tf.cast(pixels[..., 3], tf.int32), minlength=256, maxlength=256)[1:-1]
    share = tf.cast(tf.reduce_sum(counts), tf.float32) / tf.cast(tf.size(pixels[..., 3]), tf.float32)
    is_band = (tf.math.count_nonzero(counts) > SOFT_VALUES) & (share > SOFT_SHARE)
    text = "Its last band is no transparency, and would be dropped. Send red, green and blue only."
    with tf.control_dependencies([tf.debugging.Assert(~is_band, [text])]):
        return tf.identity(pixels[..., :3])


def _levels(low: float, high: float) -> np.ndarray:
    """Return the 8-bit value of each 16-bit value, uint8 [65536], rounded as ingest does."""
    scaled = np.rint((np.arange(1 << HIGH_BITS, dtype=np.float64) - low) * (255 / (high - low)))
    return np.clip(scaled, 0, 255).astype(np.uint8)
