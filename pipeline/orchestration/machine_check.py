"""What a recipe asks of this machine: devices and optional libraries. Imports TensorFlow only for GPUs."""

import os
from collections.abc import Collection

from models import libraries
from models.errors import ModelError
from pipeline.cluster import device_rules, members
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE, EXPORT, TRAIN
from pipeline.console.quiet import quiet
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.orchestration import mlflow_log


def problems(recipe: Recipe, steps: Collection[str]) -> list[str]:
    """Return what this machine lacks for these steps of a recipe."""
    found: list[str] = []
    try:
        if TRAIN in steps:
            _require_devices(recipe)
        if EVALUATE in steps and not _has_gpus():
            device_rules.require_cpu_allowed(recipe.evaluate.strategy, "evaluate.strategy")
    except UserError as error:
        found.append(str(error))
    try:
        mlflow_log.require(recipe)
    except UserError as error:
        found.append(str(error))
    try:
        if EXPORT in steps:
            libraries.require(recipe.export.formats)
    except ModelError as error:
        found.append(str(error))
    return found


def require(recipe: Recipe, steps: Collection[str]) -> None:
    """Raise UserError, naming everything, if this machine lacks something for these steps of a recipe."""
    if found := problems(recipe, steps):
        raise UserError("\n".join(found))


def describe() -> str:
    """Describe this machine's devices in one line, such as "4 x NVIDIA H100" or "2 CPU cores"."""
    if not _has_gpus():
        return device_rules.describe_cpu()
    with quiet():
        from pipeline.cluster import devices
    return devices.describe()


def _require_devices(recipe: Recipe) -> None:
    """Raise UserError unless the recipe can be trained on the devices here."""
    cluster = members.resolve(recipe.train.strategy, os.environ)
    if cluster is None and not _has_gpus():
        device_rules.require_cpu_allowed(recipe.train.strategy, "train.strategy")
        return
    with quiet():
        from pipeline.cluster import devices
    devices.training_strategy(recipe.train)


def _has_gpus() -> bool:
    """Return whether TensorFlow may find a GPU: without NVIDIA's driver it finds none."""
    try:
        return bool(machine.gpus())
    except OSError:
        return True  # the driver is there and does not answer: TensorFlow says what that means
