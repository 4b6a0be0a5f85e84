"""The user's own folder: a YAML file says where images and masks are, and what the masks mean."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from datasets import colour_labels, labels
from datasets.audit import Problem
from datasets.errors import DatasetError
from datasets.image_folder import annotated, files, folder, headers, palettes, raw_samples
from datasets.image_folder.classes import spec_of, title_of
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
        self._layout, self._title = read(Path(layout)), title_of(Path(layout))
        super().__init__(**kwargs)
        self._original_state |= {"layout": layout}

    @property
    def spec(self) -> DatasetSpec:
        """The spec that the layout describes."""
        return spec_of(self._layout, self._title)

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Pair the files that match the layout's patterns."""
        if self._layout.annotations:
            return annotated.find(raw, self._layout, self._layout.annotations)
        return folder.find(raw, self._layout)

    def leave_out(self, raw: RawFolder, splits: dict[str, Split]) -> dict[str, Split]:
        """Leave out masks whose palettes contradict those of others."""
        return palettes.leave_out_disputed(raw, splits, self._layout)

    def look(self, raw: RawFolder, splits: Mapping[str, Split]) -> list[Problem]:
        """Return the problems that headers show: pages, bands and orientations of some pairs, palettes of all."""
        return headers.problems(raw, self._layout, splits, self.reader().check)

    def settings(self) -> list[object]:
        """Add the layout, as the records depend on what it says about the masks."""
        layout = self._layout
        return [*super().settings(), layout.model_dump(mode="json"), sorted(layout.image.model_fields_set)]

    def write_extras(self, raw: RawFolder, splits: Mapping[str, Split], folder: Path) -> None:
        """Keep some raw files, with which export proves that it reads them as ingest did."""
        raw_samples.write(folder / raw_samples.FOLDER, raw, splits)

    def reader(self) -> Reader:
        """Return the reader that the layout describes."""
        reader = reader_of(self._layout)
        if self._layout.annotations:
            return annotated.with_drawing(reader, self._layout, self._layout.annotations)
        return reader


def reader_of(layout: Layout) -> Reader:
    """Return the functions that read the images and masks of a layout."""
    image = layout.image
    (low, high), bands = image.range, image.bands or ()
    read_image = partial(files.record_image, low=low, high=high, exif=image.exif, bands=bands)
    is_open = "exif" not in image.model_fields_set and layout.mask.read != "mat"
    return Reader(_mask_reader(layout), read_image, files.require_one_orientation if is_open else None)


def _mask_reader(layout: Layout) -> Callable[[bytes], np.ndarray]:
    mask, exif = layout.mask, layout.image.exif
    if mask.read == "threshold":
        return partial(files.read_threshold_mask, at=mask.at, exif=exif)
    if mask.read == "colours":
        colours = colour_labels.validate(_train_ids(layout))
        by_colour = partial(files.read_colour_mask, colours=colours, exif=exif)
        return partial(by_colour, nearest=mask.nearest, other=_other(layout))
    table = labels.id_table(dict(_train_ids(layout)), size=65536)
    table[table == labels.INVALID] = _other(layout)
    if mask.key is not None:  # that is, `read: mat`
        return partial(files.read_mat_mask, table=table, key=mask.key)
    return partial(files.read_id_mask, table=table, exif=exif)


def _other(layout: Layout) -> int:
    """Return the train id of unlisted raw values, IGNORE or INVALID."""
    names = [class_.name for class_ in layout.classes]
    fixed = {"error": labels.INVALID, "ignore": IGNORE}
    return fixed.get(layout.mask.others) or names.index(layout.mask.others)


def _train_ids(layout: Layout) -> list[tuple[Any, int]]:
    """Return (raw value, train id or IGNORE) of every raw value in the layout."""
    named = [class_.name == layout.mask.others for class_ in layout.classes]
    classes = [
        (raw, index)
        for index, class_ in enumerate(layout.classes)
        for raw in class_.raws(layout.mask.read) or ([] if named[index] else [index])
    ]
    return [*classes, *((raw, IGNORE) for raw in layout.ignore)]
