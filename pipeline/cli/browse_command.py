"""The command browse. Imports what it needs inside its function."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.config.recipe import Recipe


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", *, workspace: argparse.ArgumentParser) -> None:
    """Add the command to the parser; `workspace` is the option that it shares with others."""
    add = commands.add_parser("browse", parents=[workspace], help="look at a dataset: contact sheets and statistics")
    add.add_argument("recipe", metavar="RECIPE|DATASET", help="a recipe, or a dataset with --set data.manual_dir=DIR")
    add.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting")
    add.add_argument("--split", metavar="S", help="default: train")
    add.add_argument("--class", metavar="C", dest="class_name", help="only images that show it, most of it first")
    add.add_argument("--augmented", action="store_true", help="what the recipe's first epochs make of each image")
    add.add_argument("--count", metavar="N", type=int, default=24, help="number of images (default: 24)")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write")
    add.set_defaults(command=browse)


def browse(options: argparse.Namespace) -> int:
    """Bring the records up to date and draw what is in them."""
    from functools import partial

    from pipeline.cli import output_paths
    from pipeline.cluster.members import helps
    from pipeline.data import browser as browsing
    from pipeline.errors import UserError
    from pipeline.orchestration.run_command import bring_up_to_date, open_workspace
    from pipeline.workspace.run_folder import RunFolder

    if options.count < 1:
        raise UserError(f"--count must be at least 1. Received: {options.count}.")
    output_paths.require_folder(options.out)
    recipe, workspace = _recipe(options), open_workspace(options.workspace)
    run = workspace.new_run_id(recipe.name)
    code = bring_up_to_date(workspace, recipe, until="ingest", run_id=run)
    if code or helps(recipe.train.strategy, os.environ):
        return code
    ingest = RunFolder.open(workspace, run).artifact("ingest")
    augmented = None
    if options.augmented:
        from pipeline.console.quiet import quiet

        with quiet():
            from pipeline.data.augmentation_preview import drawing
        augmented = partial(drawing, ingest, recipe.input, recipe.train.seed)
    found = browsing.browse(
        ingest,
        options.out,
        split=options.split,
        class_name=options.class_name,
        count=options.count,
        augmented=augmented,
    )
    print("\n" + "\n".join(found))
    return 0


def _recipe(options: argparse.Namespace) -> "Recipe":
    """Load the recipe; of a dataset, one that says nothing else."""
    import tempfile

    from datasets import catalog
    from pipeline.config import recipe_file as recipes
    from pipeline.errors import UserError

    if options.recipe not in catalog.names():
        return recipes.load(options.recipe, options.set)
    if options.augmented:
        raise UserError(f"--augmented shows what a recipe does, and {options.recipe!r} is a dataset. Give a recipe.")
    if not any(setting.startswith("data.manual_dir=") for setting in options.set):
        raise UserError(f"{options.recipe!r} is a dataset. Say where its raw files lie: --set data.manual_dir=DIR.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{options.recipe}.yaml")
        path.write_text(
            f"data: {{name: {options.recipe}}}\nmodel: {{name: fast}}\n"
            "train: {epochs: 1, batch_size: 1, learning_rate: 1.0e-3}\n",
            encoding="utf-8",
        )
        return recipes.read(path, options.set)
