"""EXIF orientation of an image file: read and applied in the graph, as Pillow does in ingest.

It stands in the TIFF directory of a JPEG's APP1 segment, of a PNG's eXIf chunk or of a WebP's EXIF chunk; where that
says nothing, in XMP (tiff:Orientation).
"""

from collections.abc import Callable

import tensorflow as tf

TAG = 0x0112
"""Number of the tag "Orientation" (EXIF 2.32, 4.6.4): 1 is upright, 2 to 8 are mirrored, turned, or both."""

MOST_PARTS = 20_000
"""Segments or chunks of a file that are looked at; a PNG of 160 MB in chunks of 8 KB has so many."""

UNREADABLE = (
    "Its EXIF data cannot be read here: they are compressed text, or behind more than 20,000 parts of the file. Save "
    "the picture upright without them, or send it to `segline serve`, which reads them."
)

XMP_ORIENTATION = r'^\C*?tiff:Orientation(="|>)([0-9])\C*$'
PNG_MARKS = r"^\C*(eXIf|Raw profile type exif|XML:com.adobe.xmp)\C*$"
ADOBE = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0\0"

Part = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""The place of the next part, and of this one its EXIF data, its XMP, and whether it holds either in another form."""


def orientation(image: tf.Tensor) -> tf.Tensor:
    """Read the EXIF orientation of a PNG, JPEG or WebP file: string -> int32 1..8; 1 where none is stated.

    Raises:
        tf.errors.InvalidArgumentError: A PNG holds it as compressed text.
    """
    head = _numbers(image, 0, 16)
    is_jpeg = _is(head, 0, b"\xff\xd8\xff")
    is_webp = _is(head, 0, b"RIFF") & _is(head, 8, b"WEBP")
    # Most PNGs have no such chunk, and thousands of others: a search for the names is faster than the walk.
    is_marked = _is(head, 0, b"\x89PNG\r\n\x1a\n") & tf.strings.regex_full_match(image, PNG_MARKS)
    empty = (tf.constant(b""), tf.constant(b""), tf.zeros([], tf.bool))
    exif, xmp, hidden = tf.case(
        [
            (is_jpeg, lambda: _walk(image, 2, _segment)),
            (is_webp, lambda: _walk(image, 12, _riff_chunk)),
            (is_marked, lambda: _walk(image, 8, _png_chunk)),
        ],
        default=lambda: empty,
    )
    stated = _from_tiff(exif)
    stated = tf.where(stated > 0, stated, _from_xmp(xmp))
    with tf.control_dependencies([tf.debugging.Assert(~hidden, [tf.constant(UNREADABLE)])]):
        return tf.where((stated >= 1) & (stated <= 8), tf.identity(stated), 1)


def turn(pixels: tf.Tensor, stated: tf.Tensor) -> tf.Tensor:
    """Turn a picture [H,W,K] upright: the result is [W,H,K] where `stated`, 1..8, is 5 or more.

    >>> turn(tf.constant([[[1], [2]]]), tf.constant(6))[..., 0].numpy().tolist()
    [[1], [2]]
    """
    channels = pixels.shape[-1]
    pixels = tf.cond(stated >= 5, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    across = tf.reduce_any(stated == tf.constant([2, 3, 6, 7]))
    down = tf.reduce_any(stated == tf.constant([3, 4, 7, 8]))
    pixels = tf.cond(across, lambda: tf.reverse(pixels, [1]), lambda: pixels)
    pixels = tf.cond(down, lambda: tf.reverse(pixels, [0]), lambda: pixels)
    return tf.ensure_shape(pixels, [None, None, channels])


def _walk(image: tf.Tensor, start: int, read: Callable[[tf.Tensor, tf.Tensor], Part]) -> tuple[tf.Tensor, ...]:
    """Walk over the parts of a file: return its EXIF data, its XMP, and whether one of them cannot be read."""
    size = tf.strings.length(image)

    def step(at, exif, xmp, hidden):  # type: ignore[no-untyped-def]
        following, own_exif, own_xmp, own_hidden = read(image, at)
        # A long EXIF block is cut into segments; each begins with the same mark.
        exif = tf.strings.join([exif, tf.strings.regex_replace(own_exif, r"^(Exif\x00\x00)+", "")])
        xmp = tf.where(tf.strings.length(own_xmp) > 0, own_xmp, xmp)
        return tf.where(following < 0, -1, tf.maximum(following, at + 1)), exif, xmp, hidden | own_hidden

    at, exif, xmp, hidden = tf.while_loop(
        lambda at, *_: (at >= 0) & (at < size),
        step,
        (tf.constant(start), tf.constant(b""), tf.constant(b""), tf.zeros([], tf.bool)),
        maximum_iterations=MOST_PARTS,
    )
    has_exif = tf.strings.length(exif) > 0
    return exif, xmp, (hidden & ~has_exif) | ((at >= 0) & (at < size))


def _segment(image: tf.Tensor, at: tf.Tensor) -> Part:
    """Read a JPEG's segment; the walk ends where the pixels begin."""
    head = _numbers(image, at, 4)
    marker, length = head[1], head[2] * 256 + head[3]
    is_marker = (head[0] == 0xFF) & (marker != 0xFF)
    is_alone = (marker <= 0x01) | ((marker >= 0xD0) & (marker <= 0xD8))
    is_last = (marker == 0xD9) | (marker == 0xDA)
    data = _text(image, at + 4, tf.where(is_marker & (marker == 0xE1), length - 2, 0))
    following = tf.where(is_last, -1, tf.where(is_alone, at + 2, at + 2 + length))
    is_exif, is_xmp = _begins(data, EXIF), _begins(data, ADOBE)
    return tf.where(is_marker, following, at + 1), _if(is_exif, data), _if(is_xmp, data), tf.zeros([], tf.bool)


