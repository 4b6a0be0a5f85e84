"""The spec of the user's own folder, from its layout."""

import re
from collections.abc import Mapping
from pathlib import Path

from datasets.image_folder.layout import Layout, read
from datasets.image_folder.sections import Class
from datasets.palette import pascal_voc
from datasets.spec import DatasetSpec

FILE = "segline.yaml"  # Name of a layout's file that `segline init` writes

SLATE = (96, 112, 128)
"""The first colour of classes that have none; it is none of PASCAL VOC's."""


def read_specs(layout: Path) -> Mapping[str, DatasetSpec]:
    """Return {"": spec} of a layout file: there is only one configuration.

    Raises:
        DatasetError: The layout is missing or invalid.
    """
    spec = spec_of(read(layout), title_of(layout))
    return {spec.config: spec}


def title_of(file: Path) -> str:
    """Return the name that people know the data by: of a layout's file, or where it has init's name, of its folder."""
    return file.stem if file.name != FILE else file.absolute().parent.name


def spec_of(layout: Layout, title: str = "") -> DatasetSpec:
    """Return the spec that a layout describes; no split has a published size."""
    return DatasetSpec(
        name="image_folder",
        config="",
        classes=tuple(class_.name for class_ in layout.classes),
        colours=colours(layout),
        split_sizes={},
        sources=sources(layout),
        homepage=layout.homepage,
        licence=layout.licence,
        citation=layout.citation,
        image_range=layout.image.range,
        image_bands=layout.image.bands,
        image_exif=layout.image.exif,
        title=title,
    )


def colours(layout: Layout) -> tuple[tuple[int, int, int], ...]:
    """Return the colour of each class: the layout's, that of the masks, or the next free one of PASCAL VOC's.

    SLATE stands for VOC's black, which would only darken a photograph below it.
    """
    own = [class_.colour or _colour_in_masks(class_, layout.mask.read) for class_ in layout.classes]
    free = (colour for colour in (SLATE, *pascal_voc(256)[1:]) if colour not in own)
    return tuple(colour or next(free) for colour in own)


def _colour_in_masks(class_: Class, read: str) -> tuple[int, int, int] | None:
    return next((raw for raw in class_.raws(read) if isinstance(raw, tuple)), None)


def sources(layout: Layout) -> tuple[str, ...]:
    """Return the folders that hold the files of the patterns, and the lists of splits."""
    annotated = layout.annotations.files if layout.annotations else []
    tops = {_top(pattern) for pattern in (*layout.images, *layout.masks, *annotated)}
    folders = {"*"} if "*" in tops else tops
    return tuple(sorted(folders | {_top(file) for file in (layout.splits.lists or {}).values()}))


def _top(pattern: str) -> str:
    """Return the folder that holds all files of a pattern; "*" for the raw folder itself.

    A part of it that is not ASCII becomes "*", as the disk may have it in another form of Unicode.
    """
    fixed = re.split(r"[{*?]", pattern)[0]
    if fixed == pattern:  # a single file
        return pattern
    return re.sub(r"[^/]*[^\x00-\x7f][^/]*", "*", fixed.rpartition("/")[0]) or "*"
