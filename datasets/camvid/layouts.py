"""Where CamVid's files lie, layout by layout."""

from dataclasses import replace

from datasets.audit import Problem, listed
from datasets.camvid.splits import IDS
from datasets.errors import DatasetError
from datasets.pairs import Split, by_id, by_stem, matched
from datasets.raw import RawFolder

SEGNET = {split: (split, f"{split}annot") for split in ("train", "val", "test")}
"""{split: (folder of images, folder of masks)} of the SegNet tutorial."""

DATASET1 = {
    "train": ("images_prepped_train", "annotations_prepped_train"),
    "val": ("images_prepped_test", "annotations_prepped_test"),
}
"""The same of dataset1. What it calls test are the frames of the tutorial's val, and its own users validate on them."""

STILLS, LABELS = "701_StillsRaw_full", "LabeledApproved_full"
"""Folders of the original's images and masks. The zip file of the masks holds them without a folder."""

ENDING = "_L.png"
"""How the original's masks are called: 0001TP_006690_L.png."""


def drive(id_: str) -> str:
    """Give the drive that a frame is of: 0001TP of 0001TP_006690."""
    return id_.split("_")[0]


def in_folders(raw: RawFolder, folders: dict[str, tuple[str, str]]) -> dict[str, Split]:
    """Find the splits of a layout that has a pair of folders for each."""
    start = raw.folder_with(*(folder for pair in folders.values() for folder in pair)) or ""
    return by_stem(raw, {name: (start + images, start + masks) for name, (images, masks) in folders.items()}, drive)


def by_lists(raw: RawFolder) -> dict[str, Split]:
    """Find the original's frames and share them out by the SegNet tutorial's lists.

    Raises:
        DatasetError: There are no images or no masks, or frames that are in none of the lists.
    """
    images, masks = _stills(raw), _labels(raw)
    if not (images and masks):
        raise DatasetError(
            f"In {raw.path}: {len(images)} images in {STILLS}/, {len(masks)} masks in {LABELS}/.\n"
            f"Expected: {STILLS}/0001TP_006690.png ... with {LABELS}/0001TP_006690{ENDING} ..., or the zip files "
            "701_StillsRaw_full.zip and LabeledApproved_full.zip."
        )
    problems: list[Problem] = []
    image_of = by_id(images, "", problems)
    mask_of = by_id(masks, "", problems, ending=ENDING)
    strangers = sorted((image_of.keys() | mask_of.keys()) - set().union(*IDS.values()))
    if strangers:
        raise DatasetError(
            f"In {raw.path}: {len(strangers)} frames are in none of the published splits: {listed(strangers)}.\n"
            "Move their files out of the folder."
        )
    found = {name: _split(name, frozenset(ids), image_of, mask_of, problems) for name, ids in IDS.items()}
    return {name: split for name, split in found.items() if split.ids}


def _split(
    name: str, ids: frozenset[str], image_of: dict[str, str], mask_of: dict[str, str], problems: list[Problem]
) -> Split:
    return matched(
        name,
        {id_: file for id_, file in image_of.items() if id_ in ids},
        {id_: file for id_, file in mask_of.items() if id_ in ids},
        expected=(f"{STILLS}/{{}}.png", f"{LABELS}/{{}}{ENDING}"),
        group=drive,
        problems=[replace(problem, split=name) for problem in problems if problem.id in ids],
    )


def _stills(raw: RawFolder) -> list[str]:
    start = raw.folder_with(STILLS)
    return [] if start is None else raw.files(f"{start}{STILLS}/*.png")


def _labels(raw: RawFolder) -> list[str]:
    start = raw.folder_with(LABELS)
    found = [] if start is None else raw.files(f"{start}{LABELS}/*{ENDING}")
    return found or raw.files(f"*{ENDING}")
