"""Facts of Clothing Co-Parsing: 59 classes, and which photograph is in which split."""

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
"""As label_list.mat names them; the index is the value in the masks."""

LABELLED = range(1, 1005)
"""The photographs that have a mask: 0001 to 1004. The others, up to 2098, have tags alone."""

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
    """Give the split of a photograph: its number ends in 9: val, in 0: test, else train.

    The authors publish no split. This one is a function of the file name alone: 804 train, 100 val, 100 test.
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
"""The facts of each configuration; the first is the default."""
