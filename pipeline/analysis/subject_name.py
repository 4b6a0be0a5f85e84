"""What `segline inspect MODEL` means: a run, a SavedModel, a recipe or a network. Imports no TensorFlow."""

from pathlib import Path

from models import catalog
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import EXPORT
from pipeline.errors import UserError
from pipeline.export import model_folder
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, read_seal

Meaning = RunFolder | Path | Recipe | str
"""A run; the folder of a SavedModel; a recipe; the name of a network in models.catalog."""


def find(model: str, workspace: Workspace) -> Meaning:
    """Find out what a name or a path means.

    Args:
        model: A SavedModel exported by Segline, or a folder of its versions; a run, by its folder, its name or the
            beginning of its name; the artifact of a train step; a recipe; or a network.
        workspace: Where runs are searched.

    Raises:
        UserError: It is none of these, or the beginning of several runs.
        ModelError: It is no name of anything; the text names the nearest network.
    """
    path = Path(model)
    if (path / SEAL).is_file():
        return path / "saved_model" if read_seal(path)["step"] == EXPORT else _run_of(path)
    if (path / "recipe.yaml").is_file():
        return RunFolder(path)
    if path.is_dir():
        model_folder.require(path)
        return model_folder.newest_version(path)
    if model in catalog.names():
        return model
    if model in recipe_file.names() or path.is_file():
        return load_recipe(model)
    if len(path.parts) > 1:
        raise UserError(
            f"{model!r} is no folder. Give a SavedModel, a run, a training's artifact, a recipe, or a network's name."
        )
    if run := run_named(model, workspace):
        return run
    catalog.check(model, {})
    return model


def run_named(name: str, workspace: Workspace) -> RunFolder | None:
    """Return the run of this name, or the only one whose name begins with it; None where there is none."""
    known = sorted(path.parent.name for path in (workspace.root / "runs").glob("*/recipe.yaml"))
    matches = [name] if name in known else [run for run in known if run.startswith(name)]
    if len(matches) > 1:
        raise UserError(f"{len(matches)} runs begin with {name!r}: {', '.join(matches[:5])} ...")
    return RunFolder(workspace.run(matches[0])) if matches else None


def _run_of(artifact: Path) -> RunFolder:
    """Return the run that made an artifact."""
    return RunFolder(artifact.resolve().parents[2] / "runs" / str(read_seal(artifact)["run"]))
