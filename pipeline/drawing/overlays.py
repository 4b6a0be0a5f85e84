"""Pictures of an evaluation: the best, the median and the worst images as input | truth | prediction | error."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from datasets.spec import DatasetSpec
from pipeline.drawing import file_name, render

WIDTH = 400
"""Pixels across of each of the four parts; smaller images are enlarged by a whole factor."""

PARTS = ("input", "truth", "prediction", "error")


@dataclass(frozen=True)
class Choice:
    """An image that is shown, and why.

    Attributes:
        kind: "best", "median" or "worst".
        rank: 1 for the first of its kind.
        id: The record's id.
        miou: mIoU of this image by itself.
    """

    kind: str
    rank: int
    id: str
    miou: float

    @property
    def file(self) -> str:
        """Name of the picture: kind and rank tell it apart, the id may be cut; see file_name."""
        return f"{self.kind}-{self.rank}-{file_name.plain(self.id)}.png"


def choose(image_miou: Mapping[str, float | None], count: int) -> list[Choice]:
    """Choose `count` images of each kind by their own mIoU, or as many as there are without showing one twice.

    Images without a pixel that counts have no mIoU and are left out. Ties are settled by id.
    """
    scored = {name: miou for name, miou in image_miou.items() if miou is not None}
    ranked = sorted(scored, key=lambda name: (-scored[name], name))
    count = min(count, -(-len(ranked) // 3))
    middle = max(0, (len(ranked) - count) // 2)
    kinds = {"best": ranked[:count], "worst": ranked[::-1][:count], "median": ranked[middle : middle + count]}
    taken: set[str] = set()
    choices = {}
    for kind, names in kinds.items():
        choices[kind] = [name for name in names if name not in taken]
        taken.update(names)
    return [
        Choice(kind, rank, name, scored[name])
        for kind in ("best", "median", "worst")
        for rank, name in enumerate(choices[kind], start=1)
    ]


def parts(image: np.ndarray, truth: np.ndarray, prediction: np.ndarray, spec: DatasetSpec) -> dict[str, np.ndarray]:
    """Draw an image's four pictures, each about WIDTH across.

    Args:
        image: uint8 [H,W,3].
        truth: uint8 [H,W] of train ids.
        prediction: The same, by the model.
        spec: Whose colours are used.

    Returns:
        {name in PARTS: uint8 [h,w,3]}.
    """
    pictures = (
        image,
        render.colour(truth, spec.colours),
        render.colour(prediction, spec.colours),
        render.error_map(truth, prediction),
    )
    return {name: render.fit(picture, WIDTH) for name, picture in zip(PARTS, pictures, strict=True)}


def strip(pictures: Mapping[str, np.ndarray], spec: DatasetSpec, title: str) -> np.ndarray:
    """Put what `parts` drew into one row with captions, a one-line title above and a legend below."""
    row = render.side_by_side([render.caption(picture, name) for name, picture in pictures.items()])
    legend = render.legend(spec.classes, spec.colours, row.shape[1])
    return render.stack([render.caption(np.zeros((0, row.shape[1], 3), np.uint8), title), row, legend])
