"""The official table of Cityscapes' labels (cityscapesScripts, helpers/labels.py)."""

from typing import NamedTuple

from datasets.spec import IGNORE


class Label(NamedTuple):
    """One label.

    Attributes:
        name: Official name.
        id: Value of its pixels in *_labelIds.png; -1: it is in no mask.
        train_id: Class 0..18, or IGNORE.
        category: Coarser class, one of eight.
        colour: Red, green, blue in *_color.png, 0..255.
    """

    name: str
    id: int
    train_id: int
    category: str
    colour: tuple[int, int, int]

    @property
    def has_instances(self) -> bool:
        """Whether *_instanceIds.png distinguishes its instances, as 1000 * id + number."""
        return self.id >= 0 and self.category in ("human", "vehicle")


LABELS = (
    Label("unlabeled", 0, IGNORE, "void", (0, 0, 0)),
    Label("ego vehicle", 1, IGNORE, "void", (0, 0, 0)),
    Label("rectification border", 2, IGNORE, "void", (0, 0, 0)),
    Label("out of roi", 3, IGNORE, "void", (0, 0, 0)),
    Label("static", 4, IGNORE, "void", (0, 0, 0)),
    Label("dynamic", 5, IGNORE, "void", (111, 74, 0)),
    Label("ground", 6, IGNORE, "void", (81, 0, 81)),
    Label("road", 7, 0, "flat", (128, 64, 128)),
    Label("sidewalk", 8, 1, "flat", (244, 35, 232)),
    Label("parking", 9, IGNORE, "flat", (250, 170, 160)),
    Label("rail track", 10, IGNORE, "flat", (230, 150, 140)),
    Label("building", 11, 2, "construction", (70, 70, 70)),
    Label("wall", 12, 3, "construction", (102, 102, 156)),
    Label("fence", 13, 4, "construction", (190, 153, 153)),
    Label("guard rail", 14, IGNORE, "construction", (180, 165, 180)),
    Label("bridge", 15, IGNORE, "construction", (150, 100, 100)),
    Label("tunnel", 16, IGNORE, "construction", (150, 120, 90)),
    Label("pole", 17, 5, "object", (153, 153, 153)),
    Label("polegroup", 18, IGNORE, "object", (153, 153, 153)),
    Label("traffic light", 19, 6, "object", (250, 170, 30)),
    Label("traffic sign", 20, 7, "object", (220, 220, 0)),
    Label("vegetation", 21, 8, "nature", (107, 142, 35)),
    Label("terrain", 22, 9, "nature", (152, 251, 152)),
    Label("sky", 23, 10, "sky", (70, 130, 180)),
    Label("person", 24, 11, "human", (220, 20, 60)),
    Label("rider", 25, 12, "human", (255, 0, 0)),
    Label("car", 26, 13, "vehicle", (0, 0, 142)),
    Label("truck", 27, 14, "vehicle", (0, 0, 70)),
    Label("bus", 28, 15, "vehicle", (0, 60, 100)),
    Label("caravan", 29, IGNORE, "vehicle", (0, 0, 90)),
    Label("trailer", 30, IGNORE, "vehicle", (0, 0, 110)),
    Label("train", 31, 16, "vehicle", (0, 80, 100)),
    Label("motorcycle", 32, 17, "vehicle", (0, 0, 230)),
    Label("bicycle", 33, 18, "vehicle", (119, 11, 32)),
    Label("license plate", -1, IGNORE, "vehicle", (0, 0, 142)),
)

TRAINED = tuple(label for label in LABELS if label.train_id != IGNORE)
"""The 19 labels that are classes, in the order of their train ids, as in the table."""
