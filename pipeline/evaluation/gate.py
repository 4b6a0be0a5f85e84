"""The gate: decide whether an evaluated model may be served. Pure functions of metrics; nothing is read or written."""

import math
import operator
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.errors import GateError
from pipeline.evaluation import metric_names
from pipeline.evaluation.metric_text import dataset_name, number

NONE_SERVED = "no model is served yet"

UNSET: Literal["no gate set"] = "no gate set"
"""Outcome of a verdict without a check that applies: nothing speaks for the model, or against it."""

_PASSED = {"passed": True, "failed": False, UNSET: None}

APPROXIMATE = (
    "Measured with evaluate.inference, scales or flip; the exported model predicts the whole image once and may score "
    "a little lower."
)
"""Note of a verdict whose metrics were measured in another way than the exported model predicts."""


@dataclass(frozen=True)
class Check:
    """One demand on a model and its outcome.

    Attributes:
        check: The demand, in words.
        required: The bound; None where the check does not apply.
        received: Value of the evaluated model; None where it has none.
        passed: True, False, or None where the check does not apply.
        note: Why it does not apply, or what it compares with.
        bound: Whether `required` is the least value that passes, or the greatest.
    """

    check: str
    required: float | None
    received: float | None
    passed: bool | None
    note: str = ""
    bound: str = "at least"


@dataclass(frozen=True)
class PairedDifference:
    """Difference to the served model on the images that both were measured on.

    Attributes:
        images: Number of these images.
        difference: mIoU of this model minus that of the served one, on these images.
        low, high: Interval of the difference by a sign-flip test; see pipeline.evaluation.paired.
        confidence: Confidence level of the interval, 0 to 1.
    """

    images: int
    difference: float
    low: float
    high: float
    confidence: float


def judge(
    metrics: Mapping[str, Any],
    *,
    demands: Mapping[str, float],
    max_miou_drop: float | None,
    served: Mapping[str, Any] | None,
    refuse_significant_drop: bool = False,
    paired: PairedDifference | str | None = None,
    common: int | None = None,
) -> dict[str, Any]:
    """Check an evaluation against the recipe's demands and the model that is served.

    Args:
        metrics: Content of metrics.json.
        demands: {metric, as pipeline.evaluation.metric_names names it: bound}.
        max_miou_drop: How far mIoU may be below that of the served model, 0 to 1; None: no such demand.
        served: Metrics of the served model, from its segline.json; None if none is served.
        refuse_significant_drop: Whether mIoU must not be below the served model's by more than noise.
        paired: The comparison for that, or why there is none.
        common: Number of images that the served model was measured on too; None if it does not list its images.

    Returns:
        {"passed": bool | None, "checks": [{"check", "required", "received", "passed", "note", "bound"}, ...], "note":
        str}. A check that does not apply has `passed` None and does not count; a missing metric fails. `passed` of the
        verdict is None where no check applies: nothing was checked.
    """
    values = metric_names.flat(metrics)
    groups = [slice_["group"] for slice_ in metrics.get("slices", ())]
    checks = []
    for name, required in demands.items():
        title, bound = "mIoU" if name == "miou" else name, "at most" if metric_names.at_most(name) else "at least"
        checks.append(_bounded(title, required, values.get(name), _unknown(name, values, groups), bound))
    incomparable = _incomparable(metrics, served)
    if max_miou_drop is not None:
        checks.append(_not_worse(metrics, served, max_miou_drop, incomparable, common))
    if refuse_significant_drop:
        checks.append(_not_beyond_noise(incomparable or paired))
    verdict = {
        "checks": [asdict(check) for check in checks],
        "note": APPROXIMATE if metrics.get("inference") else "",
    }
    return {"passed": _PASSED[outcome(verdict)], **verdict}


def outcome(verdict: Mapping[str, Any]) -> Literal["passed", "failed", "no gate set"]:
    """Return the outcome of a verdict's checks in words; UNSET where none of them applies."""
    results = {check["passed"] for check in verdict["checks"]}
    if False in results:
        return "failed"
    return "passed" if True in results else UNSET


def require_passed(verdict: Mapping[str, Any]) -> None:
    """Raise GateError, which names every failed check, if a check of the verdict failed."""
    if outcome(verdict) == "failed":
        failed = "\n".join(lines(verdict))
        raise GateError(
            f"The gate did not pass, so the model is not exported:\n{failed}\n"
            "The report shows where the model fails. Train a better one, or\n"
            "change the demand under `evaluate` in the recipe."
        )


