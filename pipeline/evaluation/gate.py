"""The gate: may a model that was evaluated be served? Pure functions of metrics; nothing is read or written."""

import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import GateError
from pipeline.evaluation import metric_names
from pipeline.evaluation.metric_text import number

NONE_SERVED = "no model is served yet"


@dataclass(frozen=True)
class Check:
    """One demand on a model and what came of it.

    Attributes:
        check: What is demanded, in words.
        required: The bound; None where the check does not apply.
        received: Value of the evaluated model; None where it has none.
        passed: True, False, or None where the check does not apply.
        note: What one should know: why it does not apply, or what it compares with.
        bound: Whether `required` is the least value that passes, or the greatest.
    """

    check: str
    required: float | None
    received: float | None
    passed: bool | None
    note: str = ""
    bound: str = "at least"


@dataclass(frozen=True)
class Rival:
    """How the model does against the served one on the images that both were measured on.

    Attributes:
        images: How many.
        difference: mIoU of this model less that of the served one, on these images.
        low, high: Interval of the difference by paired bootstrap.
        confidence: Of the interval.
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
    rival: Rival | str | None = None,
    common: int | None = None,
) -> dict[str, Any]:
    """Check an evaluation against the recipe's demands and the model that is served.

    Args:
        metrics: What metrics.json holds.
        demands: {figure, as pipeline.evaluation.metric_names has it: bound}.
        max_miou_drop: How far mIoU may be under that of the served model; None: no such demand.
        served: metrics of the served model, as its segline.json holds them; None where none is served.
        refuse_significant_drop: Whether mIoU must not be under the served model's by more than noise.
        rival: The comparison for that, or why there is none.
        common: Images that the served model was measured on too; None where it does not say on which.

    Returns:
        {"passed": bool, "checks": [{"check", "required", "received", "passed", "note", "bound"}, ...], "note": str}. A
        check that does not apply has `passed` None and does not count; a figure that is missing fails.
    """
    figures = metric_names.flat(metrics)
    groups = [slice_["group"] for slice_ in metrics.get("slices", ())]
    checks = [
        _demand(name, bound, figures.get(name), _unknown(name, figures, groups)) for name, bound in demands.items()
    ]
    apart = _apart(metrics, served)
    if max_miou_drop is not None:
        checks.append(_not_worse(metrics, served, max_miou_drop, apart, common))
    if refuse_significant_drop:
        checks.append(_not_beyond_noise(rival, apart))
    return {
        "passed": all(check.passed is not False for check in checks),
        "checks": [asdict(check) for check in checks],
        "note": _how(metrics),
    }


def require_passed(verdict: Mapping[str, Any]) -> None:
    """Raise GateError, which names every failed check, unless the verdict is that the model may be served."""
    if not verdict["passed"]:
        failed = "\n".join(lines(verdict))
        raise GateError(
            f"The gate did not pass, so the model is not exported:\n{failed}\n"
            "The report shows where the model fails. Train a better one, or\n"
            "change the demand under `evaluate` in the recipe."
        )


def summary(verdict: Mapping[str, Any]) -> list[str]:
    """Return lines for the terminal: the outcome, each check that failed, and why one does not apply."""
    if not verdict["checks"]:
        return ["passed (the recipe demands nothing)"]
    if verdict["passed"]:
        applied = sum(check["passed"] is True for check in verdict["checks"])
        return [f"passed ({applied} of {len(verdict['checks'])} checks apply)", *unapplied(verdict)]
    return ["failed", *lines(verdict), *unapplied(verdict)]


def failures(verdict: Mapping[str, Any]) -> list[str]:
    """Say of each check of a verdict that failed, in one line, what was required and what was received."""
    return [
        f"{check['check']}: required {check['bound']} {number(check['required'])}, received {number(check['received'])}"
        + (f" ({check['note']})" if check["note"] else "")
        for check in verdict["checks"]
        if check["passed"] is False
    ]


def lines(verdict: Mapping[str, Any]) -> list[str]:
    """Give `failures` for the terminal: indented, of at most 70 columns, so that a step's name fits before them."""
    return _indented(failures(verdict))


