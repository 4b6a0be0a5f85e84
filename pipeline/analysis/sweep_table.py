"""The results of a sweep as a table: for the terminal and as CSV."""

import csv
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation import metric_names

WIDTH, INDENT = 80, 11
"""Columns of a line, and those before the settings."""

Result = Mapping[str, Any]
"""A member's settings, run, state, figures (its metrics), error and epochs, as in member_run.Result."""


def ordered(results: Sequence[Result], by: str) -> list[Result]:
    """Sort by the metric `by`, the best first; then those that halving stopped, the last stopped first."""
    sign = -1 if metric_names.at_most(by) else 1

    def rank(result: Result) -> tuple[bool, float, float]:
        value, epochs = result["figures"].get(by), result.get("epochs")
        return value is not None, math.inf if epochs is None else epochs, sign * (value or 0.0)

    return sorted(results, key=rank, reverse=True)


def lines(results: Sequence[Result], by: str) -> list[str]:
    """Lay out a table of at most 80 columns, the best first; `-`: no such metric; a failed member shows its error."""
    table = [f"{by:>9}  settings"]
    for result in ordered(results, by):
        value = result["figures"].get(by)
        state = "-" if result["state"] == "done" else result["state"]
        shown = state if value is None else f"{value:.4f}"
        settings = " ".join(f"{key}={value}" for key, value in result["settings"].items())
        settings += f" (stopped after epoch {result['epochs']})" if result.get("epochs") else ""
        first, *more = textwrap.wrap(settings, WIDTH - INDENT)
        table += [f"{shown:>9}  {first}", *(" " * INDENT + part for part in more)]
        if result["error"]:
            table += [" " * INDENT + part for part in textwrap.wrap(result["error"], WIDTH - INDENT)[:3]]
    return table


def to_csv(results: Sequence[Result]) -> str:
    """Format as CSV, one line a member: its settings, state, run and every metric."""
    settings = list(dict.fromkeys(key for result in results for key in result["settings"]))
    metrics = list(dict.fromkeys(key for result in results for key in result["figures"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*settings, "state", "run", *metrics])
    for result in results:
        values = [result["settings"].get(key, "") for key in settings]
        numbers = [result["figures"].get(key) for key in metrics]
        writer.writerow([*values, result["state"], result["run"] or "", *("" if n is None else n for n in numbers)])
    return text.getvalue()
