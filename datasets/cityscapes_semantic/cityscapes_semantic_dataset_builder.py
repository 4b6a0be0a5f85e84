"""Cityscapes for semantic segmentation: the official files with fine or coarse labels, and the image pairs."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from datasets import labels
from datasets.audit import BadFileError, Kind, opened
from datasets.cityscapes_semantic import layouts, pair_files
from datasets.cityscapes_semantic.classes import CITIES, SPECS
from datasets.cityscapes_semantic.label_table import LABELS
from datasets.errors import DatasetError
from datasets.extras import require_all_or_none
from datasets.pairs import Split
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.segmentation_builder import SegmentationBuilder

TABLE = labels.id_table({label.id: label.train_id for label in LABELS if label.id >= 0})

INSTANCES = "instances"
"""Folder, among the records, of the instance masks of val: instances/val/<id>.png, as they came."""


class Builder(SegmentationBuilder):
    """Cityscapes: PNG images with PNG masks of label ids (`fine`, `coarse`), or JPEGs that hold both."""

    SPECS = SPECS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Fine and coarse labels; image pairs."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    fine: leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip of {SPECS["fine"].homepage},
    as downloaded or extracted to leftImg8bit/ and gtFine/.
    coarse: these two, and gtCoarse.zip and leftImg8bit_trainextra.zip.
    image_pairs, image_pairs_13: the folder cityscapes_data with train/1.jpg ... and val/1.jpg ... of
    {SPECS["image_pairs"].homepage}
    """

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """See SegmentationBuilder. The group is the city; what image pairs are of is not known."""
        parts = layouts.PARTS.get(self.spec.config)
        return layouts.image_pairs(raw) if parts is None else layouts.official(raw, parts)

    def reader(self) -> Reader:
        """See SegmentationBuilder."""
        if self.spec.config == "image_pairs":
            return Reader(pair_files.nearest_class, pair_files.photo)
        if self.spec.config == "image_pairs_13":
            return Reader(pair_files.red_bin, pair_files.photo)
        return Reader(partial(labels.from_ids, table=TABLE))

    def published_ids(self, split: str) -> frozenset[str]:
        """See SegmentationBuilder: those of image pairs are numbers; the official ones are in no list."""
        paired = self.spec.config not in layouts.PARTS
        return frozenset(str(number + 1) for number in range(self.spec.split_sizes[split])) if paired else frozenset()

    def deviation(self, name: str, split: Split) -> str:
        """See SegmentationBuilder: the official files are counted city by city."""
        if self.spec.config not in layouts.PARTS:
            return super().deviation(name, split)
        found = Counter(layouts.city(id_) for id_ in split.ids)
        short = [f"{city} {found[city]} of {size}" for city, size in CITIES[name].items() if found[city] != size]
        extra = sum(found.values()) - sum(found[city] for city in CITIES[name])
        if self.spec.config == "coarse" and name == "train":
            short.append(f"train_extra {extra} of {self.spec.split_sizes[name] - sum(CITIES[name].values())}")
        return f" By city: {', '.join(short)}."

    def check_extras(self, raw: RawFolder, found: Mapping[str, Split]) -> None:
        """See SegmentationBuilder: instance masks are there for all of val or for none of it."""
        if self.spec.config != "fine" or "val" not in found:
            return
        ids = sorted(pair.id for pair in found["val"].pairs)
        there = dict(layouts.instances(raw, frozenset(ids)))
        missing = [layouts.instance_file(id_) for id_ in ids if id_ not in there]
        without = f"Or take all *{layouts.INSTANCE_ENDING} away: then there is no iIoU."
        require_all_or_none(raw, missing, of=len(ids), without=without)

    def extras(self, raw: RawFolder, found: Mapping[str, Split], folder: Path) -> None:
        """See SegmentationBuilder: with `fine` go the instance masks of val, which iIoU needs, where they are."""
        if self.spec.config != "fine" or "val" not in found:
            return
        for id_, name in layouts.instances(raw, found["val"].ids):
            place = folder / INSTANCES / "val" / f"{id_}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(_instance_mask(raw, name))


def _instance_mask(raw: RawFolder, name: str) -> bytes:
    try:
        content = raw.read(name)
        with opened(content) as image:
            if image.getbands() != ("I",):
                raise BadFileError(Kind.MASK_CHANNELS, f"mode {image.mode}; instance ids have 16 bits")
    except BadFileError as error:
        raise DatasetError(f"{name}: {error}. Put it right, or take the *_instanceIds.png files away.") from error
    return content
