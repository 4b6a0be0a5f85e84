"""How an image is brought to the size that a network sees. Plain values; models.segmenter does it."""

from dataclasses import dataclass, replace
from typing import Literal

Size = tuple[int, int]

How = Literal["resize", "resize_pad", "pad"]

Padding = Literal["constant", "reflect", "symmetric", "wrap"]


@dataclass(frozen=True)
class Fit:
    """How an image is brought to the size that a network sees, and how its logits come back from there.

    Attributes:
        size: (height, width) that the network sees; of `pad`, at least.
        how: resize: to the size, whatever becomes of its shape. resize_pad: as large as fits, its shape kept, padded to
            the size. pad: padded to the size, never resized; a side that is longer already stays as long.
        padding: What lies around the image, which is in the middle: constant is mean grey, ignored in the label; the
            others are as in numpy.pad, for image and label alike, and repeat where the margin is wider than the image.
    """

    size: Size
    how: How = "resize"
    padding: Padding = "constant"

    def zoomed(self, scale: float) -> "Fit":
        """Give the same for images that are seen `scale` times as large."""
        height, width = self.size
        return replace(self, size=(max(1, round(height * scale)), max(1, round(width * scale))))
