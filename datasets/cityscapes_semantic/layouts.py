"""The layouts of Cityscapes' files: the official folders, and the folders of image pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datasets.audit import Problem
from datasets.errors import DatasetError
from datasets.pairs import Pair, Split, index_by_id, match
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
"""{folder: official zip file that holds it}."""


@dataclass(frozen=True)
class Part:
    """The images of one official folder and their labels.

    Attributes:
        split: The split that it is part of.
        folder: Folder below leftImg8bit/.
        labels: "gtFine" or "gtCoarse"; None: its labels are not used.
    """

    split: str
    folder: str
    labels: str | None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that must exist."""
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
"""{configuration: its parts}."""


def city(id_: str) -> str:
    """Return the city of an image id: aachen of aachen_000000_000019."""
    return id_.split("_")[0]


def find_official(raw: RawFolder, parts: Sequence[Part]) -> dict[str, Split]:
    """Return {split: its files} of `parts`; a part without a folder of images is left out.

    Raises:
        DatasetError: There are images without a folder of labels, or no images at all. It names the zip files to get.
    """
    present = [part for part in parts if _locate(raw, part.folders[0])]
    missing = [folder for part in present for folder in part.folders if not _locate(raw, folder)]
    if not present:
        missing = list(dict.fromkeys(folder for part in parts for folder in part.folders))
    if missing:
        wanted = [f"  {folder}/ (of {ZIPS[folder]})" for folder in missing]
        advice = "Put these zip files there as downloaded, or extracted; https://www.cityscapes-dataset.com has them."
        raise DatasetError("\n".join([f"In {raw.path} there is no", *wanted, advice]))
    splits: dict[str, Split] = {}
    for part in present:
        files, before = _find_part(raw, part), splits.get(part.split, Split(()))
        splits[part.split] = Split(before.pairs + files.pairs, before.problems + files.problems)
    return splits


def instances(raw: RawFolder, ids: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (id, file) of the instance masks of the images `ids` of val."""
    folder = _locate(raw, FINE_VAL)
    for name in raw.files(f"{folder}/*/*{INSTANCE_ENDING}") if folder else ():
        id_ = name.rsplit("/", 1)[1].removesuffix(INSTANCE_ENDING)
        if id_ in ids:
            yield id_, name


def instance_file(id_: str) -> str:
    """Return the official name of the instance mask of an image of val."""
    return f"{FINE_VAL}/{city(id_)}/{id_}{INSTANCE_ENDING}"


def find_image_pairs(raw: RawFolder) -> dict[str, Split]:
    """Return {split: its files} of the JPEGs with a photo in the left half and its mask in the right half.

    Raises:
        DatasetError: There are none.
    """
    start = raw.folder_with("train", "val") or ""
    splits = {}
    for name in ("train", "val"):
        problems: list[Problem] = []
        files = index_by_id(raw.files(f"{start}{name}/*.jpg"), name, problems)
        pairs = tuple(Pair(id_, "", file, file) for id_, file in sorted(files.items()))
        if pairs:
            splits[name] = Split(pairs, tuple(problems))
    if not splits:
        raise DatasetError(
            f"In {raw.path} there is no train/*.jpg and no val/*.jpg.\nExpected: the folder cityscapes_data of the "
            "image pairs, with train/1.jpg ... train/2975.jpg and val/1.jpg ... val/500.jpg."
        )
    return splits


def _locate(raw: RawFolder, folder: str) -> str | None:
    start = raw.folder_with(folder)
    return None if start is None else start + folder


def _find_part(raw: RawFolder, part: Part) -> Split:
    problems: list[Problem] = []
    images = f"{_locate(raw, part.folders[0])}/*/"
    image_of = index_by_id(raw.files(f"{images}*_leftImg8bit.png"), part.split, problems, ending="_leftImg8bit.png")
    if part.labels is None:
        return Split(tuple(Pair(id_, city(id_), file, None) for id_, file in sorted(image_of.items())), tuple(problems))
    masks, ending = f"{_locate(raw, part.folders[1])}/*/", f"_{part.labels}_labelIds.png"
    mask_of = index_by_id(raw.files(f"{masks}*{ending}"), part.split, problems, ending=ending)
    expected = (f"{images}{{}}_leftImg8bit.png".format, f"{masks}{{}}{ending}".format)
    return match(part.split, image_of, mask_of, expected=expected, group=city, problems=problems)
