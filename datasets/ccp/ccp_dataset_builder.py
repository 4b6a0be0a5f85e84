"""Clothing Co-Parsing: 1,004 street-fashion photographs, 59 classes of clothes."""

import io
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import scipy.io
import tensorflow_datasets as tfds

from datasets import labels, mat_labels
from datasets.audit import SUFFIXES, Kind, Problem, listed
from datasets.ccp.classes import CLASSES, LABELLED, SPECS, split_of
from datasets.errors import DatasetError
from datasets.pairs import Pair, Split
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
        """See SegmentationBuilder. Photographs without a mask are most of the set; only one that lost it is a fault."""
        start = raw.folder_with(MASKS)
        if start is None or not raw.has(start + PHOTOS):
            raise DatasetError(
                f"In {raw.path}: {PHOTOS}/ and {MASKS}/ are expected. Received: {listed(raw.listing()) or 'nothing'}."
            )
        _check_names(raw, start + NAMES)
        doubled: list[Problem] = []
        photos, masks = (_by_number(raw, f"{start}{folder}/*", doubled) for folder in (PHOTOS, MASKS))
        splits = {}
        for name in ("train", "val", "test"):
            numbers = sorted(n for n in photos.keys() | masks.keys() if split_of(n) == name)
            problems = [problem for problem in doubled if problem.split == name]
            bad = {problem.id for problem in problems}
            problems += [problem for n in numbers if (problem := _alone(name, n, photos.get(n), masks.get(n)))]
            both = [n for n in numbers if n in photos and n in masks and _id(n) not in bad]
            if both or problems:
                pairs = tuple(Pair(_id(n), "all", photos[n], masks[n]) for n in both)
                splits[name] = Split(pairs, tuple(problems))
        if not splits:
            raise DatasetError(f"In {raw.path}: no photograph of {PHOTOS}/ has a mask in {MASKS}/.")
        return splits

    def reader(self) -> Reader:
        """See SegmentationBuilder."""
        return Reader(read_mask)

    def published_ids(self, split: str) -> frozenset[str]:
        """See SegmentationBuilder."""
        return frozenset(_id(number) for number in LABELLED if split_of(number) == split)


def read_mask(content: bytes) -> np.ndarray:
    """Read a .mat file of CCP: train ids, uint8 [H, W]."""
    return labels.lookup(mat_labels.read(content, "groundtruth"), TABLE)


def _id(number: int) -> str:
    return f"{number:04d}"


def _by_number(raw: RawFolder, pattern: str, doubled: list[Problem]) -> dict[int, str]:
    """Give {number: file}; a number met twice goes to `doubled`, and what is no image by its name is passed over."""
    names = [name for name in raw.files(pattern) if PurePosixPath(name).suffix.lower() in SUFFIXES]
    strange = [name for name in names if not PurePosixPath(name).stem.isdecimal()]
    if strange:
        raise DatasetError(f"In {raw.path}: CCP's files are numbers, such as 0001. Received: {listed(strange)}.")
    found: dict[int, str] = {}
    for name in names:
        number = int(PurePosixPath(name).stem)
        first = found.setdefault(number, name)
        if first != name:
            doubled.append(Problem(Kind.DUPLICATE, split_of(number), name, _id(number), f"{first} has the same number"))
    return found


def _alone(split: str, number: int, photo: str | None, mask: str | None) -> Problem | None:
    """Say what is wrong where one file of a labelled photograph is there without the other."""
    if photo is None and mask is not None:
        return Problem(Kind.WITHOUT_IMAGE, split, mask, _id(number), f"no file {PHOTOS}/{_id(number)}.*")
    if mask is None and photo is not None and number in LABELLED:
        return Problem(Kind.WITHOUT_MASK, split, photo, _id(number), f"no file {MASKS}/{_id(number)}.mat")
    return None


def _check_names(raw: RawFolder, file: str) -> None:
    """Refuse a copy whose ids mean other classes than ours; a copy without the list is taken as it is."""
    if not raw.has(file):
        return
    try:
        cells = scipy.io.loadmat(io.BytesIO(raw.read(file)), variable_names=["label_list"])["label_list"]
        names = tuple(str(cell[0]) for cell in cells.ravel())
    except Exception as error:  # what SciPy raises depends on where the damage lies
        raise DatasetError(f"{raw.path / file} cannot be read: {error}. Put it right, or remove it.") from None
    if names != CLASSES:
        other = [f"{index}: {there!r} for {ours!r}" for index, (there, ours) in
                 enumerate(zip(names, CLASSES, strict=False)) if there != ours]  # fmt: skip
        raise DatasetError(
            f"{raw.path / file} names {len(names)} classes, CCP has {len(CLASSES)}. Different: {listed(other)}."
        )
