"""`segline diff RUN RUN`: what two runs differ in, part by part. Imports no library but YAML's."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.yaml_loader import Loader
from pipeline.lineage.history import Run, find, open_store
from pipeline.workspace.layout import Workspace

Change = tuple[str, Any, Any]
"""(what, in the first run, in the second run); None where a run has none."""

TOTALS = ("miou", "pixel_accuracy", "mean_class_accuracy", "frequency_weighted_iou")
"""Figures that are listed even where they are equal."""


@dataclass(frozen=True)
class Difference:
    """What two runs differ in.

    Attributes:
        first, second: Names of the runs.
        recipe: Settings, the flat keys of the resolved recipes.
        code: Versions of the code; and the modules whose code differs, by the steps of both runs.
        data: Contents of the raw files and the number of images of each split.
        libraries: Versions of all installed distributions.
        metrics: TOTALS, and the IoU of each class, of the evaluations.
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
    """Compare two runs of a workspace, each given by its name or the beginning of it.

    Raises:
        UserError: A run is not known.
    """
    one, two = find(workspace, first), find(workspace, second)
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
        code=_changes({"version": one.code}, {"version": two.code}) + _modules(*(found["code"] for found in facts)),
        data=_changes(facts[0]["data"], facts[1]["data"]),
        libraries=_changes(*(lock(folder) for folder in folders)) if both else [],
        metrics=figures(one.figures, two.figures),
        unknown=unknown,
    )


def figures(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[Change]:
    """Totals of two evaluations, equal ones too, then the classes whose IoU differs."""
    if not (one or two):
        return []
    totals = [(name, one.get(name), two.get(name)) for name in TOTALS]
    return totals + [(f"IoU {name}", a, b) for name, a, b in _changes(one.get("iou", {}), two.get("iou", {}))]


def lock(folder: Path) -> dict[str, str]:
    """What lock.txt of a run's folder says, {distribution: version}."""
    text = (folder / "lock.txt").read_text(encoding="utf-8")
    return dict(line.split("==", 1) for line in text.splitlines() if "==" in line)


def lines(found: Difference) -> list[str]:
    """Say it in lines that name the part, the thing, and both values."""
    said = [f"{found.first} -> {found.second}", *found.unknown]
    for part in ("recipe", "code", "data", "libraries"):
        changes: list[Change] = getattr(found, part)
        said += [f"{part:<10} {what}: {_told(a)} -> {_told(b)}" for what, a, b in changes]
        said += (
            [f"{part:<10} the same"] if not changes and not (found.unknown and part in ("recipe", "libraries")) else []
        )
    return said + [f"{'metrics':<10} {line}" for line in figure_lines(found.metrics)]


def figure_lines(changes: list[Change]) -> list[str]:
    """Say figures as a table: both values and the difference."""
    if not changes:
        return ["neither run has evaluated"]
    return [f"{what[:28]:<28} {_figure(a):>8} {_figure(b):>8}  {_delta(a, b)}".rstrip() for what, a, b in changes]


def _store_facts(workspace: Workspace, run: Run) -> dict[str, dict[str, Any]]:
    """Code (by step) and data of the steps that a run made or reused, from their fingerprints."""
    store = open_store(workspace)
    code: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for execution in store.executions(run.id):
        fingerprint = json.loads(execution["fingerprint"])
        if fingerprint and execution["state"] in ("done", "reused"):
            code[execution["step"]] = fingerprint["code"]
            inputs = fingerprint["inputs"]
            data |= {f"contents of {name}": inputs[name][:16] for name in inputs if name == "raw" or "." in name}
    for output in store.outputs(run.id):
        if output["kind"] == "validate":
            counts = json.loads(output["properties"]).get("images", {})
            data |= {f"images of {split}": count for split, count in counts.items()}
    store.close()
    return {"code": code, "data": data}


def _modules(one: Mapping[str, dict[str, str]], two: Mapping[str, dict[str, str]]) -> list[Change]:
    """Modules whose code differs in a step of both runs: it may have changed while a run was at work."""
    found: dict[str, Change] = {}
    for step in (step for step in one if step in two):
        for module, before, now in _changes(one[step], two[step]):
            found.setdefault(module, (f"module {module}", before, now))
    return list(found.values())


def _recipe(folder: Path) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    _flatten("", yaml.load((folder / "recipe.yaml").read_text(encoding="utf-8"), Loader), flat)  # nosec B506
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


def _told(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28}\b", r"\1", text)  # a commit, by its first digits


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _delta(one: float | None, two: float | None) -> str:
    return "" if one is None or two is None else f"{two - one:+.4f}"