def _png_chunk(image: tf.Tensor, at: tf.Tensor) -> Part:
    head = _numbers(image, at, 9)
    length = _unsigned(head[:4], big=True)
    kind = _text(image, at + 4, 4)
    is_text = tf.reduce_any(kind == tf.constant([b"tEXt", b"zTXt", b"iTXt"]))
    data = _text(image, at + 8, tf.where(is_text | (kind == b"eXIf"), length, 0))
    is_xmp = (kind == b"iTXt") & _begins(data, b"XML:com.adobe.xmp\0")
    is_packed = is_xmp & ~_begins(data, b"XML:com.adobe.xmp\0\0")
    hidden = is_packed | (is_text & _begins(data, b"Raw profile type exif\0"))
    return _after(at, length + 12), _if(kind == b"eXIf", data), _if(is_xmp & ~is_packed, data), hidden


def _riff_chunk(image: tf.Tensor, at: tf.Tensor) -> Part:
    length = _unsigned(_numbers(image, at + 4, 4), big=False)
    kind = _text(image, at, 4)
    is_exif, is_xmp = kind == b"EXIF", kind == b"XMP "
    data = _text(image, at + 8, tf.where(is_exif | is_xmp, length, 0))
    return _after(at, length + 8 + length % 2), _if(is_exif, data), _if(is_xmp, data), tf.zeros([], tf.bool)


def _from_tiff(exif: tf.Tensor) -> tf.Tensor:
    """Read the orientation from a TIFF file's first directory, int32; 0 where it states none."""
    head = _numbers(exif, 0, 8)
    big = _is(head, 0, b"MM")

    def number(values: tf.Tensor) -> tf.Tensor:
        return tf.where(big, _unsigned(values, big=True), _unsigned(values, big=False))

    start = tf.minimum(number(head[4:8]), tf.strings.length(exif))
    count = number(_numbers(exif, start, 2))
    rows = tf.cast(tf.io.decode_raw(_text(exif, start + 2, 12 * count), tf.uint8), tf.int32)
    rows = rows[: tf.size(rows) // 12 * 12]
    columns = tf.ensure_shape(tf.transpose(tf.reshape(rows, [-1, 12])), [12, None])
    kind = number(columns[2:4])
    value = tf.where(kind == 3, number(columns[8:10]), tf.where(kind == 4, number(columns[8:12]), columns[8]))
    values = tf.boolean_mask(value, number(columns[:2]) == TAG)
    return tf.where(big | _is(head, 0, b"II"), tf.reduce_max(tf.concat([[0], values], 0)), 0)


def _from_xmp(xmp: tf.Tensor) -> tf.Tensor:
    digit = tf.strings.regex_replace(xmp, XMP_ORIENTATION, r"\2")
    return tf.strings.to_number(tf.where(tf.strings.length(digit) == 1, digit, "0"), tf.int32)


def _numbers(image: tf.Tensor, at: "tf.Tensor | int", count: int) -> tf.Tensor:
    """Return `count` bytes from a place in a file, int32; behind its end they are 0."""
    raw = tf.cast(tf.io.decode_raw(_text(image, at, count), tf.uint8), tf.int32)
    return tf.ensure_shape(tf.pad(raw, [[0, count - tf.size(raw)]]), [count])


def _text(image: tf.Tensor, at: "tf.Tensor | int", length: "tf.Tensor | int") -> tf.Tensor:
    return tf.strings.substr(image, tf.clip_by_value(at, 0, tf.strings.length(image)), tf.maximum(length, 0))


def _unsigned(values: tf.Tensor, *, big: bool) -> tf.Tensor:
    """Combine up to 4 bytes along the first axis into a number, int32; one above 2**31 - 1 becomes that."""
    rows = tf.unstack(tf.cast(values, tf.int64))
    rows = rows if big else rows[::-1]
    total = tf.zeros_like(rows[0])
    for row in rows:
        total = total * 256 + row
    return tf.cast(tf.minimum(total, 2**31 - 1), tf.int32)


def _after(at: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Return at + length, or -1 where that cannot be a place in a file."""
    return tf.where((length < 0) | (length > 2**30), -1, at + length)


def _is(head: tf.Tensor, at: int, expected: bytes) -> tf.Tensor:
    return tf.reduce_all(head[at : at + len(expected)] == tf.constant(list(expected)))


def _begins(data: tf.Tensor, expected: bytes) -> tf.Tensor:
    return tf.strings.substr(data, 0, tf.minimum(len(expected), tf.strings.length(data))) == expected


def _if(condition: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    return tf.where(condition, data, b"")
