"""`segline sweep --halving`: train all members a little, and only the best of them further.

Successive halving (Jamieson and Talwalkar 2016, arXiv:1502.07943) on the runs themselves: a member pauses after some
epochs of its own schedule (`train.pause_epochs`), and the same run continues from its checkpoint if it is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import TRAIN
from pipeline.errors import UserError
from pipeline.training.checkpoints import Checkpoints
from pipeline.workspace import json_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

MEASURED = ("miou", "pixel_accuracy")
"""Metrics that a training's own validation has, beside the IoU of each class."""


@dataclass(frozen=True)
class Rung:
    """A pause of the training: after how many epochs, and how many members continue."""

    epochs: int
    kept: int


def rungs(recipes: Sequence[Recipe], factor: int, by: str) -> list[Rung]:
    """Return the pauses of a sweep.

    Args:
        recipes: Those of its members.
        factor: One of so many members continues after each pause, for so many times the epochs.
        by: Metric that ranks the members.

    Raises:
        UserError: The members cannot be compared at a pause.
    """
    trains = [recipe.train for recipe in recipes]
    if by not in MEASURED and not by.startswith("iou/"):
        raise UserError(
            f"--halving ranks members by a metric of the validation: {', '.join(MEASURED)}, iou/<class>. "
            f"Received: --by {by}."
        )
    if len({train.epochs for train in trains}) > 1 or trains[0].epochs is None:
        raise UserError(
            "--halving compares members after the same number of epochs: set train.epochs, the same for all; not "
            "train.budget, and no --grid train.epochs."
        )
    every = math.lcm(*(train.validate_every for train in trains))
    planned, members = list[Rung](), len(recipes)
    for left in range(math.floor(math.log(members, factor) + 1e-9), 0, -1):
        epochs = every * math.ceil(trains[0].epochs / factor**left / every)
        if epochs < trains[0].epochs:
            members = math.ceil(members / factor)
            planned = [rung for rung in planned if rung.epochs < epochs] + [Rung(epochs, members)]
    return planned


def paused(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe with a pause, which is no part of a fingerprint: its training is the same."""
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"pause_epochs": epochs})})


def value(workspace: Workspace, run: str, by: str, epochs: int) -> float | None:
    """Return the best validation within `epochs` of a run whose training is paused or done; None: there is none."""
    measured = [_of_entry(entry, by) for entry in _history(workspace, run) if entry["epoch"] <= epochs]
    return max((number for number in measured if number is not None), default=None)


def _of_entry(entry: dict[str, Any], by: str) -> float | None:
    if by in MEASURED:
        number: float | None = entry[by]
        return number
    return (entry["per_class_iou"] or {}).get(by.removeprefix("iou/"))


def _history(workspace: Workspace, run: str) -> list[dict[str, Any]]:
    """Return the epochs of a training: of its result, or of the newest checkpoint."""
    folder = RunFolder(workspace.run(run))
    if (folder.path / TRAIN).is_dir():
        history: list[dict[str, Any]] = json_file.read(folder.artifact(TRAIN) / "history.json")
        return history
    store = Store.reading(workspace.store)
    keys = [row["key"] for row in store.executions(run) if row["step"] == TRAIN]
    store.close()
    newest = Checkpoints(workspace.partial(TRAIN, keys[-1]) / "checkpoints").peek() if keys else None
    return list(newest[1].state["history"]) if newest else []
