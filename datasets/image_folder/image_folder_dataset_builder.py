"""A folder of the user's own: a YAML file says where images and masks are and what the masks mean."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from datasets import colour_labels, labels
from datasets.errors import DatasetError
from datasets.image_folder import files, folder
from datasets.image_folder.classes import spec_of
from datasets.image_folder.layout import Layout, read
from datasets.pairs import Split
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.segmentation_builder import SegmentationBuilder
from datasets.spec import IGNORE, DatasetSpec


class Builder(SegmentationBuilder):
    """Images and masks of any common kind, as a layout describes them.

    Args:
        layout: The YAML file.
        kwargs: Those of SegmentationBuilder.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "What the layout says."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Name the folder with your images and masks. `segline init FOLDER`
    writes the YAML file that says how it is read.
    """

    def __init__(self, *, layout: Path | None = None, **kwargs: Any) -> None:
        if layout is None:
            raise DatasetError("image_folder needs the YAML file that describes the folder: layout=, data.layout.")
        self._layout = read(Path(layout))
        super().__init__(**kwargs)
        self._original_state |= {"layout": layout}

    @property
    def spec(self) -> DatasetSpec:
        """See SegmentationBuilder."""
        return spec_of(self._layout)

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """See SegmentationBuilder."""
        return folder.find(raw, self._layout)

    def settings(self) -> list[object]:
        """See SegmentationBuilder. Another meaning of the same masks makes other records."""
        return [*super().settings(), self._layout.model_dump(mode="json")]

    def reader(self) -> Reader:
        """See SegmentationBuilder."""
        return reader_of(self._layout)


def reader_of(layout: Layout) -> Reader:
    """Give the functions that read the files of a layout."""
    (low, high), exif = layout.image.range, layout.image.exif
    image = partial(files.record_image, low=low, high=high, exif=exif)
    mask = layout.mask
    if mask.read == "threshold":
        return Reader(partial(files.mask_by_threshold, at=mask.at, exif=exif), image)
    if mask.read == "colours":
        colours = colour_labels.check(_meanings(layout))
        by_colour = partial(files.mask_of_colours, colours=colours, exif=exif)
        return Reader(partial(by_colour, nearest=mask.nearest, ignore_others=mask.others == "ignore"), image)
    table = labels.id_table(dict(_meanings(layout)), size=65536)
    if mask.others == "ignore":
        table[table == labels.INVALID] = IGNORE
    if mask.key is not None:  # that is, `read: mat`
        return Reader(partial(files.mask_of_mat, table=table, key=mask.key), image)
    return Reader(partial(files.mask_of_ids, table=table, exif=exif), image)


def _meanings(layout: Layout) -> list[tuple[Any, int]]:
    """Give (raw value, train id or IGNORE) of everything that the layout lists."""
    listed = [
        (raw, index) for index, one in enumerate(layout.classes) for raw in (one.raws(layout.mask.read) or [index])
    ]
    return [*listed, *((raw, IGNORE) for raw in layout.ignore)]
