"""The layouts of CamVid's files."""

from dataclasses import replace

from datasets.audit import Problem, join_names
from datasets.camvid.splits import IDS
from datasets.errors import DatasetError
from datasets.pairs import Split, index_by_id, match, pair_by_stem
from datasets.raw import RawFolder

SEGNET = {split: (split, f"{split}annot") for split in ("train", "val", "test")}
"""{split: (folder of images, folder of masks)} of the SegNet tutorial."""

DATASET1 = {
    "train": ("images_prepped_train", "annotations_prepped_train"),
    "val": ("images_prepped_test", "annotations_prepped_test"),
}
"""The same of dataset1. Its test folders hold the frames of the tutorial's val, and its authors validate on them."""

STILLS, LABELS = "701_StillsRaw_full", "LabeledApproved_full"
"""Folders of the original's images and masks. The zip file of the masks holds them without a folder."""

ENDING = "_L.png"
"""End of the names of the original's masks, such as 0001TP_006690_L.png."""


def drive(id_: str) -> str:
    """Return the drive of a frame: 0001TP of 0001TP_006690."""
    return id_.split("_")[0]


def find_in_folders(raw: RawFolder, folders: dict[str, tuple[str, str]]) -> dict[str, Split]:
    """Return {split: its files} of a layout with a pair of folders per split."""
    start = raw.folder_with(*(folder for pair in folders.values() for folder in pair)) or ""
    paths = {name: (start + images, start + masks) for name, (images, masks) in folders.items()}
    return pair_by_stem(raw, paths, drive)


def find_by_lists(raw: RawFolder) -> dict[str, Split]:
    """Return {split: its files} of the original's frames, split by the SegNet tutorial's lists.

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
    image_of = index_by_id(images, "", problems)
    mask_of = index_by_id(masks, "", problems, ending=ENDING)
    unlisted = sorted((image_of.keys() | mask_of.keys()) - set().union(*IDS.values()))
    if unlisted:
        raise DatasetError(
            f"In {raw.path}: {len(unlisted)} frames are in none of the published splits: {join_names(unlisted)}.\n"
            "Move their files out of the folder."
        )
    expected = (f"{STILLS}/{{}}.png".format, f"{LABELS}/{{}}{ENDING}".format)
    splits = {}
    for name, ids in IDS.items():
        images_here, masks_here = ({id_: of[id_] for id_ in ids if id_ in of} for of in (image_of, mask_of))
        own = [replace(problem, split=name) for problem in problems if problem.id in ids]
        splits[name] = match(name, images_here, masks_here, expected=expected, group=drive, problems=own)
    return {name: split for name, split in splits.items() if split.ids}


def _stills(raw: RawFolder) -> list[str]:
    start = raw.folder_with(STILLS)
    return [] if start is None else raw.files(f"{start}{STILLS}/*.png")


def _labels(raw: RawFolder) -> list[str]:
    start = raw.folder_with(LABELS)
    files = [] if start is None else raw.files(f"{start}{LABELS}/*{ENDING}")
    return files or raw.files(f"*{ENDING}")
