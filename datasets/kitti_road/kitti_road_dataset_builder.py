"""KITTI Road: the road, or the ego-lane, in 289 labelled images of Karlsruhe."""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from datasets import labels
from datasets.audit import BadFileError, Kind, join_names
from datasets.errors import DatasetError
from datasets.extras import require_all_or_none
from datasets.kitti_road import calibration
from datasets.kitti_road.classes import SPECS, TESTING, TRAINING, split_of
from datasets.pairs import Pair, Split, match
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.segmentation_builder import SegmentationBuilder
from datasets.spec import IGNORE

IMAGES, MASKS, TEST_IMAGES = "training/image_2", "training/gt_image_2", "testing/image_2"
CALIBRATION = "training/calib"

NAME = re.compile(r"(um|umm|uu)_(\d{6})")


class Builder(SegmentationBuilder):
    """KITTI Road: PNG images, and colour masks whose red channel marks valid pixels and whose blue channel the road."""

    SPECS = SPECS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "road and lane; the last 20 of each category are val."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Get the base kit, data_road.zip, from
    {SPECS["road"].homepage}
    and put it here, as it is or extracted: data_road/ with
    training/ (image_2, gt_image_2, calib) and testing/.
    """

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Pair the images of each split with masks; the group is the category, um of um_000042."""
        start = raw.folder_with("training", "testing")
        if start is None:
            received = join_names(raw.listing()) or "nothing"
            raise DatasetError(f"In {raw.path}: training/ or testing/ is expected. Received: {received}.")
        categories = ("um",) if self.spec.config == "lane" else tuple(TRAINING)
        splits = self._labelled(raw, start, categories)
        test = [Pair(id_, category, file, None) for category, id_, file in
                _parse_names(raw, f"{start}{TEST_IMAGES}/*.png") if category in categories]  # fmt: skip
        if test:
            splits["test"] = Split(tuple(test))
        if not splits:
            raise DatasetError(f"In {raw.path / start}: neither {IMAGES}/ nor {TEST_IMAGES}/ holds an image.")
        return splits

    def reader(self) -> Reader:
        """Return the reader of colour masks."""
        return Reader(read_mask)

    def published_ids(self, split: str) -> frozenset[str]:
        """Return the ids of a split of the benchmark."""
        numbers = TESTING if split == "test" else TRAINING
        categories = ("um",) if self.spec.config == "lane" else tuple(numbers)
        ids = {(category, number) for category in categories for number in range(numbers[category])}
        return frozenset(f"{c}_{n:06d}" for c, n in ids if split == "test" or split_of(c, n) == split)

    def check_extras(self, raw: RawFolder, splits: Mapping[str, Split]) -> None:
        """Raise DatasetError if only some labelled images have a calibration file."""
        folder = f"{raw.folder_with('training', 'testing') or ''}{CALIBRATION}"
        ids = [pair.id for name in ("train", "val") if name in splits for pair in splits[name].pairs]
        files = [f"{folder}/{id_}.txt" for id_ in ids]
        missing = sorted(file for file in files if not raw.has(file))
        without = f"Or remove {folder}/: then roads are measured in the image only, not in the bird's-eye view."
        require_all_or_none(raw, missing, of=len(files), without=without)

    def write_extras(self, raw: RawFolder, splits: Mapping[str, Split], folder: Path) -> None:
        """Write calibration.json of train and val, and calibration_test.json: {id: {matrix: rows}}.

        Two files, because training and test images have the same ids.
        """
        start = raw.folder_with("training", "testing") or ""
        for file, part, names in (
            ("calibration.json", "training", ("train", "val")),
            ("calibration_test.json", "testing", ("test",)),
        ):
            ids = {pair.id for name in names if name in splits for pair in splits[name].pairs}
            matrices = calibration.read(raw, f"{start}{part}/calib", ids)
            if matrices:
                (folder / file).write_text(json.dumps(matrices, indent=1) + "\n", encoding="utf-8")

    def _labelled(self, raw: RawFolder, start: str, categories: tuple[str, ...]) -> dict[str, Split]:
        mask_of = {id_.replace(f"_{self.spec.config}_", "_"): file for id_, file in self._masks(raw, start)}
        if not mask_of:
            self._check_other_target(raw, start)
        images = _parse_names(raw, f"{start}{IMAGES}/*.png")
        image_of = {id_: file for category, id_, file in images if category in categories}
        expected = (f"{IMAGES}/{{}}.png".format, lambda id_: f"{MASKS}/{id_.replace('_', f'_{self.spec.config}_')}.png")
        splits = {}
        for name in ("train", "val"):
            files = (
                {id_: file for id_, file in of.items() if split_of(_category(id_), int(id_[-6:])) == name}
                for of in (image_of, mask_of)
            )
            split = match(name, *files, expected=expected, group=_category)
            if split.ids:
                splits[name] = split
        return splits

    def _check_other_target(self, raw: RawFolder, start: str) -> None:
        """Raise DatasetError if there are masks of the other configuration only, instead of one problem per image."""
        for other in SPECS:
            masks = self._masks(raw, start, other)
            if masks:
                raise DatasetError(
                    f"In {raw.path / start / MASKS}: no mask is named um_{self.spec.config}_000000.png or so, "
                    f"{len(masks)} {'are' if len(masks) > 1 else 'is'} named as {masks[0][0]}.png.\n"
                    f"To learn from these: --set data.config={other}"
                )

    def _masks(self, raw: RawFolder, start: str, target: str | None = None) -> list[tuple[str, str]]:
        """Return (name, file) of the masks of a configuration, by default this one."""
        wanted = re.compile(rf"(um|umm|uu)_{target or self.spec.config}_\d{{6}}")
        names = [(PurePosixPath(file).stem, file) for file in raw.files(f"{start}{MASKS}/*.png")]
        return [(name, file) for name, file in names if wanted.fullmatch(name)]


def read_mask(content: bytes) -> np.ndarray:
    """Decode a mask as the official devkit does: IGNORE where red is 0, elsewhere road where blue is above 0.

    Returns:
        Train ids, uint8 [H, W]: 1 road or lane, 0 background, IGNORE.

    Raises:
        BadFileError: Not an image, damaged, or not RGB.
    """
    rgb = labels.decode(content)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise BadFileError(Kind.MASK_CHANNELS, f"received {'x'.join(map(str, rgb.shape))}; KITTI's masks are RGB")
    return np.where(rgb[..., 0] > 0, (rgb[..., 2] > 0).astype(np.uint8), np.uint8(IGNORE))


def _category(id_: str) -> str:
    return id_.split("_")[0]


def _parse_names(raw: RawFolder, pattern: str) -> list[tuple[str, str, str]]:
    """Return (category, id, file) of the images; raise DatasetError for names of another form."""
    images, invalid = [], []
    for file in raw.files(pattern):
        match = NAME.fullmatch(PurePosixPath(file).stem)
        if match:
            images.append((match[1], match[0], file))
        else:
            invalid.append(file)
    if invalid:
        raise DatasetError(f"In {raw.path}: names such as um_000042.png are expected. Received: {join_names(invalid)}.")
    return images
