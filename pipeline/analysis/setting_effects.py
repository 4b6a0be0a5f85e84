"""Which settings of a sweep mattered: the share of a metric's variation that each setting explains by itself."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

FEWEST = 4
"""Runs below which nothing is said."""


def shares(settings: Sequence[Mapping[str, str]], values: Sequence[float]) -> dict[str, float]:
    """Return the share of the values' variance that each setting explains, 0..1, the largest first.

    With few values for many runs it is epsilon squared of a one-way analysis of variance (Kelley 1935,
    doi:10.1073/pnas.21.9.554): unlike eta squared it is 0 on average where the setting does nothing. Where each run has
    a number of its own, as from a range, it is the squared rank correlation, adjusted in the same way.

    Args:
        settings: Of each run, {"train.learning_rate": "1e-3", ...}.
        values: Its metric.
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) < FEWEST or not np.ptp(numbers):
        return {}
    found = {}
    for key in settings[0]:
        column = [row[key] for row in settings]
        if len(set(column)) > 1 and (share := _share(column, numbers)) is not None:
            found[key] = max(0.0, share)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def line(settings: Sequence[Mapping[str, str]], values: Sequence[float], by: str) -> str:
    """Say which settings mattered; "" where there are too few runs to tell."""
    found = shares(settings, values)
    named = ", ".join(f"{key} {share:.0%}" for key, share in found.items())
    return f"what mattered for {by} (share of its variation over {len(values)} runs): {named}" if found else ""


def _share(column: list[str], values: np.ndarray) -> float | None:
    """Return the share of one setting; None where every run has a value of its own that is no number."""
    levels, runs = len(set(column)), len(column)
    if levels < runs:
        groups = [values[[text == level for text in column]] for level in dict.fromkeys(column)]
        within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
        total = float(((values - values.mean()) ** 2).sum())
        return 1 - within / (runs - levels) / (total / (runs - 1))
    try:
        correlation = float(stats.spearmanr([float(text) for text in column], values).statistic)
    except ValueError:
        return None
    return 1 - (1 - correlation**2) * (runs - 1) / (runs - 2)
