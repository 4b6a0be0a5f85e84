"""Load a recipe to run it: read, and checked against the weights it names and the classes of its data."""

from collections.abc import Sequence
from pathlib import Path

from datasets.errors import DatasetError
from models import catalog
from models.errors import ModelError
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.evaluation import evaluation_check


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply overrides of the form "a.b=value", the value written as in YAML.

    >>> load_recipe("demo", ["train.epochs=2"]).train.epochs
    2

    Args:
        recipe: Name of a recipe that comes with Segline, or path of a YAML file.
        overrides: Settings in the form of --set.

    Raises:
        UserError: The recipe is not found, is no YAML, holds settings that are not allowed, names weights that are not
            there, or its evaluation does not fit the dataset's classes; all are listed.
    """
    path = recipe_file.find(recipe)
    loaded = recipe_file.read(path, overrides)
    _require_weights(path, loaded)
    _require_fitting_evaluation(path, loaded)
    return loaded


def _require_weights(path: Path, recipe: Recipe) -> None:
    """Check that the weights files which the recipe names exist."""
    try:
        catalog.require_weights(recipe.model.name, recipe.model.options)
        recipe.train.files()
    except ModelError as error:
        raise UserError(f"{path}: model: {error}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _require_fitting_evaluation(path: Path, recipe: Recipe) -> None:
    """Check the evaluate section against the dataset's classes."""
    try:
        spec = recipe.data.spec()
    except DatasetError:
        return  # a layout that is missing or wrong is reported with the raw files
    problems = evaluation_check.problems(recipe.evaluate, spec)
    if problems:
        raise UserError("\n".join([f"{path}: `evaluate` does not fit the data.", *(f"  {line}" for line in problems)]))
