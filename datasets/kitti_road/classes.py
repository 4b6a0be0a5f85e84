"""The specs of KITTI Road, its two classes and its splits."""

from datasets.spec import DatasetSpec

TRAINING = {"um": 95, "umm": 96, "uu": 98}
"""Labelled images per category: urban marked, urban multiple marked lanes, urban unmarked."""

TESTING = {"um": 96, "umm": 94, "uu": 100}
"""Test images per category; the benchmark does not publish their labels."""

HELD_OUT = 20
"""Number of labelled images per category that are val, as no validation split is published. They are the last ones, not
random ones, because consecutive images show the same street a few metres on."""

CITATION = """\
@inproceedings{fritsch2013new,
  title     = {A New Performance Measure and Evaluation Benchmark for Road Detection Algorithms},
  author    = {Fritsch, Jannik and K{\\"u}hnl, Tobias and Geiger, Andreas},
  booktitle = {International Conference on Intelligent Transportation Systems (ITSC)},
  year      = {2013},
  doi       = {10.1109/ITSC.2013.6728473},
}
"""


def split_of(category: str, number: int) -> str:
    """Return the split of a labelled image such as um_000042: 229 are train, 60 val; of these 75 and 20 are `um`."""
    return "val" if number >= TRAINING[category] - HELD_OUT else "train"


def _spec(config: str, target: str, categories: tuple[str, ...]) -> DatasetSpec:
    labelled, held_out = sum(TRAINING[category] for category in categories), HELD_OUT * len(categories)
    return DatasetSpec(
        name="kitti_road",
        config=config,
        classes=("background", target),
        colours=((255, 0, 0), (255, 0, 255)),
        split_sizes={
            "train": labelled - held_out,
            "val": held_out,
            "test": sum(TESTING[category] for category in categories),
        },
        sources=("training", "testing"),
        homepage="https://www.cvlibs.net/datasets/kitti/eval_road.php",
        licence="CC BY-NC-SA 3.0",
        citation=CITATION,
    )


SPECS = {"road": _spec("road", "road", ("um", "umm", "uu")), "lane": _spec("lane", "lane", ("um",))}
"""{configuration: its spec}; the first is the default."""
