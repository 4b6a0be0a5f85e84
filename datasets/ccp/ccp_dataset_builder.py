"""Clothing Co-Parsing: 1,004 street-fashion photographs, 59 classes of clothes."""

from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from datasets import labels, mat_labels
from datasets.audit import SUFFIXES, BadFileError, Kind, Problem, join_names
from datasets.ccp.classes import CLASSES, LABELLED, SPECS, split_of
from datasets.errors import DatasetError
from datasets.pairs import Split, match
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.segmentation_builder import SegmentationBuilder

PHOTOS, MASKS, NAMES = "photos", "annotations/pixel-level", "label_list.mat"

TABLE = labels.id_table({index: index for index in range(len(CLASSES))})


class Builder(SegmentationBuilder):
    """CCP: JPEG photographs, and masks of ids 0..58 in MATLAB files."""

    SPECS = SPECS
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "59 classes; 804, 100 and 100 photographs."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Clone {SPECS["pixels"].homepage}, or get it as a zip file.
    It holds photos/, annotations/pixel-level/ and label_list.mat.
    """

    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Pair photographs with masks. Most have none; only a missing mask of a `LABELLED` one is a problem."""
        start = raw.folder_with(MASKS)
        if start is None or not raw.has(start + PHOTOS):
            raise DatasetError(
                f"In {raw.path}: {PHOTOS}/ and {MASKS}/ are expected. "
                f"Received: {join_names(raw.listing()) or 'nothing'}."
            )
        _check_names(raw, start + NAMES)
        duplicates: list[Problem] = []
        photos, masks = (_index_by_number(raw, f"{start}{folder}/*", duplicates) for folder in (PHOTOS, MASKS))
        expected = (f"{PHOTOS}/{{}}.*".format, f"{MASKS}/{{}}.mat".format)
        splits = {}
        for name in ("train", "val", "test"):
            needed = {n: photo for n, photo in photos.items() if n in masks or n in LABELLED}
            files = ({_id(n): file for n, file in of.items() if split_of(n) == name} for of in (needed, masks))
            problems = [problem for problem in duplicates if problem.split == name]
            split = match(name, *files, expected=expected, group=lambda _: "all", problems=problems)
            if split.ids:
                splits[name] = split
        if not splits:
            raise DatasetError(f"In {raw.path}: no photograph of {PHOTOS}/ has a mask in {MASKS}/.")
        return splits

    def reader(self) -> Reader:
        """Return the reader of .mat masks."""
        return Reader(read_mask)

    def published_ids(self, split: str) -> frozenset[str]:
        """Return the ids of the labelled photographs of a split."""
        return frozenset(_id(number) for number in LABELLED if split_of(number) == split)


def read_mask(content: bytes) -> np.ndarray:
    """Decode a .mat mask of CCP to train ids, uint8 [H, W], or raise BadFileError."""
    return labels.lookup(mat_labels.read(content, "groundtruth"), TABLE)


def _id(number: int) -> str:
    return f"{number:04d}"


def _index_by_number(raw: RawFolder, pattern: str, duplicates: list[Problem]) -> dict[int, str]:
    """Return {number: file}; append further files of a number to `duplicates`. Other suffixes are passed over."""
    names = [name for name in raw.files(pattern) if PurePosixPath(name).suffix.lower() in SUFFIXES]
    invalid = [name for name in names if not PurePosixPath(name).stem.isdecimal()]
    if invalid:
        raise DatasetError(f"In {raw.path}: CCP's files are numbers, such as 0001. Received: {join_names(invalid)}.")
    file_of: dict[int, str] = {}
    for name in names:
        number = int(PurePosixPath(name).stem)
        first = file_of.setdefault(number, name)
        if first != name:
            detail = f"{first} has the same number"
            duplicates.append(Problem(Kind.DUPLICATE, split_of(number), name, _id(number), detail))
    return file_of


def _check_names(raw: RawFolder, file: str) -> None:
    """Raise DatasetError for a copy with other classes in its list; a copy without the list is accepted."""
    if not raw.has(file):
        return
    try:
        names = tuple(mat_labels.read_texts(raw.read(file), "label_list"))
    except BadFileError as error:
        raise DatasetError(f"{raw.path / file} cannot be read: {error}. Put it right, or remove it.") from None
    if names != CLASSES:
        other = [f"{index}: {name!r} for {expected!r}" for index, (name, expected) in
                 enumerate(zip(names, CLASSES, strict=False)) if name != expected]  # fmt: skip
        raise DatasetError(
            f"{raw.path / file} names {len(names)} classes, CCP has {len(CLASSES)}. Different: {join_names(other)}."
        )
