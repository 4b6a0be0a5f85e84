"""Colours for the classes of datasets that define none."""


def pascal_voc(number: int) -> tuple[tuple[int, int, int], ...]:
    """Return the first `number` (0..256) colours of PASCAL VOC's colour map (VOCcode/VOClabelcolormap.m of its devkit).

    Bits 0, 1, 2 of the index become the highest bit of red, green and blue, bits 3, 4, 5 the next, and so on: all
    256 are distinct.

    Raises:
        ValueError: `number` is out of range.

    >>> pascal_voc(3)
    ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """
    if not 0 <= number <= 256:
        raise ValueError(f"`number` must be 0..256. Received: {number}.")
    return tuple(_colour(index) for index in range(number))


def _colour(index: int) -> tuple[int, int, int]:
    parts = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            parts[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return parts[0], parts[1], parts[2]
