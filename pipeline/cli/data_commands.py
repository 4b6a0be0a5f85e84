"""Commands that look into datasets or write them: browse, init, tune, sample."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.commands import Commands
from pipeline.config.step_names import INGEST

if TYPE_CHECKING:
    from pipeline.config.recipe import Recipe


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add(
        "browse", browse_dataset, "write contact sheets and statistics of a dataset", "settings workspace"
    )
    parser.add_argument(
        "recipe", metavar="RECIPE|DATASET", help="a recipe, or a dataset with --set data.manual_dir=DIR"
    )
    parser.add_argument("--split", metavar="S", help="default: train")
    parser.add_argument(
        "--class", metavar="C", dest="class_name", help="only images with this class, largest share first"
    )
    parser.add_argument("--augmented", action="store_true", help="show each image as augmented in the first epochs")
    parser.add_argument("--count", metavar="N", type=int, default=24, help="number of images (default: 24)")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder")

    parser = commands.add(
        "init", initialise_folder, "detect the layout of an image folder; write it and a recipe", "dry_run"
    )
    parser.add_argument("folder", metavar="PATH", type=Path, help="folder with images and masks")
    parser.add_argument("--out", metavar="FILE", type=Path, help="layout file to write (default: PATH/segline.yaml)")
    parser.add_argument("--recipe", metavar="FILE", type=Path, help="recipe to write (default: <name of PATH>.yaml)")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument("--budget", metavar="TIME", help="plan the recipe for a training of this time, such as 30m")

    parser = commands.add("tune", tune_recipe, "plan a recipe for its data, this machine and a time", "recipe dry_run")
    parser.add_argument("--budget", metavar="TIME", required=True, help="time of the training, such as 30m")
    parser.add_argument("--out", metavar="FILE", type=Path, help="recipe to write (default: <recipe>_tuned.yaml)")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")

    parser = commands.add("sample", write_sample, "generate sample images in a dataset's raw layout", "dry_run")
    parser.add_argument("dataset", metavar="DATASET", help="such as camvid")
    parser.add_argument("--config", metavar="NAME", help="configuration of the dataset (default: its first)")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder")
    parser.add_argument("--count", metavar="N", type=int, default=80, help="number of scenes (default: 80)")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="same seed, same scenes (default: 0)")


def browse_dataset(options: argparse.Namespace) -> int:
    """Bring the records up to date and draw their examples."""
    from functools import partial

    from pipeline.cli import output_paths
    from pipeline.cluster.members import is_helper
    from pipeline.console.quiet import quiet
    from pipeline.data import browser
    from pipeline.errors import UserError
    from pipeline.orchestration.run_command import bring_up_to_date, open_workspace
    from pipeline.workspace.run_folder import RunFolder

    if options.count < 1:
        raise UserError(f"--count must be at least 1. Received: {options.count}.")
    output_paths.require_folder(options.out)
    recipe, workspace = _browsed_recipe(options), open_workspace(options.workspace)
    run = workspace.new_run_id(recipe.name)
    code = bring_up_to_date(workspace, recipe, until=INGEST, run_id=run)
    if code or is_helper(recipe.train.strategy, os.environ):
        return code
    ingest = RunFolder.open(workspace, run).artifact(INGEST)
    augmented = None
    if options.augmented:
        with quiet():
            from pipeline.data.augmentation_preview import drawing
        augmented = partial(drawing, ingest, recipe.input, recipe.train.seed)
    lines = browser.browse(
        ingest,
        options.out,
        split=options.split,
        class_name=options.class_name,
        count=options.count,
        augmented=augmented,
    )
    print("\n" + "\n".join(lines))
    return 0


def _browsed_recipe(options: argparse.Namespace) -> "Recipe":
    """Load the recipe; for the name of a dataset, one with only its data section."""
    import tempfile

    from datasets import catalog
    from pipeline.config import recipe_file
    from pipeline.errors import UserError
    from pipeline.orchestration.recipe_loader import load_recipe

    if options.recipe not in catalog.names():
        return load_recipe(options.recipe, options.set)
    if options.augmented:
        raise UserError(f"--augmented shows what a recipe does, and {options.recipe!r} is a dataset. Give a recipe.")
    if not any(setting.startswith("data.manual_dir=") for setting in options.set):
        raise UserError(f"{options.recipe!r} is a dataset. Name its folder of raw files: --set data.manual_dir=DIR.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{options.recipe}.yaml")
        path.write_text(  # a recipe has a model and a training; neither is used
            f"data: {{name: {options.recipe}}}\nmodel: {{name: fast}}\n"
            "train: {epochs: 1, batch_size: 1, learning_rate: 1.0e-3}\n",
            encoding="utf-8",
        )
        return recipe_file.read(path, options.set)


def initialise_folder(options: argparse.Namespace) -> None:
    """Detect the layout of a folder of images and masks; write the layout and a recipe."""
    from pipeline.data.initialisation import initialise

    lines = initialise(
        options.folder,
        options.out,
        options.recipe,
        force=options.force,
        dry_run=options.dry_run,
        budget=_seconds(options.budget) if options.budget else None,
        measure=_measure,
    )
    print("\n".join(lines))


def tune_recipe(options: argparse.Namespace) -> None:
    """Plan the sections input, model and train of a recipe for its data, this machine and a time."""
    from pipeline.data import planning
    from pipeline.errors import UserError
    from pipeline.orchestration.recipe_loader import load_recipe

    recipe, budget = load_recipe(options.recipe, options.set), _seconds(options.budget)
    out = options.out or Path(f"{recipe.name}_tuned.yaml")
    if out.exists() and not (options.force or options.dry_run):
        raise UserError(f"{out}: exists already. --force overwrites it; --out names another file.")
    text = planning.tune(recipe, budget, _measure)
    if options.dry_run:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}. Choose another with --out.") from None
    print(f"Wrote {out}: each setting has its reason beside it. Next: segline run {out}")


def _seconds(text: str) -> float:
    from pipeline.config.duration import parse_seconds
    from pipeline.errors import UserError

    try:
        return parse_seconds(text)
    except ValueError as error:
        raise UserError(f"--budget {error}") from None


def _measure(recipe: "Recipe", num_classes: int) -> float:
    from pipeline.training.step_probe import megapixels_per_second

    return megapixels_per_second(recipe, num_classes)


def write_sample(options: argparse.Namespace) -> None:
    """Generate sample images in a dataset's raw layout."""
    from datasets import catalog

    splits = catalog.sample(options.dataset).write(
        options.out, count=options.count, seed=options.seed, config=options.config, dry_run=options.dry_run
    )
    print(f"{options.out}: {', '.join(f'{split} {count}' for split, count in splits.items())} images")
