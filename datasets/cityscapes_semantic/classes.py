"""The specs of Cityscapes: four configurations with 19 classes, or 13 bins of a colour channel."""

from collections.abc import Mapping
from dataclasses import replace

from datasets.cityscapes_semantic.label_table import TRAINED
from datasets.spec import DatasetSpec

CITATION = """\
@inproceedings{cordts2016cityscapes,
  title     = {The Cityscapes Dataset for Semantic Urban Scene Understanding},
  author    = {Cordts, Marius and Omran, Mohamed and Ramos, Sebastian and Rehfeld, Timo and Enzweiler, Markus
               and Benenson, Rodrigo and Franke, Uwe and Roth, Stefan and Schiele, Bernt},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages     = {3213--3223},
  year      = {2016},
  doi       = {10.1109/CVPR.2016.350},
}
"""

CITIES: Mapping[str, Mapping[str, int]] = {
    "train": {
        "aachen": 174, "bochum": 96, "bremen": 316, "cologne": 154, "darmstadt": 85, "dusseldorf": 221, "erfurt": 109,
        "hamburg": 248, "hanover": 196, "jena": 119, "krefeld": 99, "monchengladbach": 94, "strasbourg": 365,
        "stuttgart": 196, "tubingen": 144, "ulm": 95, "weimar": 142, "zurich": 122,
    },
    "val": {"frankfurt": 267, "lindau": 59, "munster": 174},
    "test": {"berlin": 544, "bielefeld": 181, "bonn": 46, "leverkusen": 58, "mainz": 298, "munich": 398},
}  # fmt: skip
"""{split: {city: number of its images with fine labels}}."""

TRAIN, VAL, TEST = (sum(CITIES[split].values()) for split in ("train", "val", "test"))

TRAIN_EXTRA = 19998
"""Number of images with coarse labels only."""

BINS = (
    (0, (0, 0, 142)), (20, (30, 0, 0)), (40, (50, 60, 30)), (60, (70, 70, 70)), (80, (81, 0, 81)),
    (100, (107, 142, 35)), (120, (128, 64, 128)), (140, (153, 153, 153)), (160, (170, 90, 40)), (180, (190, 153, 153)),
    (200, (210, 170, 210)), (220, (220, 220, 0)), (240, (244, 35, 232)),
)  # fmt: skip
"""(lowest red value, display colour with such a red) of each bin of `image_pairs_13`; the last bin ends at 255."""

FINE = DatasetSpec(
    name="cityscapes_semantic",
    config="fine",
    classes=tuple(label.name for label in TRAINED),
    colours=tuple(label.colour for label in TRAINED),
    split_sizes={"train": TRAIN, "val": VAL, "test": TEST},
    sources=(
        *(f"leftImg8bit/{split}" for split in ("train", "val", "test")),
        *(f"gtFine/{split}/*/*_gtFine_labelIds.png" for split in ("train", "val")),
        "gtFine/val/*/*_gtFine_instanceIds.png",
    ),
    homepage="https://www.cityscapes-dataset.com",
    licence="Free for academic and non-academic non-commercial use after registration; see "
    "https://www.cityscapes-dataset.com/license. The files may not be passed on.",
    citation=CITATION,
)

COARSE = replace(
    FINE,
    config="coarse",
    split_sizes={"train": TRAIN + TRAIN_EXTRA, "val": VAL},
    sources=(
        *(f"leftImg8bit/{folder}" for folder in ("train", "train_extra", "val")),
        *(f"gtCoarse/{folder}/*/*_gtCoarse_labelIds.png" for folder in ("train", "train_extra")),
        "gtFine/val/*/*_gtFine_labelIds.png",
    ),
)

IMAGE_PAIRS = replace(
    FINE,
    config="image_pairs",
    split_sizes={"train": TRAIN, "val": VAL},
    sources=("train/*.jpg", "val/*.jpg"),
    homepage="https://www.kaggle.com/datasets/dansbecker/cityscapes-image-pairs",
)

IMAGE_PAIRS_13 = replace(
    IMAGE_PAIRS,
    config="image_pairs_13",
    classes=tuple(f"red {low}-{low + 19 if low < 240 else 255}" for low, _ in BINS),
    colours=tuple(colour for _, colour in BINS),
)

SPECS = {spec.config: spec for spec in (FINE, COARSE, IMAGE_PAIRS, IMAGE_PAIRS_13)}
"""{configuration: its spec}; the first is the default."""
