"""The spec of Clothing Co-Parsing, its 59 classes and its splits."""

from datasets.palette import pascal_voc
from datasets.spec import DatasetSpec

CLASSES = (
    "null", "accessories", "bag", "belt", "blazer", "blouse", "bodysuit", "boots", "bra", "bracelet", "cape",
    "cardigan", "clogs", "coat", "dress", "earrings", "flats", "glasses", "gloves", "hair", "hat", "heels", "hoodie",
    "intimate", "jacket", "jeans", "jumper", "leggings", "loafers", "necklace", "panties", "pants", "pumps", "purse",
    "ring", "romper", "sandals", "scarf", "shirt", "shoes", "shorts", "skin", "skirt", "sneakers", "socks",
    "stockings", "suit", "sunglasses", "sweater", "sweatshirt", "swimwear", "t-shirt", "tie", "tights", "top", "vest",
    "wallet", "watch", "wedges",
)  # fmt: skip
"""Class names of label_list.mat; the index is the value in the masks."""

LABELLED = range(1, 1005)
"""Numbers of the photographs with a mask. The others, up to 2098, have only tags."""

CITATION = """\
@inproceedings{yang2014clothing,
  title     = {Clothing Co-Parsing by Joint Image Segmentation and Labeling},
  author    = {Yang, Wei and Luo, Ping and Lin, Liang},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages     = {3182--3189},
  year      = {2014},
  doi       = {10.1109/CVPR.2014.407},
}
"""


def split_of(number: int) -> str:
    """Return the split of a photograph: val if its number ends in 9, test if in 0, else train.

    The authors publish no split. This one depends only on the file name: 804 train, 100 val, 100 test.
    """
    return {9: "val", 0: "test"}.get(number % 10, "train")


PIXELS = DatasetSpec(
    name="ccp",
    config="pixels",
    classes=CLASSES,
    colours=pascal_voc(len(CLASSES)),
    split_sizes={split: sum(split_of(number) == split for number in LABELLED) for split in ("train", "val", "test")},
    sources=("photos", "annotations/pixel-level", "label_list.mat"),
    homepage="https://github.com/bearpaw/clothing-co-parsing",
    licence="Apache-2.0 by the LICENSE file of the authors' repository; the photographs are of street-fashion sites, "
    "whose rights it does not settle.",
    citation=CITATION,
)

SPECS = {spec.config: spec for spec in (PIXELS,)}
"""{configuration: its spec}; the first is the default."""
