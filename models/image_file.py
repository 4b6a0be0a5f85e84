"""Decoding of image files in the graph. Untrusted files are checked by their headers before they are decompressed."""

import re

import numpy as np
import tensorflow as tf

MAX_PIXELS = 1 << 24
"""Default for the pixels of the largest accepted image: 4096 x 4096, which is 50 MB of RGB."""

HEADER_BYTES = 30
"""Bytes that hold the size in every format except JPEG."""

HIGH_BITS = 16
"""Bits per channel of the PNGs that `image_range` scales to 8."""

FORMATS = "PNG, JPEG, BMP, or WebP without animation"
"""Formats that `decode_untrusted` accepts."""


def decode(image: tf.Tensor, image_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Decode an image file that ingest has checked: string -> uint8 [H,W,3] RGB.

    Grey becomes RGB, alpha is dropped, 16 bits become 8. An EXIF orientation is not applied: the class map belongs to
    the pixels as they are stored.

    >>> png = tf.io.encode_png(tf.constant([[[7], [200]]], tf.uint8))
    >>> decode(png).numpy().tolist()
    [[[7, 7, 7], [200, 200, 200]]]

    Args:
        image: The file's bytes, a scalar string.
        image_range: Values of a 16-bit PNG that become 0 and 255; None: its high bytes are used.

    Raises:
        tf.errors.InvalidArgumentError: The file is not an image, or damaged; see `reason`.
    """
    if image_range is None:
        pixels = _of_8_bits(image)
    else:
        levels = _levels(*image_range)
        head = _head(image)
        is_high = _is_png(head) & (head[24] == HIGH_BITS)
        pixels = tf.cond(is_high, lambda: _of_16_bits(image, levels), lambda: _of_8_bits(image))
    pixels.set_shape([None, None, 3])
    return pixels


def decode_untrusted(image: tf.Tensor, max_pixels: int, image_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Decode an untrusted image file, as `decode`, in memory bounded by `max_pixels`.

    PNG, JPEG, BMP and still WebP. Not GIF: its decoder decompresses every frame, each of its own size, before one can
    be selected, so that a small file can require any amount of memory.

    Args:
        image: The file's bytes, a scalar string.
        max_pixels: Most pixels of an accepted image.
        image_range: Values of a 16-bit PNG that become 0 and 255; None: its high bytes are used.

    Raises:
        tf.errors.InvalidArgumentError: The file is of another format or damaged, or the image has no pixel or more than
            `max_pixels`; see `reason`.
    """
    height, width, known, animated = _header(image)
    kind = tf.strings.join(["This is not an image of an accepted format: ", FORMATS, "."])
    size = tf.strings.join(["The image says it is ", tf.as_string(width), " x ", tf.as_string(height), " pixels. "])
    small = tf.strings.join([size, "It must have at least one."])
    # Each side is compared before the product, so that a product cannot overflow.
    fits = tf.reduce_all([height <= max_pixels, width <= max_pixels, height * width <= max_pixels])
    large = tf.strings.join([size, f"At most {max_pixels} are accepted."])
    accepted, has_pixels = known & ~animated, (height > 0) & (width > 0)
    # The message is that of the first failed check: a file that is not an image has no size either.
    text = tf.where(accepted, tf.where(has_pixels, large, small), kind)
    with tf.control_dependencies([tf.debugging.Assert(accepted & has_pixels & fits, [text])]):
        return decode(tf.identity(image), image_range)


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


def _of_8_bits(image: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(image, channels=3, expand_animations=False)


def _of_16_bits(image: tf.Tensor, levels: np.ndarray) -> tf.Tensor:
    """Decode a 16-bit PNG and scale it to 8 bits; this needs 7 bytes per value for a while."""
    return tf.gather(levels, tf.cast(tf.io.decode_png(image, channels=3, dtype=tf.uint16), tf.int32))


def _levels(low: float, high: float) -> np.ndarray:
    """Return the 8-bit value of each 16-bit value, uint8 [65536], rounded as ingest does."""
    scaled = np.rint((np.arange(1 << HIGH_BITS, dtype=np.float64) - low) * (255 / (high - low)))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _header(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Read height and width (int64), whether the format is known, and whether the image is animated."""
    head = _head(image)
    png = _is_png(head)
    jpeg = _has(head, 0, b"\xff\xd8\xff")
    bmp = _has(head, 0, b"BM")
    webp = _has(head, 0, b"RIFF") & _has(head, 8, b"WEBP")
    height, width = tf.cond(jpeg, lambda: _jpeg(image), lambda: (tf.constant(0, tf.int64), tf.constant(0, tf.int64)))
    for matches, size in ((png, _png(head)), (bmp, _bmp(head)), (webp, _webp(head))):
        height, width = tf.where(matches, size[0], height), tf.where(matches, size[1], width)
    # Bit 1 of a VP8X header's flags marks an animation.
    animated = webp & _has(head, 12, b"VP8X") & (tf.bitwise.bitwise_and(head[20], 2) > 0)
    return height, width, png | jpeg | bmp | webp, animated


def _head(image: tf.Tensor) -> tf.Tensor:
    """Return the first bytes of a file, int64 [HEADER_BYTES]; a shorter file is padded with zeros."""
    start = tf.io.decode_raw(tf.strings.substr(image, 0, HEADER_BYTES), tf.uint8)
    head = tf.cast(tf.pad(start, [[0, HEADER_BYTES - tf.size(start)]]), tf.int64)
    head.set_shape([HEADER_BYTES])
    return head


def _is_png(head: tf.Tensor) -> tf.Tensor:
    return _has(head, 0, b"\x89PNG\r\n\x1a\n") & _has(head, 12, b"IHDR")


def _has(head: tf.Tensor, at: int, expected: bytes) -> tf.Tensor:
    return tf.reduce_all(head[at : at + len(expected)] == tf.constant(list(expected), tf.int64))


def _number(head: tf.Tensor, *places: int) -> tf.Tensor:
    """Combine the bytes at these places into an unsigned integer, the lowest byte first."""
    return tf.add_n([head[place] * (1 << 8 * index) for index, place in enumerate(places)])


def _jpeg(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.io.extract_jpeg_shape(image, output_type=tf.int32)
    return tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)


def _png(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read the size from IHDR, the first chunk; libpng rejects files that do not start with it."""
    return _number(head, 23, 22, 21, 20), _number(head, 19, 18, 17, 16)


def _bmp(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read signed 32-bit numbers; a negative height means that the top row comes first."""
    height, width = _number(head, 22, 23, 24, 25), _number(head, 18, 19, 20, 21)
    return tf.where(height >= 1 << 31, (1 << 32) - height, height), width


def _webp(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read VP8 (14 bits each), VP8L (14 bits each minus one, packed) or VP8X (24 bits each minus one)."""
    lossy = _number(head, 28, 29) % (1 << 14), _number(head, 26, 27) % (1 << 14)
    packed = _number(head, 21, 22, 23, 24)
    lossless = packed // (1 << 14) % (1 << 14) + 1, packed % (1 << 14) + 1
    extended = _number(head, 27, 28, 29) + 1, _number(head, 24, 25, 26) + 1
    is_lossless, is_extended = _has(head, 12, b"VP8L"), _has(head, 12, b"VP8X")
    return tuple(
        tf.where(is_extended, extended[axis], tf.where(is_lossless, lossless[axis], lossy[axis])) for axis in (0, 1)
    )  # type: ignore[return-value]
