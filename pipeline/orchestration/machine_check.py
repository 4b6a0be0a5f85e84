"""What a recipe asks of this machine: devices and optional libraries. Imports TensorFlow only for GPUs."""

import os
from collections.abc import Callable, Collection

from models import libraries
from models.errors import ModelError
from pipeline.cluster import device_rules, members
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EVALUATE, EXPORT, TRAIN
from pipeline.config.train import TrainConfig
from pipeline.console.quiet import quiet
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.orchestration import mlflow_log


def problems(recipe: Recipe, steps: Collection[str]) -> list[str]:
    """Return what this machine lacks for these steps of a recipe."""
    checks: list[Callable[[], object]] = [lambda: mlflow_log.require(recipe)]
    if TRAIN in steps:
        checks.append(lambda: _require_training_devices(recipe.train))
    if EVALUATE in steps:
        checks.append(lambda: _require_evaluation_devices(recipe.evaluate.strategy))
    if EXPORT in steps:
        checks.append(lambda: libraries.require(recipe.export.formats))
    found: list[str] = []
    for check in checks:
        try:
            check()
        except (UserError, ModelError) as error:
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


def _require_training_devices(train: TrainConfig) -> None:
    """Raise UserError unless the devices here allow the training. Other workers are not asked: they may be at work."""
    if members.resolve(train.strategy, os.environ):
        return
    if not _has_gpus() and train.communication.all_reduce != "nccl":
        device_rules.require_cpu_allowed(train.strategy, "train.strategy")
        return
    with quiet():
        from pipeline.cluster import devices
    devices.training_strategy(train)


def _require_evaluation_devices(strategy: str) -> None:
    key = "evaluate.strategy"
    if strategy in members.CLUSTERED:
        members.resolve(strategy, os.environ, key=key)
    if not _has_gpus():
        device_rules.require_cpu_allowed(strategy, key)


def _has_gpus() -> bool:
    """Return whether TensorFlow may find a GPU: without NVIDIA's driver it finds none."""
    try:
        return bool(machine.gpus())
    except OSError:
        return True  # the driver is there and does not answer: TensorFlow says what that means
