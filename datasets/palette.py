"""Colours for classes where a dataset has none of its own."""


def pascal_voc(number: int) -> tuple[tuple[int, int, int], ...]:
    """Give the first colours of PASCAL VOC's colour map (VOCcode/VOClabelcolormap.m of its devkit); 0 is black.

    Bits 0, 1, 2 of the index become the highest bit of red, green and blue, bits 3, 4, 5 the next, and so on: all
    256 are distinct.
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
