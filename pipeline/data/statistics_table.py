"""Statistics of a split, as text of at most 80 columns and as a picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from datasets.spec import DatasetSpec
from pipeline.data.statistics import SplitStatistics
from pipeline.drawing import render

NAME = 22
BAR = 20

SIZES = 8
"""Most sizes in the picture, the most frequent first."""

WIDTH, ROW, LEFT, BARS = 800, 22, 180, 360


def table(split: str, statistics: SplitStatistics, spec: DatasetSpec) -> list[str]:
    """Return classes and sizes of a split as lines of text."""
    labelled = int(statistics.pixels.sum())
    void = statistics.void_pixels / max(1, labelled + statistics.void_pixels)
    lines = [
        f"{split} of {spec.shown_name}: {statistics.images:,} images, {labelled:,} labelled pixels, {void:.1%} ignored",
        "",
        f"{'class':<{NAME}} {'pixels':>8} {'images':>8}",
    ]
    largest = max(statistics.shares.max(initial=0), 1e-12)
    for name, share, images in zip(spec.classes, statistics.shares, statistics.images_with_class, strict=True):
        bar = "#" * round(BAR * share / largest)
        short = name if len(name) <= NAME else name[: NAME - 2] + ".."
        lines.append(f"{short:<{NAME}} {share:>8.2%} {images:>8,}  {bar}".rstrip())
    return [*lines, "", "height x width: " + _sizes(statistics)]


def _sizes(statistics: SplitStatistics) -> str:
    common = statistics.sizes.most_common(SIZES)
    listed = ", ".join(f"{height}x{width} ({number:,})" for (height, width), number in common[:3])
    more = len(statistics.sizes) - 3
    return listed + (f" and {more:,} more sizes" if more > 0 else "")


def plot(statistics: SplitStatistics, spec: DatasetSpec) -> np.ndarray:
    """Draw the share of the pixels and of the images of each class, and the number of images of each size.

    Returns:
        uint8 [H,800,3].
    """
    images = max(1, statistics.images)
    rows = zip(spec.classes, statistics.shares, statistics.images_with_class, spec.colours, strict=True)
    classes = [
        (name, float(share), f"{share:.2%} of pixels, {number / images:.0%} of images", colour)
        for name, share, number, colour in rows
    ]
    sizes = [
        (f"{height}x{width}", number / images, f"{number:,} images", (120, 130, 140))
        for (height, width), number in statistics.sizes.most_common(SIZES)
    ]
    title = f"{SIZES} most frequent of {len(statistics.sizes):,} sizes" if len(statistics.sizes) > SIZES else "sizes"
    upper = render.caption(_bars(classes), "classes: share of the labelled pixels")
    return render.stack([upper, render.caption(_bars(sizes), f"{title}, height x width")], gap=12)


def _bars(rows: Sequence[tuple[str, float, str, tuple[int, int, int]]]) -> np.ndarray:
    """Draw rows of (name, length, text, colour); the longest bar has full length."""
    picture = Image.new("RGB", (WIDTH, ROW * len(rows) + ROW // 2), render.PAPER)
    draw, font = ImageDraw.Draw(picture), render.font()
    longest = max((length for _, length, _, _ in rows), default=0) or 1
    for number, (name, length, text, colour) in enumerate(rows):
        top = number * ROW + ROW // 4
        draw.text((LEFT - 8, top + 1), render.drawable(name), fill=render.INK, font=font, anchor="ra")
        right = LEFT + round(BARS * length / longest)
        draw.rectangle((LEFT, top, right, top + ROW - 7), fill=colour, outline=render.INK)
        draw.text((right + 8, top + 1), text, fill=render.INK, font=font)
    return np.asarray(picture)