def summary(verdict: Mapping[str, Any]) -> list[str]:
    """Return lines for the terminal: the outcome, each failed check, and why a check does not apply."""
    if (result := outcome(verdict)) == UNSET:
        return [f"{UNSET}: nothing was checked (evaluate.min_miou sets a bound)", *unapplied(verdict)]
    if result == "passed":
        applied = sum(check["passed"] is True for check in verdict["checks"])
        return [f"passed ({applied} of {len(verdict['checks'])} checks apply)", *unapplied(verdict)]
    return ["failed", *lines(verdict), *unapplied(verdict)]


def failures(verdict: Mapping[str, Any]) -> list[str]:
    """Return one line for each failed check of a verdict: what was required and what was received."""
    return [
        f"{check['check']}: required {check['bound']} {number(check['required'])}, received {number(check['received'])}"
        + (f" ({check['note']})" if check["note"] else "")
        for check in verdict["checks"]
        if check["passed"] is False
    ]


def lines(verdict: Mapping[str, Any]) -> list[str]:
    """Return `failures` for the terminal: indented, at most 70 columns wide, so that a step's name fits before them."""
    return _indented(failures(verdict))


def unapplied(verdict: Mapping[str, Any]) -> list[str]:
    """Return, wrapped as by `lines`, why each check does not apply; no line if only because no model is served yet."""
    checks = [check for check in verdict["checks"] if check["passed"] is None and check["note"] != NONE_SERVED]
    return _indented(f"{check['check']}: does not apply: {check['note']}" for check in checks)


def _indented(paragraphs: Iterable[str]) -> list[str]:
    wrapped = [textwrap.wrap(paragraph, 68, subsequent_indent="  ") for paragraph in paragraphs]
    return [f"  {line}" for part in wrapped for line in part]


def _unknown(name: str, metrics: Collection[str], groups: Sequence[str]) -> str:
    """Return the note that an evaluation has no such metric; an empty text if it has."""
    if name in metrics:
        return ""
    note = "there is no such metric in this evaluation"
    return f"{note}; its groups: {_short(groups)}" if name.startswith("slice/") else note


def _bounded(check: str, required: float, received: float | None, note: str, bound: str = "at least") -> Check:
    """Compare a metric with its bound; a missing or non-finite metric fails."""
    compare = operator.le if bound == "at most" else operator.ge
    passed = received is not None and math.isfinite(received) and compare(received, required)
    return Check(check, required, received, passed, note, bound)


def _incomparable(metrics: Mapping[str, Any], served: Mapping[str, Any] | None) -> str | None:
    """Return why the served model cannot be compared with; None if it can."""
    if served is None:
        return NONE_SERVED
    for key, name in {"dataset": "dataset", "split": "split", "classes": "class list"}.items():
        if served.get(key) != metrics[key]:
            shown = dataset_name(served) if key == "dataset" else served.get(key)
            return f"the served model was measured on another {name}: {_short(shown)}"
    if (served.get("inference") or {}) != (metrics.get("inference") or {}):
        return "the served model was measured with other evaluate.inference, scales or flip"
    return "the metrics of the served model hold no mIoU" if served.get("miou") is None else None


def _not_worse(
    metrics: Mapping[str, Any], served: Mapping[str, Any] | None, drop: float, reason: str | None, common: int | None
) -> Check:
    """Demand at least the served model's mIoU minus `drop`; `reason` is why the two cannot be compared, if so."""
    check = "mIoU against the served model"
    if reason or served is None:
        return Check(check, None, metrics["miou"], None, reason or "")
    note = f"served: {number(served['miou'])}; at most {drop:g} less is allowed"
    counts = {served.get("images"), metrics["images"], metrics["images"] if common is None else common}
    if len(counts) > 1:
        note += f"; it was measured on {served.get('images')} images, this one on {metrics['images']}"
        note += "" if common is None else f", {common} of them the same"
    # Rounded, so that 0.62 - 0.02 requires 0.6 and not the binary fraction above it.
    return _bounded(check, round(served["miou"] - drop, 9), metrics["miou"], note)


def _not_beyond_noise(paired: PairedDifference | str | None) -> Check:
    """Demand that the interval of the difference to the served model reaches 0; a text is why there is none."""
    check = "mIoU not worse than the served model's by more than noise"
    if not isinstance(paired, PairedDifference):
        return Check(check, None, None, None, paired or "the served model keeps no counts of its images")
    note = (
        f"difference {paired.difference:+.4f}, {paired.confidence:.0%} interval {paired.low:+.4f} to {paired.high:+.4f}"
        f", sign-flip test over {paired.images} images; its upper end must reach 0"
    )
    return _bounded(check, 0.0, paired.high, note)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