def unapplied(verdict: Mapping[str, Any]) -> list[str]:
    """Say of each check that does not apply why, as `lines` does; that no model is served yet goes without saying."""
    told = [check for check in verdict["checks"] if check["passed"] is None and check["note"] != NONE_SERVED]
    return _indented(f"{check['check']}: does not apply: {check['note']}" for check in told)


def _indented(told: Iterable[str]) -> list[str]:
    wrapped = [textwrap.wrap(line, 68, subsequent_indent="  ") for line in told]
    return [f"  {line}" for part in wrapped for line in part]


def _unknown(name: str, figures: Collection[str], groups: Sequence[str]) -> str:
    """Say that an evaluation has no such figure; nothing where it has."""
    if name in figures:
        return ""
    told = "there is no such figure in this evaluation"
    return f"{told}; its groups: {_short(groups)}" if name.startswith("slice/") else told


def _demand(name: str, bound: float, received: float | None, note: str) -> Check:
    """Hold a figure against its bound."""
    title = "mIoU" if name == "miou" else name
    if metric_names.at_most(name):
        passed = received is not None and math.isfinite(received) and received <= bound
        return Check(title, bound, received, passed, note, "at most")
    return _at_least(title, bound, received, note)


def _at_least(check: str, required: float, received: float | None, note: str = "") -> Check:
    passed = received is not None and math.isfinite(received) and received >= required
    return Check(check, required, received, passed, note)


def _apart(metrics: Mapping[str, Any], served: Mapping[str, Any] | None) -> str | None:
    """Say why the served model cannot be compared with; None where it can."""
    if served is None:
        return NONE_SERVED
    for key, name in {"dataset": "dataset", "split": "split", "classes": "class list"}.items():
        if served.get(key) != metrics[key]:
            return f"the served model was measured on another {name}: {_short(served.get(key))}"
    if (served.get("inference") or {}) != (metrics.get("inference") or {}):
        return "the served model was measured with other evaluate.inference, scales or flip"
    return "the served model says nothing of its mIoU" if served.get("miou") is None else None


def _not_worse(
    metrics: Mapping[str, Any],
    served: Mapping[str, Any] | None,
    drop: float,
    apart: str | None,
    common: int | None,
) -> Check:
    """Demand at least the served model's mIoU less `drop`, where both were measured on the same thing."""
    check = "mIoU against the served model"
    if apart or served is None:
        return Check(check, None, metrics["miou"], None, apart or "")
    note = f"served: {number(served['miou'])}; at most {drop:g} less is allowed"
    counts = {served.get("images"), metrics["images"], metrics["images"] if common is None else common}
    if len(counts) > 1:
        note += f"; it was measured on {served.get('images')} images, this one on {metrics['images']}"
        note += "" if common is None else f", {common} of them the same"
    # Rounded so that 0.62 - 0.02 asks for 0.6, not for 0.6 and a binary fraction more.
    return _at_least(check, round(served["miou"] - drop, 9), metrics["miou"], note)


def _not_beyond_noise(rival: Rival | str | None, apart: str | None) -> Check:
    """Demand that the interval of the difference to the served model reaches 0."""
    check = "mIoU not worse than the served model's by more than noise"
    if apart or rival is None or isinstance(rival, str):
        reason = rival if isinstance(rival, str) else None
        return Check(check, None, None, None, apart or reason or "the served model keeps no counts of its images")
    note = (
        f"difference {rival.difference:+.4f}, {rival.confidence:.0%} interval {rival.low:+.4f} to {rival.high:+.4f}, "
        f"paired bootstrap over {rival.images} images; its upper end must reach 0"
    )
    return _at_least(check, 0.0, rival.high, note)


def _how(metrics: Mapping[str, Any]) -> str:
    """Say where the figures are not those of what export serves."""
    if not metrics.get("inference"):
        return ""
    return (
        "Measured with evaluate.inference, scales or flip; what is exported looks at the whole image once and may do "
        "a little worse."
    )


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
