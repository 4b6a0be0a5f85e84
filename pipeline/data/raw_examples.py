"""Raw files, read as ingest reads them, before anything is written: their sizes, and a few examples."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from datasets import audit
from datasets.audit import BadFileError, Problem, lift_pillow_limit
from datasets.holdout import hold_out
from datasets.pairs import Pair
from datasets.raw import RawFolder
from pipeline.data import statistics

if TYPE_CHECKING:
    from datasets.segmentation_builder import SegmentationBuilder  # imports TFDS and Beam

MEASURED = 2000
"""Images whose size is read at most, evenly spaced: 0.2 ms each."""

ORIENTATION, UPRIGHT = 0x0112, 1
"""The EXIF tag that says how a photograph is turned, and its ordinary value."""


@dataclass(frozen=True)
class Example:
    """An example of the raw folder.

    Attributes:
        split: Its split.
        id: Its id.
        image: uint8 [H,W,3].
        mask: uint8 [H,W] of train ids, 255 = ignored.
    """

    split: str
    id: str
    image: np.ndarray
    mask: np.ndarray


class RawExamples:
    """The raw files of a dataset.

    Args:
        builder: Finds and reads them, and names the groups that are held out.
        folder: The raw folder.

    Raises:
        DatasetError: A split is empty, the files are not where the dataset has them, or no group of train is named so.
    """

    def __init__(self, builder: "SegmentationBuilder", folder: Path) -> None:
        from datasets.shards import ShardWriter, partition

        self._raw, self._reader = RawFolder(folder), builder.reader()
        self._writer = ShardWriter(self._raw, builder.spec.classes, self._reader)
        # In the order of the records, which is random: neighbours are not of one drive.
        splits = hold_out(builder.find(self._raw), builder.holdout_groups)
        self._pairs = {name: partition(split.pairs, 1)[0] for name, split in splits.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples of each split."""
        return {name: len(pairs) for name, pairs in self._pairs.items()}

    def sizes(self, split: str) -> dict[str, int]:
        """Count the images of each size (height x width), {"360x480": 367}, of at most MEASURED images of a split.

        Only headers are read, and bad files are left out.
        """
        pairs = self._pairs.get(split, ())
        number = min(MEASURED, len(pairs))
        sizes: Counter[str] = Counter()
        with lift_pillow_limit():
            for index in range(number):
                size = self._size(pairs[index * len(pairs) // number].image)
                if size:
                    sizes["{}x{}".format(*size)] += 1
        return dict(sizes)

    def read(self, problems: list[Problem], only: str | None = None) -> Iterator[Example]:
        """Read the examples, of each split in turn or of one; append the problems of bad files, which are left out."""
        with lift_pillow_limit():
            for split, pair in self._in_turn():
                if only not in (None, split):
                    continue
                faults: list[Problem] = []
                image, mask = self._writer.read(pair, split, faults)
                faults = [fault for fault in faults if fault.kind.is_error]
                problems += faults
                if not faults:
                    yield Example(split, pair.id, statistics.decode(image, "RGB"), mask)

    def _in_turn(self) -> Iterator[tuple[str, Pair]]:
        longest = max((len(pairs) for pairs in self._pairs.values()), default=0)
        for index in range(longest):
            yield from ((split, pairs[index]) for split, pairs in self._pairs.items() if index < len(pairs))

    def _size(self, name: str) -> tuple[int, int] | None:
        """Return (height, width) as in the record; None of a file that is bad or whose header Pillow cannot read."""
        path = self._raw.path / name
        try:
            with Image.open(path if path.is_file() else io.BytesIO(self._raw.read(name))) as image:
                width, height = image.size
                turned = image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT
            return audit.image_size(self._reader.image(self._raw.read(name))) if turned else (height, width)
        except (BadFileError, OSError, ValueError, SyntaxError):  # ingest reports it by name
            return None
