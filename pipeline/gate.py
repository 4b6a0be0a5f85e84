"""The gate: may a model that was evaluated be served? Pure functions of metrics; nothing is read or written."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One demand on a model and what came of it.

    Attributes:
        check: What is demanded, in words.
        required: Least value that passes; None where the check does not apply.
        received: Value of the evaluated model; None where it has none.
        passed: True, False, or None where the check does not apply.
        note: What one should know: why it does not apply, or what it compares with.
    """

    check: str
    required: float | None
    received: float | None
    passed: bool | None
    note: str = ""


def judge(
    metrics: Mapping[str, Any],
    *,
    min_miou: float | None,
    max_miou_drop: float | None,
    served: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Check an evaluation against the recipe's demands and the model that is served.

    Args:
        metrics: What metrics.json holds.
        min_miou: Least mIoU, 0..1; None: no such demand.
        max_miou_drop: How far mIoU may be under that of the served model; None: no such demand.
        served: metrics of the served model, as its segline.json holds them; None where none is served.

    Returns:
        {"passed": bool, "checks": [{"check", "required", "received", "passed", "note"}, ...]}. A check that does not
        apply has `passed` None and does not count; a metric that is missing fails.
    """
    checks = []
    if min_miou is not None:
        checks.append(_at_least("mIoU", min_miou, metrics["miou"]))
    if max_miou_drop is not None:
        checks.append(_not_worse(metrics, served, max_miou_drop))
    return {
        "passed": all(check.passed is not False for check in checks),
        "checks": [asdict(check) for check in checks],
    }


def failures(verdict: Mapping[str, Any]) -> list[str]:
    """Say of each check of a verdict that failed, in one line, what was required and what was received."""
    return [
        f"{check['check']}: required at least {number(check['required'])}, received {number(check['received'])}"
        + (f" ({check['note']})" if check["note"] else "")
        for check in verdict["checks"]
        if check["passed"] is False
    ]


def number(value: float | None) -> str:
    """Write a metric with four digits; `n/a` where there is none."""
    return "n/a" if value is None else f"{value:.4f}"


def _at_least(check: str, required: float, received: float | None, note: str = "") -> Check:
    passed = received is not None and math.isfinite(received) and received >= required
    return Check(check, required, received, passed, note)


def _not_worse(metrics: Mapping[str, Any], served: Mapping[str, Any] | None, drop: float) -> Check:
    """Demand at least the served model's mIoU less `drop`, where both were measured on the same thing."""
    check = "mIoU against the served model"
    if served is None:
        return Check(check, None, metrics["miou"], None, "no model is served yet")
    for key, name in {"dataset": "dataset", "split": "split", "classes": "class list"}.items():
        if served.get(key) != metrics[key]:
            note = f"the served model was measured on another {name}: {_short(served.get(key))}"
            return Check(check, None, metrics["miou"], None, note)
    if served.get("miou") is None:
        return Check(check, None, metrics["miou"], None, "the served model says nothing of its mIoU")
    note = f"served: {number(served['miou'])}; at most {drop:g} less is allowed"
    if served.get("images") != metrics["images"]:
        note += f"; it was measured on {served.get('images')} images, this one on {metrics['images']}"
    # Rounded so that 0.62 - 0.02 asks for 0.6, not for 0.6 and a binary fraction more.
    return _at_least(check, round(served["miou"] - drop, 9), metrics["miou"], note)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
