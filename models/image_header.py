"""What the first bytes of an image file say: its format, its size, and its kind of pixels."""

from dataclasses import dataclass

import tensorflow as tf

HEADER_BYTES = 54
"""Bytes that hold everything that is read here, except the size of a JPEG."""

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
"""Colour types of a PNG."""

BMP_PLAIN, BMP_MASKS = 0, 3
"""Kinds of compression of a BMP: none, and none with masks that say where in a pixel the colours are."""


@dataclass(frozen=True)
class Header:
    """The header of an image file; every field is a scalar tensor.

    Attributes:
        png, jpeg, bmp, webp: Whether the file is of this format.
        animated: Whether it is a WebP with an animation.
        alpha: Whether it holds a band of transparency besides its colours.
        height, width: int64, pixels as stored; 0 for other formats.
        depth: int64, bits per channel of a PNG, or per pixel of a BMP.
        colour_type: int64, of a PNG.
        compression: int64, of a BMP.
    """

    png: tf.Tensor
    jpeg: tf.Tensor
    bmp: tf.Tensor
    webp: tf.Tensor
    animated: tf.Tensor
    alpha: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    depth: tf.Tensor
    colour_type: tf.Tensor
    compression: tf.Tensor

    @property
    def known(self) -> tf.Tensor:
        """Whether the file is of one of the formats."""
        return self.png | self.jpeg | self.bmp | self.webp


def read(image: tf.Tensor) -> Header:
    """Read the header of an image file, a scalar string; a shorter one is read as if zeros followed."""
    start = tf.io.decode_raw(tf.strings.substr(image, 0, HEADER_BYTES), tf.uint8)
    head = tf.cast(tf.pad(start, [[0, HEADER_BYTES - tf.size(start)]]), tf.int64)
    head.set_shape([HEADER_BYTES])
    png = _has(head, 0, b"\x89PNG\r\n\x1a\n") & _has(head, 12, b"IHDR")
    jpeg = _has(head, 0, b"\xff\xd8\xff")
    bmp = _has(head, 0, b"BM")
    webp = _has(head, 0, b"RIFF") & _has(head, 8, b"WEBP")
    height, width = tf.cond(jpeg, lambda: _jpeg(image), lambda: (tf.constant(0, tf.int64), tf.constant(0, tf.int64)))
    for matches, size in ((png, _png(head)), (bmp, _bmp(head)), (webp, _webp(head))):
        height, width = tf.where(matches, size[0], height), tf.where(matches, size[1], width)
    # Bit 1 of a VP8X header's flags marks an animation.
    animated = webp & _has(head, 12, b"VP8X") & (tf.bitwise.bitwise_and(head[20], 2) > 0)
    depth = tf.where(bmp, _number(head, 28, 29), head[24])
    alpha = (png & ((head[25] == GREY_ALPHA) | (head[25] == COLOUR_ALPHA))) | (bmp & (depth == 32))
    flags = tf.where(_has(head, 12, b"VP8X"), head[20], tf.where(_has(head, 12, b"VP8L"), head[24], 0))
    alpha |= webp & (tf.bitwise.bitwise_and(flags, 16) > 0)  # the same bit in both kinds of header
    compression = _number(head, 30, 31, 32, 33)
    return Header(png, jpeg, bmp, webp, animated, alpha, height, width, depth, head[25], compression)


def bmp_palette(image: tf.Tensor) -> tf.Tensor:
    """Return the colours of a BMP of 8 bits, uint8 [256,3] RGB; what its palette lacks is black."""
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(image, 0, 2048), tf.uint8), tf.int32)
    raw = tf.pad(raw, [[0, 2048 - tf.size(raw)]])
    begin = 14 + raw[14] + 256 * raw[15]
    end = raw[10] + 256 * raw[11]
    colours = raw[begin : tf.minimum(end, begin + 1024)]
    colours = tf.pad(colours, [[0, 1024 - tf.size(colours)]])
    return tf.cast(tf.reshape(colours, [256, 4])[:, 2::-1], tf.uint8)


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
