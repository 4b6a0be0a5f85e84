"""Pictures of an evaluation: the best, the median and the worst images as input | truth | prediction | error."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.drawing import file_name, render

WIDTH = 400
"""Largest width of each of the four parts of a strip, pixels; smaller images are enlarged by an integer factor."""

PARTS = ("input", "truth", "prediction", "error")


@dataclass(frozen=True)
class Choice:
    """An image to show, and the reason.

    Attributes:
        kind: "best", "median" or "worst".
        rank: Rank within its kind, from 1.
        id: The record's id.
        miou: mIoU of this image, 0..1.
    """

    kind: str
    rank: int
    id: str
    miou: float

    @property
    def file(self) -> str:
        """File name of the picture: kind and rank make it unique, the id may be truncated."""
        return f"{self.kind}-{self.rank}-{file_name.sanitize(self.id)}.png"


def choose(image_miou: Mapping[str, float | None], count: int) -> list[Choice]:
    """Choose the best, median and worst images, `count` of each or fewer, so that none is shown twice.

    Args:
        image_miou: mIoU of each image by id; None for images without labelled pixels, which are left out.
        count: Images of each kind.

    Returns:
        Best, median, worst, each by rank. Ties are broken by id.
    """
    scored = {name: miou for name, miou in image_miou.items() if miou is not None}
    ranked = sorted(scored, key=lambda name: (-scored[name], name))
    count = min(count, -(-len(ranked) // 3))
    middle = max(0, (len(ranked) - count) // 2)
    best, worst = ranked[:count], ranked[::-1][:count]
    between = [name for name in ranked[middle : middle + count] if name not in (*best, *worst)]
    kinds = {"best": best, "median": between, "worst": [name for name in worst if name not in best]}
    return [
        Choice(kind, rank, name, scored[name])
        for kind, names in kinds.items()
        for rank, name in enumerate(names, start=1)
    ]


def parts(
    image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, spec: DatasetSpec, *, width: int
) -> dict[str, np.ndarray]:
    """Draw an image's four pictures; wider ones are shrunk to `width` pixels.

    Args:
        image: uint8 [H,W,3].
        truth: uint8 [H,W] of train ids, 255 = ignored.
        prediction: uint8 [H,W] of train ids.
        spec: The dataset, for its colours.
        width: Largest width, pixels.

    Returns:
        {name in PARTS: uint8 [h,w,3]}.
    """
    image, truth, prediction = (render.shrink(part, width) for part in (image, truth, prediction))
    masks = (render.colour(mask, spec.colours) for mask in (truth, prediction))
    return dict(zip(PARTS, (image, *masks, render.error_map(truth, prediction)), strict=True))


def strip(pictures: Mapping[str, np.ndarray], spec: DatasetSpec, title: str) -> np.ndarray:
    """Lay out the pictures of `parts` in a row with captions, a title above and a legend below: uint8 [H,W,3]."""
    row = render.side_by_side([render.caption(render.fit(picture, WIDTH), name) for name, picture in pictures.items()])
    legend = render.legend(spec.classes, spec.colours, row.shape[1])
    return render.stack([render.caption(np.zeros((0, row.shape[1], 3), np.uint8), title), row, legend])
