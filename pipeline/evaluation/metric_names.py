"""The name of every metric of an evaluation, as the recipe's gate writes it. Imports no library.

miou  ece  iou/<class>  slice/<group>/miou  slice/<group>/iou/<class>  <protocol>/<metric>
<protocol>/<table>/<row>/<column>
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

OF_SLICE = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou", "mean_f1")
"""Metrics of a group of images."""

WHOLE = (*OF_SLICE, "image_mean_iou", "ece", "majority_baseline_miou")
"""Metrics of the whole split."""

OF_CLASS = {"iou": "iou", "recall": "accuracy", "precision": "precision", "f1": "f1"}
"""Metrics of a class, and their keys in metrics.json."""

LESS_IS_BETTER = frozenset({"ece", "FPR", "FNR", "bev_FPR", "bev_FNR"})
"""Metrics, by the last part of their names, that are errors; all others are better the greater they are."""


def at_most(name: str) -> bool:
    """Whether the bound that a gate sets on this metric is an upper one."""
    return name.rsplit("/", 1)[-1] in LESS_IS_BETTER


def flat(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Flatten the content of metrics.json to {name: value}; None where a metric is undefined."""
    values: dict[str, float | None] = {name: metrics.get(name) for name in WHOLE}
    values["ece"] = metrics.get("calibration", {}).get("ece")
    for row in metrics.get("per_class", ()):
        values |= {f"{name}/{row['name']}": row.get(key) for name, key in OF_CLASS.items()}
    for row in metrics.get("slices", ()):
        head = f"slice/{row['group']}"
        values |= {f"{head}/{name}": row[name] for name in OF_SLICE if name in row}
        values |= {f"{head}/iou/{name}": value for name, value in row["iou"].items()}
    for protocol, result in metrics.get("protocols", {}).items():
        values |= {f"{protocol}/{name}": value for name, value in result["figures"].items()}
        for title, rows in result["tables"].items():
            for row, columns in rows.items():
                values |= {f"{protocol}/{title}/{row}/{column}": value for column, value in columns.items()}
    return values


def problems(
    names: Sequence[str], classes: Sequence[str], protocols: Mapping[str, Sequence[str]], *, key: str = "evaluate.gate"
) -> list[str]:
    """Return one line for each name that no evaluation can have as a metric, and a last line of those it can have.

    >>> metric_names = ["iou/raod", "boundary/f1"]
    >>> problems(metric_names, classes=["road", "sky"], protocols={"boundary": ["f1"]})[0]
    "evaluate.gate: there is no metric 'iou/raod'. Did you mean 'iou/road'?"

    Args:
        names: As the recipe's gate writes them.
        classes: Class names of the dataset.
        protocols: {protocol that will be used: its metrics}. Its tables, and the groups, are unknown until measured.
        key: The setting or option that names them.
    """
    of_class = [f"{measure}/{name}" for measure in OF_CLASS for name in classes]
    of_protocol = [f"{protocol}/{metric}" for protocol, metrics in protocols.items() for metric in metrics]
    known = [*WHOLE, *of_class, *of_protocol]
    lines = []
    for name in names:
        if name in known or _is_of_slice(name, classes) or _is_of_table(name, protocols):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        lines.append(f"{key}: there is no metric {name!r}.{guess}")
    if lines:
        parts = [*WHOLE, *(f"{measure}/<class>" for measure in OF_CLASS), "slice/<group>/miou"]
        lines.append(f"Metrics: {', '.join([*parts, 'slice/<group>/iou/<class>', *of_protocol])}.")
    return lines


def _is_of_slice(name: str, classes: Sequence[str]) -> bool:
    """Whether a name can be a metric of a group; the group's name may contain slashes."""
    head, _, rest = name.partition("/")
    group, _, metric = rest.rpartition("/")
    of_class, between, class_name = rest.rpartition("/iou/")
    return head == "slice" and bool((group and metric in OF_SLICE) or (between and of_class and class_name in classes))


def _is_of_table(name: str, protocols: Mapping[str, Sequence[str]]) -> bool:
    """Whether a name can be a cell of a protocol's table: <protocol>/<table>/<row>/<column>."""
    return name.count("/") >= 3 and name.partition("/")[0] in protocols
