"""CamVid: frames of five drives through Cambridge, in the four layouts in common use."""

from functools import partial
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from datasets import colour_labels, labels
from datasets.audit import BadFileError, Kind, open_image
from datasets.camvid import layouts
from datasets.camvid.classes import FULL_COLOURS, GROUPS, SPECS, VOID
from datasets.camvid.splits import IDS
from datasets.pairs import Split
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.segmentation_builder import SegmentationBuilder
from datasets.spec import IGNORE

TABLE = labels.id_table({**{index: index for index in range(VOID)}, VOID: IGNORE})
"""Train id by raw id of the SegNet tutorial's masks, uint8 [256]."""

TABLE_12 = labels.id_table({index: index for index in range(VOID + 1)})
"""Train id by raw id of dataset1's masks, where void is a class, uint8 [256]."""

FULL: colour_labels.Colours = tuple((colour, index) for index, colour in enumerate(FULL_COLOURS.values()))

FULL_11: colour_labels.Colours = (
    *((FULL_COLOURS[name], index) for index, (_, merged) in enumerate(GROUPS.values()) for name in merged),
    (FULL_COLOURS["Void"], IGNORE),
)


class Builder(SegmentationBuilder):
    """CamVid: PNG images, and PNG masks of ids (`segnet`, `dataset1`) or of colours (`full`, `full_11`)."""

    SPECS = SPECS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Four layouts; 11, 12 or 32 classes."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    segnet: the folder CamVid of {SPECS["segnet"].homepage},
    with train/ and trainannot/, val/ and valannot/, test/ and testannot/.
    dataset1: the folder of that name that goes with {SPECS["dataset1"].homepage},
    with images_prepped_train/ and annotations_prepped_train/, images_prepped_test/ and annotations_prepped_test/.
    full, full_11: 701_StillsRaw_full/ and LabeledApproved_full/, or the zip files of these names, of
    {SPECS["full"].homepage}
    """

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Pair images with masks; the group is the drive, 0001TP of 0001TP_006690."""
        if self.spec.config in ("full", "full_11"):
            return layouts.find_by_lists(raw)
        return layouts.find_in_folders(raw, layouts.DATASET1 if self.spec.config == "dataset1" else layouts.SEGNET)

    def reader(self) -> Reader:
        """Return the reader of the configuration's masks."""
        masks = {
            "segnet": partial(labels.from_ids, table=TABLE),
            "dataset1": partial(read_ids_of_channels, table=TABLE_12),
            "full": partial(read_colours, colours=FULL),
            "full_11": partial(read_colours, colours=FULL_11),
        }
        return Reader(masks[self.spec.config])

    def published_ids(self, split: str) -> frozenset[str]:
        """Return the ids of the SegNet tutorial's list, which holds for all configurations."""
        return frozenset(IDS[split])


def read_colours(content: bytes, colours: colour_labels.Colours) -> np.ndarray:
    """Decode a mask of exact colours to train ids, uint8 [H, W], or raise BadFileError."""
    return colour_labels.map_exact(colour_labels.decode(content), colours)


def read_ids_of_channels(content: bytes, table: np.ndarray) -> np.ndarray:
    """Decode a mask of ids that is grey, or RGB with the id in each of the three channels.

    Args:
        content: The mask file's bytes.
        table: Train id by raw id, uint8 [256], from `labels.id_table`.

    Returns:
        Train ids, uint8 [H, W].

    Raises:
        BadFileError: As labels.from_ids; or the channels differ.
    """
    with open_image(content) as image:
        is_rgb = image.mode == "RGB"
    if not is_rgb:
        return labels.from_ids(content, table)
    rgb = colour_labels.decode(content)
    differing = int((rgb != rgb[..., :1]).any(axis=-1).sum())
    if differing:
        raise BadFileError(Kind.MASK_CHANNELS, f"mode RGB, and the channels differ in {differing} px")
    return labels.lookup(np.ascontiguousarray(rgb[..., 0]), table)
