"""Names and colours by which tools and data sets mean pixels without a class."""

import re

COLOURS = frozenset({(224, 224, 192)})
"""PASCAL VOC's borders and difficult objects. Source: its devkit, where index 255 has this colour."""

NAMES = frozenset(
    {"void", "ignore", "ignored", "ignoreregion", "unlabeled", "unlabelled", "unannotated", "dontcare", "donotcare",
     "nodata", "outofroi", "unclassified", "unlabeledpixels", "ignorelabel", "voidlabel"}
)  # fmt: skip
"""Without case, signs and spaces. "background" is none of them: in most tools it is what is no object."""


def is_void(name: str) -> bool:
    """Whether a class of this name is meant to be ignored.

    >>> [is_void(name) for name in ("Void", "__ignore__", "out of roi", "background", "_background_")]
    [True, True, True, False, False]
    """
    return re.sub(r"[\W_]+", "", name).lower() in NAMES
