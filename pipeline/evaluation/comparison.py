"""Two models on the same images: which difference is more than noise."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.console.terminal import WIDTH, cut
from pipeline.errors import UserError
from pipeline.evaluation import bootstrap
from pipeline.evaluation.bootstrap import Difference
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.evaluation.inference_text import looked
from pipeline.workspace import json_file


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        images: Images that both were measured on.
        only_ours, only_theirs: Images that one of them alone was measured on; they are left out.
        differences: By figure, see bootstrap.named.
        confidence: Of the intervals.
        looked: How each looked at the images, in words, where they did so differently.
    """

    images: int
    only_ours: int
    only_theirs: int
    differences: dict[str, Difference]
    confidence: float
    looked: tuple[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values; a figure that does not exist is None."""
        rows = {
            name: {
                **{key: None if np.isnan(value) else value for key, value in asdict(found).items()},
                "beyond_noise": found.beyond_noise,
            }
            for name, found in self.differences.items()
        }
        return {**asdict(self), "differences": rows}


def compare(
    ours: ImageCounts, theirs: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float
) -> Comparison:
    """Compare two evaluations on the images that both have.

    Raises:
        UserError: They have no image in common, or the masks of some differ.
    """
    theirs_too = set(theirs.ids)
    common = [name for name in ours.ids if name in theirs_too]
    if not common:
        raise UserError("The two evaluations have no image in common, so nothing can be compared.")
    left, right = ours.rows(common), theirs.rows(common)
    changed = [name for name, same in zip(common, (left.truth == right.truth).all(axis=1), strict=True) if not same]
    if changed:
        listed = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise UserError(
            f"The masks of {len(changed)} images are not the same in the two evaluations: {listed}. Evaluate the older "
            "model on the present data first."
        )
    found = bootstrap.paired(left, right, classes, replicates=replicates, confidence=confidence)
    return Comparison(len(common), len(ours.ids) - len(common), len(theirs.ids) - len(common), found, confidence)


def folders(ours: Path, theirs: Path, *, replicates: int = 1000, confidence: float = 0.95) -> Comparison:
    """Compare two folders of the evaluate step; see `compare`.

    Raises:
        UserError: They cannot be compared.
    """
    metrics = [json_file.read(folder / "metrics.json") for folder in (ours, theirs)]
    for key, name in {"dataset": "datasets", "split": "splits", "classes": "classes"}.items():
        if metrics[0][key] != metrics[1][key]:
            raise UserError(f"The two were measured on different {name}: {metrics[0][key]} and {metrics[1][key]}.")
    counts = [ImageCounts.read(folder / FILE) for folder in (ours, theirs)]
    found = compare(counts[0], counts[1], metrics[0]["classes"], replicates=replicates, confidence=confidence)
    first, second = (looked(of_one.get("inference") or {}) for of_one in metrics)
    return replace(found, looked=None if first == second else (first, second))


def table(comparison: Comparison, first: str, second: str) -> list[str]:
    """Lay a comparison out in lines of at most 80 columns."""
    told = f"{comparison.confidence:.0%} interval"
    lines = [
        f"A = {first}",
        f"B = {second}",
        f"{comparison.images:,} images in common, paired bootstrap",
        "",
        f"{'figure':<25} {'A':>7} {'B':>7} {'A - B':>8}  {told:<20} verdict",
    ]
    for name, found in comparison.differences.items():
        title = cut(name, 25)
        interval = "" if found.beyond_noise is None else f"{found.low:+.4f} to {found.high:+.4f}"
        figures = f"{_figure(found.ours)} {_figure(found.theirs)} {found.ours - found.theirs:>+8.4f}"
        lines.append(f"{title:<25} {figures}  {interval:<20} {_verdict(found)}")
    lines += ["", _legend(comparison)]
    total, chance = len(comparison.differences), (1 - comparison.confidence) * len(comparison.differences)
    if chance >= 0.5 and any(found.beyond_noise for found in comparison.differences.values()):
        lines.append(f"By chance alone, about {chance:.0f} of {total} figures would seem better or worse.")
    for count, name in ((comparison.only_ours, "A"), (comparison.only_theirs, "B")):
        lines += [f"{count:,} images that only {name} was measured on are left out."] if count else []
    if comparison.looked:
        ours, theirs = comparison.looked
        lines += textwrap.wrap(f"They looked at the images differently. A: {ours}. B: {theirs}.", WIDTH)
    return lines


def _verdict(found: Difference) -> str:
    if found.beyond_noise is None:
        return "few"
    return ("A" if found.low > 0 else "B") if found.beyond_noise else "noise"


def _legend(comparison: Comparison) -> str:
    if comparison.images < bootstrap.FEWEST:
        return f"few: of fewer than {bootstrap.FEWEST} images nobody can say whether a difference is noise."
    return "A, B: better by more than noise. noise: other images could turn it round."


def _figure(value: float) -> str:
    return f"{'n/a':>7}" if np.isnan(value) else f"{value:7.4f}"
