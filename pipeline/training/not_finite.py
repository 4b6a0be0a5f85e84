"""A step after which the weights are no numbers: what is said, and what is written down of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import UserError
from pipeline.workspace import json_file

FILE = "not_finite.json"

WHAT = {"loss": "loss", "gradient_norm": "length of the gradient", "weight_norm": "length of the weights"}
"""What may be no number, in the order in which it is told."""


def error(
    folder: Path | None, figures: Mapping[str, float], where: Mapping[str, int], rate: float, ids: Sequence[str]
) -> UserError:
    """Write not_finite.json and give the error that names it.

    Args:
        folder: Folder of the train step, which stays until the training is done; None: another worker writes there.
        figures: What the step gave.
        where: Its epoch and its step in the epoch, both from 1, and the epoch's steps.
        rate: Its learning rate.
        ids: Images of its batch.
    """
    place = folder / FILE if folder else FILE
    told = {name: str(value) for name, value in figures.items() if name != "finite"}
    if folder:
        json_file.write(folder / FILE, {**where, "learning_rate": rate, "figures": told, "images": list(ids)})
    wrong = next(name for name in WHAT if not math.isfinite(figures.get(name, 0.0)))
    shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
    return UserError(
        f"The {WHAT[wrong]} became {figures[wrong]} at epoch {where['epoch']}, step {where['step']} of {where['of']}, "
        f"at learning rate {rate:.3g}, with the images {shown or '(not known)'}: see {place}. "
        "Nothing after the last checkpoint is kept. Lower train.learning_rate (try a tenth), set train.clip_norm "
        "(try 1), or lengthen train.warmup_epochs; with train.precision 'mixed_float16', try 'mixed_bfloat16'."
    )
