"""How an image is resized and padded to the network's input size. Plain values; models.segmenter applies them."""

from dataclasses import dataclass, replace
from typing import Literal

Size = tuple[int, int]

How = Literal["resize", "resize_pad", "pad"]

Padding = Literal["constant", "reflect", "symmetric", "wrap"]


@dataclass(frozen=True)
class Fit:
    """How an image is brought to the network's input size, and its logits back to the image's size.

    Attributes:
        size: (height, width) of the network's input, in pixels; for `pad` the least height and width.
        how: resize: to the size, ignoring the aspect ratio. resize_pad: as large as fits, with the same aspect ratio,
            then padded to the size. pad: padded to the size, never resized; a side that is longer stays as long.
        padding: Values of the margin around the centred image. constant: mean grey, ignored in the label. The others
            are as in numpy.pad, for image and label alike, and repeat where the margin is wider than the image.
    """

    size: Size
    how: How = "resize"
    padding: Padding = "constant"

    def scaled(self, scale: float) -> "Fit":
        """Return the same for an input `scale` times as large.

        >>> Fit((360, 480)).scaled(0.5).size
        (180, 240)
        """
        height, width = self.size
        return replace(self, size=(max(1, round(height * scale)), max(1, round(width * scale))))
