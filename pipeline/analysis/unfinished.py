"""The network of a training that is running or was stopped, with the weights of its newest checkpoint."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from models import catalog
from models.auxiliary import without_heads
from pipeline.config.model import ModelConfig
from pipeline.config.step_names import TRAIN
from pipeline.errors import UserError
from pipeline.training.checkpoints import Checkpoints
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

if TYPE_CHECKING:
    import keras


def load(run: RunFolder, workspace: Workspace, config: ModelConfig, num_classes: int) -> tuple["keras.Model", int]:
    """Rebuild the network from a run's newest checkpoint; change nothing, as the training may be running.

    Args:
        run: The run that trains.
        workspace: Its workspace.
        config: The recipe's section `model`.
        num_classes: Channels of its logits.

    Returns:
        The network without auxiliary heads, and the number of training steps that it has done.

    Raises:
        UserError: There is no checkpoint yet, or it cannot be read.
    """
    try:
        newest = Checkpoints(_folder(run, workspace)).peek()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"The newest checkpoint of run {run.id} cannot be read: {error}.") from None
    if newest is None:
        raise UserError(f"The training of run {run.id} has written no checkpoint yet. Wait for one, or run that step.")
    number, checkpoint = newest
    model = catalog.build(config.name, num_classes, catalog.with_random_weights(config.name, config.options))
    for index, variable in enumerate(model.variables):
        array = checkpoint.arrays.get(f"model/{index}")
        if array is None or array.shape != tuple(variable.shape):
            raise UserError(
                f"The newest checkpoint of run {run.id} holds no weights for {variable.path}: another version of "
                "Segline wrote it. Inspect it with that version."
            )
        variable.assign(array)
    return without_heads(model), number


def _folder(run: RunFolder, workspace: Workspace) -> Path:
    """Return the folder of the checkpoints that a run's training writes."""
    store = Store.reading(workspace.store)
    try:
        keys = [row["key"] for row in store.executions(run.id) if row["step"] == TRAIN]
    finally:
        store.close()
    if not keys:
        raise UserError(f"Run {run.id} has no result of step train yet. Run that step first.")
    return workspace.partial(TRAIN, keys[-1]) / "checkpoints"
