"""Comparison of two models on the same images: which differences are more than noise."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.console.terminal import WIDTH, cut
from pipeline.errors import UserError
from pipeline.evaluation import inference_text
from pipeline.evaluation.confusion_metrics import plain
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.evaluation.metric_text import dataset_name
from pipeline.evaluation.paired import Difference, fewest, paired
from pipeline.workspace import json_file


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two evaluations, A ("ours") and B ("theirs").

    Attributes:
        images: Images that both were measured on.
        only_ours, only_theirs: Images that only one of them was measured on; they are left out.
        differences: By metric, see intervals.metrics.
        confidence: Of the intervals, 0..1.
        inference: How each evaluated an image, in words; None where both did the same.
        comparisons: Number of comparisons that the p-values and verdicts are corrected for.
    """

    images: int
    only_ours: int
    only_theirs: int
    differences: dict[str, Difference]
    confidence: float
    inference: tuple[str, str] | None = None
    comparisons: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; an undefined metric is None."""
        rows = {
            name: {key: plain(value) if isinstance(value, float) else value for key, value in asdict(row).items()}
            for name, row in self.differences.items()
        }
        values = {**asdict(self), "differences": rows}
        values["looked"] = values.pop("inference")  # the key that `segline compare --json` writes
        return values


def compare(
    ours: ImageCounts, theirs: ImageCounts, classes: Sequence[str], *, replicates: int, confidence: float
) -> Comparison:
    """Compare two evaluations on the images that both have.

    >>> correct = np.array([[500], [600], [700], [650], [550], [600]])  # pixels of 1000 in each of six images
    >>> ids, groups, truth = tuple("abcdef"), ("day",) * 6, np.full((6, 1), 1000)
    >>> ours = ImageCounts(ids, groups, hits=correct + 30, truth=truth, predicted=correct + 30)
    >>> theirs = ImageCounts(ids, groups, hits=correct, truth=truth, predicted=correct)
    >>> difference = compare(ours, theirs, ["road"], replicates=200, confidence=0.95).differences["miou"]
    >>> round(difference.ours - difference.theirs, 3), difference.beyond_noise
    (0.03, True)

    Args:
        ours: Counts of evaluation A.
        theirs: Counts of evaluation B.
        classes: C names.
        replicates: Random swaps of the test, see `paired`.
        confidence: Of the intervals, 0..1; the level of the verdicts is 1 - confidence.

    Raises:
        UserError: They have no image in common, or the masks of some differ.
    """
    in_theirs = set(theirs.ids)
    common = [name for name in ours.ids if name in in_theirs]
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
    differences = paired(left, right, classes, replicates=replicates, confidence=confidence)
    return Comparison(len(common), len(ours.ids) - len(common), len(theirs.ids) - len(common), differences, confidence)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Correct the p-values and verdicts of each metric for the number of comparisons (Holm 1979).

    Of k p-values in rising order the i-th is multiplied by k - i + 1, and is at least the one before it. The chance
    that any of the comparisons calls equal models unequal in a metric is then at most 1 - confidence.
    """
    rows = [dict(comparison.differences) for comparison in comparisons]
    for name in {name: None for row in rows for name in row}:
        tested = [row for row in rows if name in row and row[name].beyond_noise is not None]
        least = 0.0
        for rank, row in enumerate(sorted(tested, key=lambda row: row[name].p)):
            level = 1 - comparisons[0].confidence
            least = max(least, min(1.0, (len(tested) - rank) * row[name].p))
            # One that no p-value of so few images could make significant is not called noise.
            few = 0 < row[name].differing < fewest(1 - level / len(tested))
            row[name] = replace(row[name], p=least, beyond_noise=least <= level or (None if few else False))
    return [
        replace(comparison, differences=row, comparisons=len(rows))
        for comparison, row in zip(comparisons, rows, strict=True)
    ]


def compare_folders(ours: Path, theirs: Path, *, replicates: int = 4999, confidence: float = 0.95) -> Comparison:
    """Compare two folders of the evaluate step; see `compare`.

    Raises:
        UserError: They cannot be compared.
    """
    metrics = [json_file.read(folder / "metrics.json") for folder in (ours, theirs)]
    for key, name in {"dataset": "datasets", "split": "splits", "classes": "classes"}.items():
        if metrics[0][key] != metrics[1][key]:
            shown = [dataset_name(of_one) if key == "dataset" else of_one[key] for of_one in metrics]
            raise UserError(f"The two were measured on different {name}: {shown[0]} and {shown[1]}.")
    counts = [ImageCounts.read(folder / FILE) for folder in (ours, theirs)]
    comparison = compare(counts[0], counts[1], metrics[0]["classes"], replicates=replicates, confidence=confidence)
    first, second = (inference_text.describe(of_one.get("inference") or {}) for of_one in metrics)
    return replace(comparison, inference=None if first == second else (first, second))


def table(comparison: Comparison, first: str, second: str) -> list[str]:
    """Lay a comparison out in lines of at most 80 columns; `first` and `second` name A and B."""
    column = f"{comparison.confidence:.0%} interval"
    lines = [
        f"A = {first}",
        f"B = {second}",
        f"{comparison.images:,} images in common, sign-flip test",
        "",
        f"{'metric':<25} {'A':>7} {'B':>7} {'A - B':>8}  {column:<20} verdict",
    ]
    for name, difference in comparison.differences.items():
        ours, theirs = difference.ours, difference.theirs
        interval = "" if np.isnan(difference.low) else f"{difference.low:+.4f} to {difference.high:+.4f}"
        values = f"{_number(ours)} {_number(theirs)} {ours - theirs:>+8.4f}"
        lines.append(f"{cut(name, 25):<25} {values}  {interval:<20} {_verdict(difference)}")
    lines += ["", *_legend(comparison)]
    for count, name in ((comparison.only_ours, "A"), (comparison.only_theirs, "B")):
        lines += [f"{count:,} images that only {name} was measured on are left out."] if count else []
    if comparison.inference:
        lines += textwrap.wrap("Inference differs. A: {}. B: {}.".format(*comparison.inference), WIDTH)
    return lines


def _verdict(difference: Difference) -> str:
    if difference.beyond_noise is None:
        return "few"
    return ("A" if difference.ours > difference.theirs else "B") if difference.beyond_noise else "noise"


def _legend(comparison: Comparison) -> list[str]:
    """Explain the verdicts that the table shows."""
    verdicts = {difference.beyond_noise for difference in comparison.differences.values()}
    lines, number = [], comparison.comparisons
    if None in verdicts:
        needed = fewest(1 - (1 - comparison.confidence) / number)
        lines.append(f"few: A and B differ on fewer than {needed} images, too few to tell this from noise.")
    if verdicts != {None}:
        lines.append("A, B: better by more than noise. noise: other images could reverse it.")
    if number > 1:
        lines += [f"Verdicts are corrected for {number} comparisons (Holm 1979); intervals are not."]
    total, chance = len(comparison.differences), (1 - comparison.confidence) * len(comparison.differences)
    if chance >= 0.5 and True in verdicts:
        lines.append(f"Just by chance, about {chance:.0f} of {total} metrics would seem better or worse.")
    return lines


def _number(value: float) -> str:
    return f"{'n/a':>7}" if np.isnan(value) else f"{value:7.4f}"
