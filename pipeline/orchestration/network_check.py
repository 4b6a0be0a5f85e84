"""Can the network be built, with the weights that it begins with? Asked before data is read: later would be late.

    python -P -m pipeline.orchestration.network_check RUN_FOLDER

asks in a process of its own, so that nothing of TensorFlow is left when the data is read.
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
"""A network is built as well without one, and sooner."""


def require(recipe: Recipe, run: RunFolder) -> None:
    """Ask in a process of its own, where the recipe alone cannot tell.

    Raises:
        ChildError: It cannot be built. That process has said why, and so has the run's log.
    """
    if needed(recipe):
        run_module(__name__, str(run.path), environment=NO_GPU)


def needed(recipe: Recipe) -> bool:
    """Whether weights have to be fetched or read, or layers looked up by their names."""
    begun = catalog.initial_weights(recipe.model.name, recipe.model.options)
    given = recipe.train.begin_with is not None or any(weights != "random" for weights in begun)
    return given or bool(recipe.train.tensorboard.inspect)


def look(recipe: Recipe) -> None:
    """Build the network, and print how large it is.

    Raises:
        ModelError: Its weights cannot be had or are of another network, or it has no layer that the recipe names.
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
    """Look at the network of a run, and say what is wrong with it as `segline run` would; give the exit code."""
    folder = RunFolder(Path(run))
    with json_lines.where_asked(argparse.Namespace(log_json=False, command_name="run", run=folder.id)):
        return _code(folder)


def _code(folder: RunFolder) -> int:
    try:
        with folder.logging():
            look(folder.recipe())
    except DatasetError:
        return 0  # told with the raw files
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
