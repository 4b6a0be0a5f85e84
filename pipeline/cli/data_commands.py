"""Commands that look into datasets or write them: browse, init, tune, sample."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.commands import Commands
from pipeline.config.step_names import INGEST

if TYPE_CHECKING:
    from pipeline.config.recipe import Recipe
    from pipeline.data.browser import Augmented
    from pipeline.workspace.run_folder import RunFolder

SHEET_IMAGES = 24
"""Images on the contact sheets of `browse` unless --count says how many."""


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add(
        "browse", browse_dataset, "write contact sheets and statistics of a dataset", "settings workspace"
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE|DATASET|RUN",
        help="a recipe; a dataset with --set data.manual_dir=DIR; or a run, whose predictions --html shows",
    )
    parser.add_argument("--split", metavar="S", help="default: train; of a run's predictions the evaluated one")
    parser.add_argument(
        "--class", metavar="C", dest="class_name", help="only images with this class, largest share first"
    )
    parser.add_argument("--augmented", action="store_true", help="show each image as augmented in the first epochs")
    parser.add_argument("--count", metavar="N", type=int, help="number of images (default: 24; with --html all)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="output folder of contact sheets and statistics")
    parser.add_argument("--html", metavar="DIR", type=Path, help="output folder of a page to look through the images")

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
    """Draw the examples of a dataset, whose records are made where they are missing, or a run's predictions."""
    from pipeline.cli import output_paths
    from pipeline.errors import UserError
    from pipeline.report import gallery

    if options.count is not None and options.count < 1:
        raise UserError(f"--count must be at least 1. Received: {options.count}.")
    if not (options.out or options.html):
        raise UserError("Nothing to write. --html DIR writes a page to look through, --out DIR contact sheets.")
    for option, folder in (("--out", options.out), ("--html", options.html)):
        if folder:
            output_paths.require_folder(folder, option)
    if options.html:
        gallery.require_free(options.html, "--html")
    run = _browsed_run(options)
    return _browse_run(options, run) if run else _browse_records(options)


def _browsed_run(options: argparse.Namespace) -> "RunFolder | None":
    """Return the run that `options.recipe` names; None where it is a dataset or a recipe."""
    from datasets import catalog
    from pipeline.analysis.subject_name import run_named
    from pipeline.config import recipe_file
    from pipeline.errors import UserError
    from pipeline.workspace.layout import Workspace

    name = options.recipe
    if name in catalog.names() or name in recipe_file.names() or Path(name).exists():
        return None
    run = run_named(name, Workspace(options.workspace))
    if run and (options.set or options.augmented):
        raise UserError(f"--set and --augmented are for a recipe, and {name!r} is run {run.id}. Leave them out.")
    return run


def _browse_run(options: argparse.Namespace, run: "RunFolder") -> int:
    """Draw a run's predictions on the page; on the sheets its data."""
    from pipeline.console.quiet import quiet

    if options.html:
        with quiet():
            from pipeline.analysis import galleries
        shown = {"split": options.split, "class_name": options.class_name, "count": options.count}
        _print_page(options.html, galleries.of_run(run, options.html, **shown))
    if options.out:
        _draw_sheets(options, run.artifact(INGEST), None)
    return 0


def _browse_records(options: argparse.Namespace) -> int:
    """Bring the records up to date and draw their examples. No run is made."""
    from functools import partial

    from pipeline.analysis import galleries
    from pipeline.console.quiet import quiet
    from pipeline.orchestration import current_records
    from pipeline.orchestration.run_command import open_workspace

    recipe, workspace = _browsed_recipe(options), open_workspace(options.workspace)
    ingest = current_records.find_or_make(workspace, recipe)
    augmented = None
    if options.augmented:
        with quiet():
            from pipeline.data.augmentation_preview import drawing
        augmented = partial(drawing, ingest, recipe.input, recipe.train.seed)
    if options.html:
        shown = {"split": options.split, "class_name": options.class_name, "count": options.count}
        _print_page(options.html, galleries.of_split(ingest, options.html, **shown))
    if options.out:
        _draw_sheets(options, ingest, augmented)
    return 0


def _draw_sheets(options: argparse.Namespace, ingest: Path, augmented: "Augmented | None") -> None:
    from pipeline.data import browser

    chosen = {"split": options.split, "class_name": options.class_name, "count": options.count or SHEET_IMAGES}
    print("\n" + "\n".join(browser.browse(ingest, options.out, **chosen, augmented=augmented)))


def _print_page(folder: Path, images: int) -> None:
    from pipeline.drawing.page_template import counted

    print(f"{folder / 'index.html'}: {counted(images, 'image')}; open it in a browser")


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
