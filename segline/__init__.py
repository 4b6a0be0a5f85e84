"""Segline from Python: `import segline`. The same functions as the command `segline`, with results to look at.

    run = segline.run("demo", set={"train.epochs": 2})
    run.metrics["miou"]
    run.model.predict("photo.jpg").overlay

Nothing heavy is imported before it is needed. In a notebook every result shows itself: tables, curves, pictures and
the report. What a command reports as an error is raised as `segline.Error`, with the same sentences.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.host import foreign_packages
from segline.errors import Error, sentences
from segline.runs import Run, Sweep
from segline.tables import Metrics, Table

if TYPE_CHECKING:
    from segline.predictor import Model, Prediction
    from segline.start import Start

__all__ = [
    "Error",
    "Metrics",
    "Model",
    "Prediction",
    "Run",
    "Start",
    "Sweep",
    "Table",
    "datasets",
    "init",
    "load",
    "recipes",
    "run",
    "runs",
    "sample",
    "sweep",
]

for _message in foreign_packages.messages():  # else some later import of Segline fails without a word on the reason
    raise ImportError(_message)

Location = str | os.PathLike[str]


def datasets() -> Table:
    """Return the datasets that Segline reads, a row each: configuration, classes, published images, licence."""
    from datasets import catalog

    rows: list[dict[str, Any]] = []
    for name in catalog.names():
        if catalog.takes_layout(name):
            rows.append({"dataset": name, "licence": "your own images, by a layout that segline.init writes"})
            continue
        for config in catalog.configs(name):
            spec = catalog.spec(name, config)
            sizes = spec.split_sizes
            images = {"images": sum(sizes.values())} if sizes else {}
            of_config = {"dataset": name, "data.config": config, "classes": spec.num_classes}
            rows.append({**of_config, **images, "licence": spec.licence, "homepage": spec.homepage})
    return Table(rows, "Datasets: data.name and data.config of a recipe")


def recipes() -> Table:
    """Return the recipes that come with Segline, a row each: its name and what it does."""
    from pipeline.config import recipe_file

    rows = [{"recipe": name, "what it does": recipe_file.headline(name)} for name in recipe_file.names()]
    return Table(rows, "Recipes")


def sample(
    dataset: str,
    out: Location,
    *,
    count: int = 80,
    seed: int = 0,
    config: str | None = None,
    size: tuple[int, int] | None = None,
) -> Path:
    """Draw scenes with exact masks in a dataset's own layout, as `segline sample` does; return the folder.

    Args:
        dataset: Such as "camvid"; see `datasets`.
        out: Folder to create.
        count: Number of scenes over all splits.
        seed: Same seed, same scenes.
        config: Configuration whose layout is written; None: the first.
        size: Height and width, pixels; None: those of the dataset.

    Raises:
        Error: There is no such dataset or configuration, or the folder holds other data.
    """
    with sentences():
        from datasets import catalog

        catalog.sample(dataset).write(Path(out), count=count, seed=seed, config=config, size=size)
    return Path(out)


def init(
    folder: Location,
    *,
    recipe: Location | None = None,
    layout: Location | None = None,
    budget: str | None = None,
    force: bool = False,
) -> "Start":
    """Guess how a folder of images and masks is laid out; write the layout, a first recipe and a sheet to look at.

    Args:
        folder: Folder of images and masks.
        recipe: The recipe to write; None: <folder's name>.yaml in the working directory.
        layout: The layout to write; None: segline.yaml in `folder`.
        budget: Time of the training for which the recipe is planned, such as "30m"; None: it fits the sizes only.
        force: Overwrite existing files.

    Returns:
        What was written. `run` takes it in place of a recipe.

    Raises:
        Error: The folder is not enough to guess from, or a file exists or cannot be written.
    """
    from segline import start

    with sentences():
        return start.init(Path(folder), recipe, layout, budget, force=force)


def run(
    recipe: Location,
    set: Mapping[str, Any] | None = None,
    *,
    workspace: Location | None = None,
    until: str | None = None,
    rerun: Sequence[str] = (),
    wait: bool = True,
    verify: bool = False,
) -> Run:
    """Reuse or run every step of a recipe, as `segline run` does, and print the progress.

    Each step is a process of its own, so that no memory and no GPU stays in use here.

    Args:
        recipe: Name of a recipe that `recipes` lists, path of a YAML file, or what `init` returned.
        set: Settings of the recipe that are changed, {"train.epochs": 5}.
        workspace: Folder for all results; None: $SEGLINE_WORKSPACE, or ./workspace.
        until: Last step; None: all, from "ingest" to "export".
        rerun: Steps that run even if their result could be reused.
        wait: Wait for another run that makes the same result; otherwise that is an error.
        verify: Read results that are used again in full, not only files that have changed.

    Raises:
        Error: The recipe, its data or the machine do not allow it, or the gate did not pass. If the run had begun,
            its results up to there are in `run` of the error.
        KeyboardInterrupt: It was interrupted; the same call resumes it.
    """
    from segline import work

    return work.run(recipe, set or {}, workspace, until=until, rerun=rerun, wait=wait, verify=verify)


def runs(workspace: Location | None = None) -> Table:
    """Return the runs of a workspace, newest first, a row each; `Run(name)` opens one, also by a name's beginning.

    Raises:
        Error: Nothing has run there.
    """
    from segline import work

    return work.runs(workspace)


def sweep(
    recipe: Location,
    grid: Mapping[str, Sequence[Any] | str],
    set: Mapping[str, Any] | None = None,
    *,
    by: str = "miou",
    workspace: Location | None = None,
    sample: int | None = None,
    seed: int = 0,
    halving: int | None = None,
) -> Sweep:
    """Run a recipe with combinations of some settings, as `segline sweep` does; nothing is promoted.

    Args:
        recipe: As for `run`.
        grid: Values of each setting, {"train.learning_rate": [1e-3, 3e-3]}, or with `sample` its range, "1e-4..1e-2".
        set: Settings of every member.
        by: Metric that orders the members, named as for the gate: "miou", "iou/Car" ...
        workspace: As for `run`.
        sample: Run only so many combinations, drawn at random; None: every one.
        seed: Of `sample`.
        halving: Train all a little, then one of `halving` further, and so on; None: all to the end.

    Returns:
        The members, the best first; those that failed have their error.

    Raises:
        Error: Some combination is not valid, or there is no such metric.
        KeyboardInterrupt: It was interrupted; the same call resumes it.
    """
    from segline import work

    return work.sweep(recipe, grid, set or {}, by, workspace, sample=sample, seed=seed, halving=halving)


def load(model: "Location | Run", *, workspace: Location | None = None) -> "Model":
    """Load an exported model.

    Args:
        model: A SavedModel, a folder of versions such as workspace/serving/<name>, a `Run`, or a run's name.
        workspace: Where a run of that name is; as for `run`.

    Raises:
        Error: It is none of these, or the run has exported nothing.
    """
    from segline import predictor

    if not isinstance(model, Run) and not Path(model).exists() and len(Path(model).parts) == 1:
        model = Run(str(model), workspace=workspace)
    with sentences():
        return predictor.load(model.exported if isinstance(model, Run) else Path(model))


def __getattr__(name: str) -> Any:
    """Import the classes of results that need a library: `segline.Model`, `segline.Prediction`, `segline.Start`."""
    if name in ("Model", "Prediction"):
        from segline import predictor

        return getattr(predictor, name)
    if name == "Start":
        from segline.start import Start

        return Start
    raise AttributeError(f"module 'segline' has no attribute {name!r}")
