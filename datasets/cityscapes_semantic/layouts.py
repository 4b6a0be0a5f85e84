"""Where Cityscapes' files lie: the official folders, and the folders of image pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datasets.audit import Problem
from datasets.errors import DatasetError
from datasets.pairs import Pair, Split, by_id, matched
from datasets.raw import RawFolder

IMAGES = "leftImg8bit"

FINE_VAL, INSTANCE_ENDING = "gtFine/val", "_gtFine_instanceIds.png"

ZIPS = {
    "leftImg8bit/train": "leftImg8bit_trainvaltest.zip",
    "leftImg8bit/val": "leftImg8bit_trainvaltest.zip",
    "leftImg8bit/test": "leftImg8bit_trainvaltest.zip",
    "leftImg8bit/train_extra": "leftImg8bit_trainextra.zip",
    "gtFine/train": "gtFine_trainvaltest.zip",
    "gtFine/val": "gtFine_trainvaltest.zip",
    "gtCoarse/train": "gtCoarse.zip",
    "gtCoarse/train_extra": "gtCoarse.zip",
}
"""{folder: official zip file that it comes in}."""


@dataclass(frozen=True)
class Part:
    """Images of one official folder with their labels.

    Attributes:
        split: Our split that it belongs to.
        folder: Its name below leftImg8bit/.
        labels: Kind of its labels, gtFine or gtCoarse; None: it is used without any.
    """

    split: str
    folder: str
    labels: str | None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that it needs."""
        images = f"{IMAGES}/{self.folder}"
        return (images,) if self.labels is None else (images, f"{self.labels}/{self.folder}")


PARTS = {
    "fine": (Part("train", "train", "gtFine"), Part("val", "val", "gtFine"), Part("test", "test", None)),
    "coarse": (
        Part("train", "train", "gtCoarse"),
        Part("train", "train_extra", "gtCoarse"),
        Part("val", "val", "gtFine"),
    ),
}
"""What a configuration is made of."""


def city(id_: str) -> str:
    """Give the city of an image: aachen of aachen_000000_000019."""
    return id_.split("_")[0]


def official(raw: RawFolder, parts: Sequence[Part]) -> dict[str, Split]:
    """Find the examples of parts; one whose images are not there is absent.

    Raises:
        DatasetError: Images without their folder of labels, or no images at all. Names the zip files to get.
    """
    there = [part for part in parts if _place(raw, part.folders[0])]
    missing = [folder for part in there for folder in part.folders if not _place(raw, folder)]
    if not there:
        missing = list(dict.fromkeys(folder for part in parts for folder in part.folders))
    if missing:
        wanted = [f"  {folder}/ (of {ZIPS[folder]})" for folder in missing]
        advice = "Put these zip files there as downloaded, or extracted; https://www.cityscapes-dataset.com has them."
        raise DatasetError("\n".join([f"In {raw.path} there is no", *wanted, advice]))
    splits: dict[str, Split] = {}
    for part in there:
        found, before = _part(raw, part), splits.get(part.split, Split(()))
        splits[part.split] = Split(before.pairs + found.pairs, before.problems + found.problems)
    return splits


def instances(raw: RawFolder, ids: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Give (id, file) of each instance mask of val that is there."""
    place = _place(raw, FINE_VAL)
    for name in raw.files(f"{place}/*/*{INSTANCE_ENDING}") if place else ():
        id_ = name.rsplit("/", 1)[1].removesuffix(INSTANCE_ENDING)
        if id_ in ids:
            yield id_, name


def instance_file(id_: str) -> str:
    """Give the name that the instance mask of an image of val has in the official folders."""
    return f"{FINE_VAL}/{city(id_)}/{id_}{INSTANCE_ENDING}"


def image_pairs(raw: RawFolder) -> dict[str, Split]:
    """Find the JPEGs that hold a photo on their left and its mask on their right.

    Raises:
        DatasetError: There are none.
    """
    start = raw.folder_with("train", "val") or ""
    splits = {}
    for name in ("train", "val"):
        problems: list[Problem] = []
        files = by_id(raw.files(f"{start}{name}/*.jpg"), name, problems)
        pairs = tuple(Pair(id_, "", file, file) for id_, file in sorted(files.items()))
        if pairs:
            splits[name] = Split(pairs, tuple(problems))
    if not splits:
        raise DatasetError(
            f"In {raw.path} there is no train/*.jpg and no val/*.jpg.\nExpected: the folder cityscapes_data of the "
            "image pairs, with train/1.jpg ... train/2975.jpg and val/1.jpg ... val/500.jpg."
        )
    return splits


def _place(raw: RawFolder, folder: str) -> str | None:
    start = raw.folder_with(folder)
    return None if start is None else start + folder


def _part(raw: RawFolder, part: Part) -> Split:
    problems: list[Problem] = []
    images = f"{_place(raw, part.folders[0])}/*/"
    image_of = by_id(raw.files(f"{images}*_leftImg8bit.png"), part.split, problems, ending="_leftImg8bit.png")
    if part.labels is None:
        return Split(tuple(Pair(id_, city(id_), file, None) for id_, file in sorted(image_of.items())), tuple(problems))
    masks, ending = f"{_place(raw, part.folders[1])}/*/", f"_{part.labels}_labelIds.png"
    mask_of = by_id(raw.files(f"{masks}*{ending}"), part.split, problems, ending=ending)
    expected = (f"{images}{{}}_leftImg8bit.png", f"{masks}{{}}{ending}")
    return matched(part.split, image_of, mask_of, expected=expected, group=city, problems=problems)
