"""The facts of a folder of the user's own: they come from its layout."""

import re
from collections.abc import Mapping
from pathlib import Path

from datasets.image_folder.layout import Layout, read
from datasets.image_folder.sections import ALL_16_BITS, Class
from datasets.palette import pascal_voc
from datasets.spec import DatasetSpec


def read_specs(layout: Path) -> Mapping[str, DatasetSpec]:
    """Read the facts from a layout; there is one configuration.

    Raises:
        DatasetError: The layout is missing or wrong.
    """
    spec = spec_of(read(layout))
    return {spec.config: spec}


def spec_of(layout: Layout) -> DatasetSpec:
    """Give the facts that a layout states. No split has a published size."""
    return DatasetSpec(
        name="image_folder",
        config="",
        classes=tuple(one.name for one in layout.classes),
        colours=colours(layout),
        split_sizes={},
        sources=sources(layout),
        homepage=layout.homepage,
        licence=layout.licence,
        citation=layout.citation,
        image_range=None if layout.image.range == ALL_16_BITS else layout.image.range,
    )


def colours(layout: Layout) -> tuple[tuple[int, int, int], ...]:
    """Give each class its colour: its own, that of its masks, or the next of PASCAL VOC's that is still free."""
    own = [one.colour or _in_masks(one, layout.mask.read) for one in layout.classes]
    free = (colour for colour in pascal_voc(256) if colour not in own)
    return tuple(colour or next(free) for colour in own)


def _in_masks(one: Class, read: str) -> tuple[int, int, int] | None:
    return next((raw for raw in one.raws(read) if isinstance(raw, tuple)), None)


def sources(layout: Layout) -> tuple[str, ...]:
    """Give the folders in which the patterns look, and the lists."""
    tops = {_top(pattern) for pattern in (*layout.images, *layout.masks)}
    found = {"*"} if "*" in tops else tops
    return tuple(sorted(found | set((layout.splits.lists or {}).values())))


def _top(pattern: str) -> str:
    """Give the folder that all files of a pattern lie in; "*" where that is the raw folder itself."""
    fixed = re.split(r"[{*?]", pattern)[0]
    return fixed.rpartition("/")[0] or "*"
