"""Cityscapes for semantic segmentation: the official files with fine or coarse labels, and Kaggle's image pairs."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import tensorflow_datasets as tfds

from datasets import labels
from datasets.audit import BadFileError, Kind, open_image
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
"""Folder, beside the records, of the unchanged instance masks of val: instances/val/<id>.png."""


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
        """Find the files of the configuration's layout; the group is the city, which is unknown for image pairs."""
        parts = layouts.PARTS.get(self.spec.config)
        return layouts.find_image_pairs(raw) if parts is None else layouts.find_official(raw, parts)

    def reader(self) -> Reader:
        """Return the reader of the configuration."""
        if self.spec.config == "image_pairs":
            return Reader(pair_files.read_nearest_classes, pair_files.read_photo)
        if self.spec.config == "image_pairs_13":
            return Reader(pair_files.read_red_bins, pair_files.read_photo)
        return Reader(partial(labels.from_ids, table=TABLE))

    def published_ids(self, split: str) -> frozenset[str]:
        """Return the numbers of the image pairs; the official ids are published in no list."""
        paired = self.spec.config not in layouts.PARTS
        return frozenset(str(number + 1) for number in range(self.spec.split_sizes[split])) if paired else frozenset()

    def describe_deviation(self, name: str, split: Split) -> str:
        """Count the official files of each city, as only their numbers are published."""
        if self.spec.config not in layouts.PARTS:
            return super().describe_deviation(name, split)
        images = Counter(layouts.city(id_) for id_ in split.ids)
        short = [f"{city} {images[city]} of {size}" for city, size in CITIES[name].items() if images[city] != size]
        extra = images.total() - sum(images[city] for city in CITIES[name])
        if self.spec.config == "coarse" and name == "train":
            short.append(f"train_extra {extra} of {self.spec.split_sizes[name] - sum(CITIES[name].values())}")
        return f" By city: {', '.join(short)}."

    def check_extras(self, raw: RawFolder, splits: Mapping[str, Split]) -> None:
        """Raise DatasetError if only some images of val have an instance mask."""
        if self.spec.config != "fine" or "val" not in splits:
            return
        ids = sorted(pair.id for pair in splits["val"].pairs)
        masks = dict(layouts.instances(raw, frozenset(ids)))
        missing = [layouts.instance_file(id_) for id_ in ids if id_ not in masks]
        without = f"Or remove all *{layouts.INSTANCE_ENDING}: then there is no iIoU."
        require_all_or_none(raw, missing, of=len(ids), without=without)

    def write_extras(self, raw: RawFolder, splits: Mapping[str, Split], folder: Path) -> None:
        """Copy the instance masks of val, if there are any: iIoU needs them."""
        if self.spec.config != "fine" or "val" not in splits:
            return
        for id_, name in layouts.instances(raw, splits["val"].ids):
            path = folder / INSTANCES / "val" / f"{id_}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_read_instance_mask(raw, name))


def _read_instance_mask(raw: RawFolder, name: str) -> bytes:
    try:
        content = raw.read(name)
        with open_image(content) as image:
            if image.getbands() != ("I",):
                raise BadFileError(Kind.MASK_CHANNELS, f"mode {image.mode}; instance ids have 16 bits")
    except BadFileError as error:
        raise DatasetError(f"{name}: {error}. Put it right, or remove the *_instanceIds.png files.") from error
    return content
