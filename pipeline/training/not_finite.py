"""The error, and its record in a file, for a step whose loss, gradient or weights are not finite."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.workspace import json_file

FILE = "not_finite.json"

NAMES = {"loss": "loss", "gradient_norm": "norm of the gradient", "weight_norm": "norm of the weights"}
"""Figures that may not be finite; the error names the first."""


def error(
    folder: Path | None, figures: Mapping[str, float], where: Mapping[str, int], rate: float, ids: Sequence[str]
) -> UserError:
    """Write not_finite.json and return the error that names it.

    Args:
        folder: Folder of the train step, which stays until the training is complete; None: another worker writes it.
        figures: The figures of the step (see train_step.Figures).
        where: {"epoch", "step", "of"}: its epoch and its step in the epoch, both from 1, and the epoch's steps.
        rate: Its learning rate.
        ids: Ids of the images in its batch.
    """
    place = folder / FILE if folder else FILE
    if folder:
        texts = {name: str(value) for name, value in figures.items() if name != "finite"}  # JSON has no NaN
        json_file.write(folder / FILE, {**where, "learning_rate": rate, "figures": texts, "images": list(ids)})
    wrong = next(name for name in NAMES if not math.isfinite(figures.get(name, 0.0)))
    shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    return UserError(
        f"The {NAMES[wrong]} became {figures[wrong]} at epoch {where['epoch']}, step {where['step']} of {where['of']}, "
        f"at learning rate {rate:.3g}, with the images {shown or '(not known)'}: see {place}. "
        "Nothing after the last checkpoint is kept. Lower train.learning_rate (try a tenth), set train.clip_norm "
        "(try 1), or lengthen train.warmup_epochs; with train.precision 'mixed_float16', try 'mixed_bfloat16'."
    )
