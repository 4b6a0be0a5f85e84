"""The name of every single figure of an evaluation, as the recipe's gate writes it. Imports no library.

miou  ece  iou/<class>  slice/<group>/miou  slice/<group>/iou/<class>  <protocol>/<figure>
<protocol>/<table>/<row>/<column>
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

OF_SLICE = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou", "mean_f1")
"""Figures of a group of images."""

WHOLE = (*OF_SLICE, "image_mean_iou", "ece", "majority_baseline_miou")
"""Figures of the whole split."""

OF_CLASS = {"iou": "iou", "recall": "accuracy", "precision": "precision", "f1": "f1"}
"""Figures of a class, and their keys in metrics.json."""

LESS_IS_BETTER = frozenset({"ece", "FPR", "FNR", "bev_FPR", "bev_FNR"})


def at_most(name: str) -> bool:
    """Whether a demand on this figure is an upper bound: errors are, everything else is better the greater it is."""
    return name.rsplit("/", 1)[-1] in LESS_IS_BETTER


def flat(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Name every figure that metrics.json holds; None where it does not exist."""
    found: dict[str, float | None] = {name: metrics.get(name) for name in WHOLE}
    found["ece"] = metrics.get("calibration", {}).get("ece")
    for row in metrics.get("per_class", ()):
        found |= {f"{name}/{row['name']}": row.get(key) for name, key in OF_CLASS.items()}
    for slice_ in metrics.get("slices", ()):
        head = f"slice/{slice_['group']}"
        found |= {f"{head}/{name}": slice_[name] for name in OF_SLICE if name in slice_}
        found |= {f"{head}/iou/{name}": value for name, value in slice_["iou"].items()}
    for protocol, findings in metrics.get("protocols", {}).items():
        found |= {f"{protocol}/{name}": value for name, value in findings["figures"].items()}
        for title, rows in findings["tables"].items():
            for row, columns in rows.items():
                found |= {f"{protocol}/{title}/{row}/{column}": value for column, value in columns.items()}
    return found


def problems(
    names: Sequence[str],
    classes: Sequence[str],
    protocols: Mapping[str, Sequence[str]],
    *,
    key: str = "evaluate.gate",
) -> list[str]:
    """Say which names can be no figure of an evaluation, whatever it finds; the last line says which there are.

    Args:
        names: As the recipe's gate writes them.
        classes: Class names of the dataset.
        protocols: {protocol that will be used: its figures}. Its tables, and the groups, are known when measured.
        key: What asked for them.
    """
    of_class = [f"{measure}/{name}" for measure in OF_CLASS for name in classes]
    of_protocol = [f"{protocol}/{figure}" for protocol, figures in protocols.items() for figure in figures]
    known = [*WHOLE, *of_class, *of_protocol]
    found = []
    for name in names:
        if name in known or _is_of_slice(name, classes) or _is_of_table(name, protocols):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        found.append(f"{key}: there is no figure {name!r}.{guess}")
    if found:
        parts = [*WHOLE, *(f"{measure}/<class>" for measure in OF_CLASS), "slice/<group>/miou"]
        found.append(f"Figures: {', '.join([*parts, 'slice/<group>/iou/<class>', *of_protocol])}.")
    return found


def _is_of_slice(name: str, classes: Sequence[str]) -> bool:
    """Whether a name can be a figure of a group; a group's own name may hold slashes."""
    head, _, rest = name.partition("/")
    group, _, figure = rest.rpartition("/")
    of_class, between, class_name = rest.rpartition("/iou/")
    return head == "slice" and bool((group and figure in OF_SLICE) or (between and of_class and class_name in classes))


def _is_of_table(name: str, protocols: Mapping[str, Sequence[str]]) -> bool:
    """Whether a name can be a cell of a protocol's table: <protocol>/<table>/<row>/<column>."""
    return name.count("/") >= 3 and name.partition("/")[0] in protocols
