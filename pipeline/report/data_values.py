"""Values of the sections on the data: what the splits hold, and how they differ from those of the served model."""

from collections.abc import Mapping
from typing import Any

from pipeline.report.contents import Material

SIZES = 3
"""Most sizes that are listed of a split, the most frequent first."""


def data(material: Material) -> Mapping[str, Any]:
    """Images, sizes and groups of each split, and the share of each class in it."""
    splits = {name: split for name, split in material.statistics.get("splits", {}).items() if split["images"]}
    labelled = {name: sum(split["pixels"]) for name, split in splits.items()}
    shares = [
        [split["pixels"][index] / max(1, labelled[name]) for name, split in splits.items()]
        for index in range(len(material.spec.classes))
    ]
    return {
        "splits": [
            {
                "name": name,
                "images": split["images"],
                "labelled": labelled[name],
                "ignored": split["void_pixels"] / max(1, labelled[name] + split["void_pixels"]),
                "sizes": _sizes(split["sizes"]),
                "groups": len(split["groups"]),
            }
            for name, split in splits.items()
        ],
        "shares": shares,
        "largest": max((share for row in shares for share in row), default=0) or 1,
        "shown_in": [[split["images_with_class"][index] for split in splits.values()] for index in range(len(shares))],
    }


def _sizes(sizes: Mapping[str, int]) -> str:
    """Return the most frequent sizes in words: 360x480 (96), 720x960 (4) and 2 more."""
    common = sorted(sizes.items(), key=lambda item: -item[1])
    if len(common) == 1:
        return common[0][0]
    listed = ", ".join(f"{size} ({count:,})" for size, count in common[:SIZES])
    return listed + (f" and {len(common) - SIZES:,} more" if len(common) > SIZES else "")


def drift(material: Material) -> Mapping[str, Any]:
    """Every statistic that was compared, those beyond their limits first."""
    return {"compared": material.drift}
