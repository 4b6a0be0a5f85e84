"""Build the model before ingest, so that bad weights fail early.

    python -P -m pipeline.orchestration.network_check RUN_FOLDER

builds it in a process of its own, so that nothing of TensorFlow stays in memory while the data is read.
"""

import argparse
import sys
from pathlib import Path

from datasets.errors import DatasetError
from models import catalog
from models.errors import ModelError
from pipeline.config.recipe import Recipe
from pipeline.console import json_lines
from pipeline.console.quiet import quiet
from pipeline.console.terminal import wrapped
from pipeline.errors import Interrupted, UserError
from pipeline.orchestration.child_process import run_module
from pipeline.workspace.run_folder import RunFolder

NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
"""Building needs no GPU, and is faster without one."""


def require(recipe: Recipe, run: RunFolder) -> None:
    """Build the model in a process of its own, unless the recipe already shows that it can be built.

    Raises:
        ChildError: It cannot be built. That process has printed why, and so has the run's log.
    """
    if needed(recipe):
        run_module(__name__, str(run.path), environment=NO_GPU)


def needed(recipe: Recipe) -> bool:
    """Return whether weights must be fetched or read, or layers looked up by name."""
    begun = catalog.initial_weights(recipe.model.name, recipe.model.options)
    given = recipe.train.begin_with is not None or any(weights != "random" for weights in begun)
    return given or bool(recipe.train.tensorboard.inspect)


def look(recipe: Recipe) -> None:
    """Build the network, and print how large it is.

    Raises:
        ModelError: Its weights are not available or belong to another network, or a named layer does not exist.
        DatasetError: The layout of the data, which says how many classes there are, is missing or wrong.
    """
    classes = recipe.data.spec().num_classes
    with quiet():
        from models import inspect
        from pipeline.training import initial_weights
    model, begun = initial_weights.build(recipe, classes)
    for layer in recipe.train.tensorboard.inspect:
        inspect.find(model, layer)
    print(f"model     {recipe.model.name}: {model.count_params() / 1e6:.1f} million weights")
    if begun:
        print(wrapped(f"model     {begun}"))


def main(run: str) -> int:
    """Build the network of a run and report errors as `segline run` does; return the exit code."""
    folder = RunFolder(Path(run))
    with json_lines.if_requested(argparse.Namespace(log_json=False, command_name="run", run=folder.id)):
        return _code(folder)


def _code(folder: RunFolder) -> int:
    try:
        with folder.logging():
            look(folder.recipe())
    except DatasetError:
        return 0  # reported with the raw files
    except ModelError as error:
        folder.log(f"segline: model: {error}")
        print(wrapped(f"segline: model: {error}"), file=sys.stderr)
        return UserError.exit_code
    except KeyboardInterrupt:
        print("segline: interrupted. The same command resumes from here.", file=sys.stderr)
        return Interrupted.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
