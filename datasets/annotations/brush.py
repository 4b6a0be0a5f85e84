"""Label Studio's run-length code of brushes: a stream of bits, of four channels, of which the last is the brush."""

from typing import Any

import numpy as np

from datasets.audit import BadFileError, Kind

CHANNELS = 4


def decode(code: Any, size: tuple[int, int]) -> np.ndarray:
    """Decode as Label Studio's `decode_rle` and take the pixels whose fourth channel is set: bool [H, W].

    The code begins with the number of values, 32 bits, and the number of bits of a value and of four lengths, each
    minus one. Then come runs: a bit that is 1 where all values are equal, 2 bits that choose among the lengths, the
    run's length minus one, and its value or values.

    Args:
        code: Bytes, as numbers of 0..255.
        size: (H, W), pixels.

    Raises:
        BadFileError: It ends too soon, or is of another size.
    """
    bits = np.unpackbits(np.array(code, np.uint8))
    text, at = (bits + ord("0")).tobytes().decode(), 0

    def read(number: int) -> int:
        nonlocal at
        at += number
        return int(text[at - number : at], 2)

    total, word = read(32), read(5) + 1
    lengths = [read(4) + 1 for _ in range(4)]
    if total != CHANNELS * size[0] * size[1]:
        raise BadFileError(Kind.ANNOTATION, f"a brush of {total // CHANNELS} pixels, not {size[0]}x{size[1]}")
    values, begin = np.zeros(total, np.uint8), 0
    weights = 1 << np.arange(word - 1, -1, -1)
    while begin < total:
        is_equal = read(1)
        end = begin + 1 + read(lengths[read(2)])
        number = 1 if is_equal else end - begin
        if at + number * word > len(text) or end > total:
            raise BadFileError(Kind.ANNOTATION, "a brush whose code ends too soon")
        words = bits[at : at + number * word].reshape(number, word) @ weights
        at += number * word
        values[begin:end] = words
        begin = end
    return values[CHANNELS - 1 :: CHANNELS].reshape(size) > 0
