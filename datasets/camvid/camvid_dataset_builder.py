"""CamVid in the layout of the SegNet tutorial: 480x360 frames of five drives through Cambridge, 11 classes."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from datasets import labels
from datasets.camvid.classes import SPEC, VOID
from datasets.pairs import Split, by_stem
from datasets.segmentation_builder import SegmentationBuilder
from datasets.spec import IGNORE

FOLDERS = {"train": ("train", "trainannot"), "val": ("val", "valannot"), "test": ("test", "testannot")}
"""{split: (folder of images, folder of masks)}."""

TABLE = labels.id_table({**{index: index for index in range(SPEC.num_classes)}, VOID: IGNORE})


class Builder(SegmentationBuilder):
    """CamVid: PNG images, and PNG masks of ids 0..10 with 11 for void."""

    SPEC = SPEC
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "The SegNet tutorial's layout, 11 classes."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Get the folder CamVid of {SPEC.homepage}. It holds train/ with trainannot/, val/ with valannot/, and test/ with
    testannot/: PNG images, and masks of the same names.
    """

    def find(self, raw: Path) -> dict[str, Split]:
        """See SegmentationBuilder. The group is the drive: 0001TP of 0001TP_006690."""
        return by_stem(raw, FOLDERS, group=lambda id_: id_.split("_")[0])

    @staticmethod
    def read_mask(content: bytes) -> np.ndarray:
        """See SegmentationBuilder."""
        return labels.from_ids(content, TABLE)

    def published_ids(self, raw: Path, split: str) -> frozenset[str]:
        """Read the tutorial's list of the split: a line holds the path of an image and that of its mask."""
        listing = raw / f"{split}.txt"
        if not listing.is_file():
            return frozenset()
        lines = listing.read_text(encoding="utf-8").splitlines()
        return frozenset(Path(line.split()[0]).stem for line in lines if line.strip())
