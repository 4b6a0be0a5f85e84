"""From an image file to pixels, in the graph. What strangers send is looked at before any of it is unpacked."""

import re

import numpy as np
import tensorflow as tf

MAX_PIXELS = 1 << 24
"""Pixels of the largest image that is unpacked where nothing else is said: 4096 x 4096, which is 50 MB of RGB."""

HEAD = 30
"""Bytes in which each format but JPEG says how large it is."""

DEEP = 16
"""Bits of a PNG's channel that a range brings to 8."""

KINDS = "PNG, JPEG, BMP, or WebP without animation"
"""What `decode_within` takes."""


def decode(image: tf.Tensor, image_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Decode one image file that ingest has checked to uint8 [H,W,3] RGB, pixels as they are stored.

    Grey becomes RGB, alpha is dropped, 16 bits become 8. An EXIF orientation is not applied: the class map lies on the
    pixels of the file. What is no image raises InvalidArgumentError.

    Args:
        image: The file's bytes, a string.
        image_range: Values of a 16-bit PNG that become 0 and 255; None: its high bytes count.
    """
    if image_range is None:
        pixels = _of_8_bits(image)
    else:
        levels = _levels(*image_range)
        head = _head(image)
        deep = _is_png(head) & (head[24] == DEEP)
        pixels = tf.cond(deep, lambda: _of_16_bits(image, levels), lambda: _of_8_bits(image))
    pixels.set_shape([None, None, 3])
    return pixels


def decode_within(image: tf.Tensor, max_pixels: int, image_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Do as `decode` with a file from anywhere: memory is bounded by `max_pixels`, whatever the file says.

    PNG, JPEG, BMP and still WebP. Not GIF: its decoder unpacks every frame, each of a size of its own, before one can
    be taken, so that a small file can ask for any amount of memory. Everything else, an image without a pixel, and one
    of more pixels than allowed raise InvalidArgumentError, which `reason` puts into words.
    """
    height, width, known, animated = _header(image)
    kind = tf.strings.join(["This is not an image of a kind that is taken: ", KINDS, "."])
    size = tf.strings.join(["The image says it is ", tf.as_string(width), " x ", tf.as_string(height), " pixels. "])
    small = tf.strings.join([size, "It must have at least one."])
    # Each length is looked at before the product, so that no product can overflow.
    fits = tf.reduce_all([height <= max_pixels, width <= max_pixels, height * width <= max_pixels])
    large = tf.strings.join([size, f"At most {max_pixels} are taken."])
    checks = (
        (known & ~animated, kind),
        ((height > 0) & (width > 0), small),
        (fits, large),
    )
    # The first that fails is told: a file that is no image has no size either.
    passed = tf.reduce_all([check for check, _ in checks])
    text = tf.where(checks[0][0], tf.where(checks[1][0], large, small), kind)
    with tf.control_dependencies([tf.debugging.Assert(passed, [text])]):
        return decode(tf.identity(image), image_range)


def reason(error: Exception) -> str:
    """Say in one line why a file could not be decoded, without TensorFlow's names of nodes."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error)
    if "assertion failed: [" in text:
        return text.split("assertion failed: [", 1)[1].split("]", 1)[0]
    lines = [re.sub(r"\{\{.*?\}\}|\[Op:.*?\]|name:\s*$", "", line).strip() for line in text.splitlines()]
    noise = ("Graph execution error", "Detected at node", "<stack traces", "[[", "(0)", "(1)", "0 successful")
    told = [line for line in lines if line and not line.startswith(noise)]
    return told[0] if told else "damaged or truncated"


def _of_8_bits(image: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(image, channels=3, expand_animations=False)


def _of_16_bits(image: tf.Tensor, levels: np.ndarray) -> tf.Tensor:
    """Bring a PNG of 16 bits to 8; while it does, a value takes 7 bytes."""
    return tf.gather(levels, tf.cast(tf.io.decode_png(image, channels=3, dtype=tf.uint16), tf.int32))


def _levels(low: float, high: float) -> np.ndarray:
    """Give each value of 16 bits its value of 8, uint8 [65536], rounded as ingest rounds."""
    scaled = np.rint((np.arange(1 << DEEP, dtype=np.float64) - low) * (255 / (high - low)))
    return np.clip(scaled, 0, 255).astype(np.uint8)


def _header(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Read from the first bytes of a file: height and width int64, whether it is of a known kind, and animated."""
    head = _head(image)
    png = _is_png(head)
    jpeg = _has(head, 0, b"\xff\xd8\xff")
    bmp = _has(head, 0, b"BM")
    webp = _has(head, 0, b"RIFF") & _has(head, 8, b"WEBP")
    high, wide = tf.cond(jpeg, lambda: _jpeg(image), lambda: (tf.constant(0, tf.int64), tf.constant(0, tf.int64)))
    for is_it, size in ((png, _png(head)), (bmp, _bmp(head)), (webp, _webp(head))):
        high, wide = tf.where(is_it, size[0], high), tf.where(is_it, size[1], wide)
    # Bit 1 of a VP8X header's flags says animation.
    animated = webp & _has(head, 12, b"VP8X") & (tf.bitwise.bitwise_and(head[20], 2) > 0)
    return high, wide, png | jpeg | bmp | webp, animated


def _head(image: tf.Tensor) -> tf.Tensor:
    """Give the first bytes of a file, int64 [HEAD]; zeros stand for those that it has not."""
    start = tf.io.decode_raw(tf.strings.substr(image, 0, HEAD), tf.uint8)
    head = tf.cast(tf.pad(start, [[0, HEAD - tf.size(start)]]), tf.int64)
    head.set_shape([HEAD])
    return head


def _is_png(head: tf.Tensor) -> tf.Tensor:
    return _has(head, 0, b"\x89PNG\r\n\x1a\n") & _has(head, 12, b"IHDR")


def _has(head: tf.Tensor, at: int, expected: bytes) -> tf.Tensor:
    return tf.reduce_all(head[at : at + len(expected)] == tf.constant(list(expected), tf.int64))


def _number(head: tf.Tensor, *places: int) -> tf.Tensor:
    """Put bytes together to a number, the lowest first."""
    return tf.add_n([head[place] * (1 << 8 * index) for index, place in enumerate(places)])


def _jpeg(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.io.extract_jpeg_shape(image, output_type=tf.int32)
    return tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)


def _png(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The IHDR chunk comes first; libpng refuses a file in which it does not."""
    return _number(head, 23, 22, 21, 20), _number(head, 19, 18, 17, 16)


def _bmp(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Signed 32-bit numbers; a negative height means that the top row comes first."""
    high, wide = _number(head, 22, 23, 24, 25), _number(head, 18, 19, 20, 21)
    return tf.where(high >= 1 << 31, (1 << 32) - high, high), wide


def _webp(head: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Three forms: VP8 (14 bits each), VP8L (14 bits each less one, packed) and VP8X (24 bits each less one)."""
    lossy = _number(head, 28, 29) % (1 << 14), _number(head, 26, 27) % (1 << 14)
    packed = _number(head, 21, 22, 23, 24)
    lossless = packed // (1 << 14) % (1 << 14) + 1, packed % (1 << 14) + 1
    extended = _number(head, 27, 28, 29) + 1, _number(head, 24, 25, 26) + 1
    is_lossless, is_extended = _has(head, 12, b"VP8L"), _has(head, 12, b"VP8X")
    return tuple(
        tf.where(is_extended, extended[axis], tf.where(is_lossless, lossless[axis], lossy[axis])) for axis in (0, 1)
    )  # type: ignore[return-value]
