"""Data over time: is the data of this run still like that of the model that is served? Imports no library.

Compared are the statistics that validate writes with those that a served model carries (origin.json), whenever a run
has validated, or reused what was validated: the served model may be another one since. Nothing of it is part of a
step's result.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.config.drift import DriftConfig, Severity
from pipeline.errors import UserError
from pipeline.orchestration import promotion
from pipeline.workspace import json_file
from pipeline.workspace.digest import text_digest, write_atomically
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

FILE = "drift.json"
"""In the run's folder: {"against": address under serving/, "run": its run, "findings": [...]}."""

Statistics = Mapping[str, Any]
"""What statistics.json of validate holds."""


@dataclass(frozen=True)
class Finding:
    """One figure of a split, before and now.

    Attributes:
        split, what: Of what.
        before, now: Its values, as they are told.
        limit: What was allowed.
        severity: "error" or "warning" where it lies beyond the limit, "ok" where not.
    """

    split: str
    what: str
    before: str
    now: str
    limit: str
    severity: str


def check(workspace: Workspace, run: RunFolder, store: Store, *, name: str, config: DriftConfig) -> None:
    """Compare a run's data with those of the model served as `name`, say what was found, and write drift.json.

    Nothing is compared where no model is served, or the served one learned from the same data.

    Raises:
        UserError: A limit is passed whose severity is "error".
    """
    served, validated = baseline(workspace, name), run.artifact("validate")
    if served is None:
        return
    origin, now = promotion.origin(served), json_file.read(validated / "statistics.json")
    if origin["statistics"] == now:
        return
    findings = compare(origin["statistics"], now, config)
    told = {"against": workspace.relative(served), "run": origin["run"], "findings": [asdict(one) for one in findings]}
    write_atomically(run.path / FILE, json.dumps(told, indent=2, ensure_ascii=False))
    key = text_digest(json.dumps(told))
    execution = store.begin(run.id, "drift", f"compared with {told['against']}", key, "{}")
    for kind, path in (("validate", validated), ("served", served)):
        row = store.artifact(workspace.relative(path))
        if row:
            store.link(execution, "input", kind, kind, row["uri"], row["digest"])
    errors = [one for one in findings if one.severity == "error"]
    store.end(execution, "failed" if errors else "done", refusal(told["against"], errors) if errors else None)
    print("\n".join(lines(told["against"], findings)))
    if errors:
        raise UserError(refusal(told["against"], errors))


def baseline(workspace: Workspace, name: str) -> Path | None:
    """Newest served version that says what data it learned from; None where there is none."""
    for version in sorted(promotion.versions(workspace.serving / name), reverse=True):
        served = workspace.serving / name / str(version)
        if "statistics" in promotion.origin(served):
            return served
    return None


def compare(before: Statistics, now: Statistics, config: DriftConfig) -> list[Finding]:
    """Hold two data sets against each other, split by split; what passes its limit comes first."""
    if before["classes"] != now["classes"]:
        told = f"{len(before['classes'])} classes", f"{len(now['classes'])} other classes"
        return [Finding("all", "classes", *told, "the same", config.severity)] if config.severity != "ignore" else []
    found: list[Finding] = []
    for split, new in now["splits"].items():
        old = before["splits"].get(split)
        if old and old["images"] and new["images"]:
            found += _split(split, old, new, now["classes"], config)
    return sorted(found, key=lambda one: ("error", "warning", "ok").index(one.severity))


def lines(against: str, findings: Sequence[Finding]) -> list[str]:
    """Say what passed its limit, in lines of at most 80 columns unless a name is longer."""
    far = [one for one in findings if one.severity != "ok"]
    if not far:
        return [f"{'drift':<9} the data is like that of {against}"]
    many = "1 figure is" if len(far) == 1 else f"{len(far)} figures are"
    return [f"{'drift':<9} {many} not like in the data of {against}", *(f"  {_line(one)}" for one in far)]


def refusal(against: str, errors: Sequence[Finding]) -> str:
    """Tell of what stops the run, and by which setting it would not."""
    return "\n".join(
        [
            f"The data is not like that of {against}:",
            *(f"  {_line(one)}" for one in errors),
            "Look at the raw data. If it is meant to be so: --set validate.drift.severity=warning (for groups: "
            "validate.drift.groups), or raise the limit there.",
        ]
    )


def _line(one: Finding) -> str:
    return f"{one.split} {one.what}: {one.before} -> {one.now} (limit {one.limit})"


def _split(
    split: str, old: Statistics, new: Statistics, classes: Sequence[str], config: DriftConfig
) -> Iterator[Finding]:
    def finding(what: str, before: str, now: str, limit: str, *, far: bool) -> Finding:
        severity = config.severity if far and config.severity != "ignore" else "ok"
        return Finding(split, what, before, now, limit, severity)

    if config.images_factor is not None:
        far = _factor(old["images"], new["images"]) > config.images_factor
        yield finding("images", f"{old['images']}", f"{new['images']}", f"factor {config.images_factor:g}", far=far)
    levels = (("brightness", "mean", config.brightness), ("contrast", "std", config.contrast))
    for what, key, limit in levels:
        if limit is not None:
            a, b = (sum(side[key]) / len(side[key]) for side in (old, new))
            yield finding(what, f"{a:.1f}", f"{b:.1f}", f"{limit:g}", far=abs(a - b) > limit)
    if config.ignored_share is not None:
        a, b = (_ignored(side) for side in (old, new))
        limit = config.ignored_share
        yield finding("ignored pixels", f"{a:.2%}", f"{b:.2%}", f"{limit:.1%}", far=abs(a - b) > limit)
    if config.new_sizes is not None:
        strange = sum(number for size, number in new["sizes"].items() if size not in old["sizes"]) / new["images"]
        limit = config.new_sizes
        yield finding("images of new sizes", "0.0%", f"{strange:.1%}", f"{limit:.1%}", far=strange > limit)
    yield from _classes(old, new, classes, config, finding)
    yield from _groups(split, old, new, config.groups)


def _classes(old: Statistics, new: Statistics, classes: Sequence[str], config: DriftConfig, finding: Any) -> Any:
    for name, a, b in zip(classes, _shares(old), _shares(new), strict=True):
        limits, far = [], False
        if config.class_share is not None:
            limits.append(f"{config.class_share:.1%}")
            far = abs(a - b) > config.class_share
        if config.class_factor is not None:
            limits.append(f"factor {config.class_factor:g}")
            far = far or (max(a, b) >= config.rare and _factor(a, b) > config.class_factor)
        if limits:
            yield finding(f"share of {name}", f"{a:.2%}", f"{b:.2%}", ", ".join(limits), far=far)


def _groups(split: str, old: Statistics, new: Statistics, severity: Severity) -> Iterator[Finding]:
    if severity == "ignore":
        return
    gone, come = (sorted(set(one["groups"]) - set(other["groups"])) for one, other in ((old, new), (new, old)))
    for what, names in (("vanished groups", gone), ("new groups", come)):
        if names:
            told = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            yield Finding(split, what, f"{len(old['groups'])} groups", told, "none", severity)


def _shares(side: Statistics) -> list[float]:
    total = max(1, sum(side["pixels"]))
    return [pixels / total for pixels in side["pixels"]]


def _ignored(side: Statistics) -> float:
    return float(side["void_pixels"] / max(1, side["void_pixels"] + sum(side["pixels"])))


def _factor(one: float, other: float) -> float:
    """How many times the larger is the smaller; infinite where one is 0 and the other not."""
    low, high = sorted((one, other))
    return high / low if low else float("inf") if high else 1.0
