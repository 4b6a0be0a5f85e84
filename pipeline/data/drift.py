"""Data drift: how the data of a run differ from the training data of the served model. Pure, imports no library.

Compared are the statistics that validate writes with those that a served model carries (origin.json), after each
validate step, reused or not: another model may be served by then. It is no part of any step's result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.validate import DriftConfig, Severity

FILE = "drift.json"
"""In the run's folder: {"against": address under serving/, "run": its run, "findings": [...]}."""

Statistics = Mapping[str, Any]
"""Content of validate's statistics.json, or of one of its splits."""


@dataclass(frozen=True)
class Finding:
    """One statistic of a split, before and now, as text.

    Attributes:
        split, what: The split and the statistic.
        before, now: Its values in the data of the served model and in those of this run.
        limit: Greatest change allowed.
        severity: "error" or "warning" where the change exceeds the limit, else "ok".
    """

    split: str
    what: str
    before: str
    now: str
    limit: str
    severity: str


def compare(before: Statistics, now: Statistics, config: DriftConfig) -> list[Finding]:
    """Compare two datasets split by split; what exceeds its limit comes first, errors before warnings."""
    if before["classes"] != now["classes"]:
        values = f"{len(before['classes'])} classes", f"{len(now['classes'])} other classes"
        return [Finding("all", "classes", *values, "the same", config.severity)] if config.severity != "ignore" else []
    findings: list[Finding] = []
    for split, new in now["splits"].items():
        old = before["splits"].get(split)
        if old and old["images"] and new["images"]:
            findings += _split(split, old, new, now["classes"], config)
    return sorted(findings, key=lambda one: ("error", "warning", "ok").index(one.severity))


def lines(against: str, findings: Sequence[Finding]) -> list[str]:
    """Report what exceeds its limit, in lines of at most 80 columns unless a name is longer."""
    far = [one for one in findings if one.severity != "ok"]
    if not far:
        return [f"{'drift':<9} the data is like that of {against}"]
    count = "1 statistic differs" if len(far) == 1 else f"{len(far)} statistics differ"
    return [f"{'drift':<9} {count} from the data of {against}", *(f"  {_line(one)}" for one in far)]


def refusal(against: str, errors: Sequence[Finding]) -> str:
    """Return the message of the differences that stop a run, and of the settings that allow them."""
    differences = "".join(f"  {_line(one)}\n" for one in errors)
    return (
        f"The data differ from those of {against}:\n{differences}Look at the raw data. If the difference is intended: "
        "--set validate.drift.severity=warning (for groups: validate.drift.groups), or raise the limit there."
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
    for what, key, limit in (("brightness", "mean", config.brightness), ("contrast", "std", config.contrast)):
        if limit is not None:
            a, b = (sum(side[key]) / len(side[key]) for side in (old, new))
            yield finding(what, f"{a:.1f}", f"{b:.1f}", f"{limit:g}", far=abs(a - b) > limit)
    if config.ignored_share is not None:
        a, b = (_ignored(side) for side in (old, new))
        limit = config.ignored_share
        yield finding("ignored pixels", f"{a:.2%}", f"{b:.2%}", f"{limit:.1%}", far=abs(a - b) > limit)
    if config.new_sizes is not None:
        share = sum(number for size, number in new["sizes"].items() if size not in old["sizes"]) / new["images"]
        limit = config.new_sizes
        yield finding("images of new sizes", "0.0%", f"{share:.1%}", f"{limit:.1%}", far=share > limit)
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
    vanished, added = (sorted(set(one["groups"]) - set(other["groups"])) for one, other in ((old, new), (new, old)))
    for what, names in (("vanished groups", vanished), ("new groups", added)):
        if names:
            listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            yield Finding(split, what, f"{len(old['groups'])} groups", listed, "none", severity)


def _shares(side: Statistics) -> list[float]:
    total = max(1, sum(side["pixels"]))
    return [pixels / total for pixels in side["pixels"]]


def _ignored(side: Statistics) -> float:
    return float(side["void_pixels"] / max(1, side["void_pixels"] + sum(side["pixels"])))


def _factor(one: float, other: float) -> float:
    """Return the larger over the smaller; infinite where only one of them is 0."""
    low, high = sorted((one, other))
    return high / low if low else float("inf") if high else 1.0
