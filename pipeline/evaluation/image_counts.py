"""Pixel counts of every image: enough for slices, intervals and comparisons.

3 C numbers are kept per image, not C x C: 100,000 images of 59 classes take 142 MB in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.metrics import Margins
from pipeline.errors import UserError

FILE = "per_image.npz"
"""File of the counts in the evaluate step's folder, and beside the facts of a served model."""


@dataclass(frozen=True)
class ImageCounts:
    """Pixels by image and class.

    Attributes:
        ids, groups: N names.
        hits, truth, predicted: int64 [N,C]: pixels of each class that are correct, in the truth, in the prediction.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    hits: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray

    @property
    def margins(self) -> Margins:
        """The counts of each image, [N,C]."""
        return Margins(*(part.astype(np.float64) for part in (self.hits, self.truth, self.predicted)))

    def total(self) -> Margins:
        """Return the counts of all images together, [C]."""
        return Margins(*(part.sum(axis=0).astype(np.float64) for part in (self.hits, self.truth, self.predicted)))

    def rows(self, ids: Sequence[str]) -> "ImageCounts":
        """Return the counts of these images, in this order."""
        place = {name: row for row, name in enumerate(self.ids)}
        return self._select([place[name] for name in ids])

    def by_group(self) -> dict[str, "ImageCounts"]:
        """Return the counts of each group of images, in the order of the groups' names."""
        rows: dict[str, list[int]] = {}
        for row, group in enumerate(self.groups):
            rows.setdefault(group, []).append(row)
        return {group: self._select(rows[group]) for group in sorted(rows)}

    def _select(self, rows: list[int]) -> "ImageCounts":
        ids, groups = (tuple(names[row] for row in rows) for names in (self.ids, self.groups))
        return ImageCounts(ids, groups, self.hits[rows], self.truth[rows], self.predicted[rows])

    def write(self, path: Path) -> None:
        """Write the counts; equal counts make equal bytes."""
        names = {"ids": np.array(self.ids, np.str_), "groups": np.array(self.groups, np.str_)}
        np.savez_compressed(path, **names, hits=self.hits, truth=self.truth, predicted=self.predicted)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> "ImageCounts":
        """Read counts that `write` wrote.

        Raises:
            UserError: The file does not exist: an older Segline wrote the folder.
        """
        if not path.is_file():
            raise UserError(
                f"{path} does not exist: an older Segline made this evaluation. Run again: --rerun evaluate."
            )
        with np.load(path, allow_pickle=False) as arrays:
            ids, groups = (tuple(map(str, arrays[name])) for name in ("ids", "groups"))
            return cls(ids, groups, arrays["hits"], arrays["truth"], arrays["predicted"])
