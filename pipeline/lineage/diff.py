"""`segline diff RUN RUN`: how two runs differ, part by part. Imports no library except YAML's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import plain_yaml
from pipeline.config.step_names import VALIDATE
from pipeline.lineage.history import Run, find_run, open_store
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store_file import read_json

Change = tuple[str, Any, Any]
"""(name, value in the first run, value in the second run); None: the run has none."""

TOTALS = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou")
"""Metrics that are listed even if they are equal."""


@dataclass(frozen=True)
class Difference:
    """The changes from one run to another.

    Attributes:
        first, second: Names of the runs.
        recipe: Settings, by the flat keys of the resolved recipes.
        code: Version of the code, and the modules whose code differs in a step of both runs.
        data: Digest of the raw files and number of images of each split.
        libraries: Versions of all installed distributions.
        metrics: TOTALS and the IoU of each class, from the evaluations; 0..1.
        unknown: What could not be compared, and why.
    """

    first: str
    second: str
    recipe: list[Change]
    code: list[Change]
    data: list[Change]
    libraries: list[Change]
    metrics: list[Change]
    unknown: list[str] = field(default_factory=list)


def diff(workspace: Workspace, first: str, second: str) -> Difference:
    """Compare two runs of a workspace.

    Args:
        workspace: The workspace of both.
        first: Name of a run, or an unambiguous beginning of it.
        second: The same for the other run.

    Raises:
        UserError: There is no such run, or the beginning fits several.
    """
    one, two = find_run(workspace, first), find_run(workspace, second)
    facts = [_store_facts(workspace, run) for run in (one, two)]
    unknown = [
        f"{run.id}: its folder was removed; recipe and libraries are not known" for run in (one, two) if not run.folder
    ]
    both = not unknown
    folders = [workspace.run(run.id) for run in (one, two)]
    return Difference(
        one.id,
        two.id,
        recipe=_changes(*map(_recipe, folders)) if both else [],
        code=_changes({"version": one.code}, {"version": two.code}) + _modules(*(fact["code"] for fact in facts)),
        data=_changes(facts[0]["data"], facts[1]["data"]),
        libraries=_changes(*(locked_versions(folder) for folder in folders)) if both else [],
        metrics=metric_changes(one.figures, two.figures),
        unknown=unknown,
    )


def metric_changes(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Change]:
    """Return the TOTALS of two evaluations, equal ones too, then the classes whose IoU differs.

    >>> metric_changes({"miou": 0.5, "iou": {"Sky": 0.5}}, {"miou": 0.6, "iou": {"Sky": 0.6}})[::4]
    [('miou', 0.5, 0.6), ('IoU Sky', 0.5, 0.6)]
    """
    if not (one or two):
        return []
    totals = [(name, one.get(name), two.get(name)) for name in TOTALS]
    return totals + [(f"IoU {name}", a, b) for name, a, b in _changes(one.get("iou", {}), two.get("iou", {}))]


def locked_versions(folder: Path) -> dict[str, str]:
    """Read lock.txt of a run's folder, {distribution: version}."""
    text = (folder / "lock.txt").read_text(encoding="utf-8")
    return dict(line.split("==", 1) for line in text.splitlines() if "==" in line)


def lines(difference: Difference) -> list[str]:
    """Describe a difference, one line a change: part, name, both values."""
    described = [f"{difference.first} -> {difference.second}", *difference.unknown]
    for part in ("recipe", "code", "data", "libraries"):
        changes: list[Change] = getattr(difference, part)
        described += [f"{part:<10} {name}: {_value(a)} -> {_value(b)}" for name, a, b in changes]
        if not changes and not (difference.unknown and part in ("recipe", "libraries")):
            described.append(f"{part:<10} the same")
    return described + [f"{'metrics':<10} {line}" for line in metric_lines(difference.metrics)]


def metric_lines(changes: list[Change]) -> list[str]:
    """Lay out metrics as a table: name, both values, their difference."""
    if not changes:
        return ["neither run has evaluated"]
    return [f"{name[:28]:<28} {_format(a):>8} {_format(b):>8}  {_delta(a, b)}".rstrip() for name, a, b in changes]


def _store_facts(workspace: Workspace, run: Run) -> dict[str, dict[str, Any]]:
    """Read the code (by step) and the data of a run's finished steps from their fingerprints."""
    store = open_store(workspace)
    code: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for execution in store.executions(run.id):
        fingerprint = read_json(execution["fingerprint"])
        if fingerprint and execution["state"] in ("done", "reused"):
            code[execution["step"]] = fingerprint["code"]
            inputs = fingerprint["inputs"]
            data |= {f"contents of {name}": inputs[name][:16] for name in inputs if name == "raw" or "." in name}
    for output in store.outputs(run.id):
        if output["kind"] == VALIDATE:
            counts = read_json(output["properties"]).get("images", {})
            data |= {f"images of {split}": count for split, count in counts.items()}
    store.close()
    return {"code": code, "data": data}


def _modules(one: Mapping[str, dict[str, str]], two: Mapping[str, dict[str, str]]) -> list[Change]:
    """Return the modules whose code differs in a step of both runs; steps of one run differ if it changed meanwhile."""
    changes: dict[str, Change] = {}
    for step in (step for step in one if step in two):
        for module, before, now in _changes(one[step], two[step]):
            changes.setdefault(module, (f"module {module}", before, now))
    return list(changes.values())


def _recipe(folder: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    _flatten("", plain_yaml.load(folder / "recipe.yaml"), flat)
    return flat


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), inner, flat)
    else:
        flat[prefix] = value


def _changes(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Change]:
    names = list(dict.fromkeys([*one, *two]))
    return [(name, one.get(name), two.get(name)) for name in names if one.get(name) != two.get(name)]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}\b", r"\1", text)  # a commit is shortened to 12 digits


def _format(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _delta(one: float | None, two: float | None) -> str:
    return "" if one is None or two is None else f"{two - one:+.4f}"
