"""The user's own folder: a YAML file says where images and masks are, and what the masks mean."""

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
        kwargs: Arguments of SegmentationBuilder.

    Raises:
        DatasetError: There is no layout, or it is invalid.
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
        """The spec that the layout describes."""
        return spec_of(self._layout)

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Pair the files that match the layout's patterns."""
        return folder.find(raw, self._layout)

    def settings(self) -> list[object]:
        """Add the layout, as the records depend on what it says about the masks."""
        return [*super().settings(), self._layout.model_dump(mode="json")]

    def reader(self) -> Reader:
        """Return the reader that the layout describes."""
        return reader_of(self._layout)


def reader_of(layout: Layout) -> Reader:
    """Return the functions that read the images and masks of a layout."""
    (low, high), exif = layout.image.range, layout.image.exif
    image = partial(files.record_image, low=low, high=high, exif=exif)
    mask = layout.mask
    if mask.read == "threshold":
        return Reader(partial(files.read_threshold_mask, at=mask.at, exif=exif), image)
    if mask.read == "colours":
        colours = colour_labels.validate(_train_ids(layout))
        by_colour = partial(files.read_colour_mask, colours=colours, exif=exif)
        return Reader(partial(by_colour, nearest=mask.nearest, ignore_others=mask.others == "ignore"), image)
    table = labels.id_table(dict(_train_ids(layout)), size=65536)
    if mask.others == "ignore":
        table[table == labels.INVALID] = IGNORE
    if mask.key is not None:  # that is, `read: mat`
        return Reader(partial(files.read_mat_mask, table=table, key=mask.key), image)
    return Reader(partial(files.read_id_mask, table=table, exif=exif), image)


def _train_ids(layout: Layout) -> list[tuple[Any, int]]:
    """Return (raw value, train id or IGNORE) of every raw value in the layout."""
    classes = [
        (raw, index) for index, class_ in enumerate(layout.classes) for raw in class_.raws(layout.mask.read) or [index]
    ]
    return [*classes, *((raw, IGNORE) for raw in layout.ignore)]
