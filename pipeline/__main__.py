"""The command line. Each command imports what it needs inside its own function, so that --help answers at once."""

import argparse
import io
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.cli import (
    browse_command,
    headings,
    inspect_command,
    launch_command,
    lineage_commands,
    operations_commands,
    results_commands,
    serving_commands,
    training_commands,
)
from pipeline.errors import UserError

STEP_NAMES = ("ingest", "validate", "train", "evaluate", "export")
"""As in graph.py, which is not imported for --help; a test holds the two together."""

GROW = "TF_FORCE_GPU_ALLOW_GROWTH"
"""Variable by which TensorFlow takes a GPU's memory as it is needed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code (see errors.py). Errors that a user can cause show no traceback."""
    foreign = _foreign_packages()
    if foreign:
        print("\n".join(foreign), file=sys.stderr)
        return UserError.exit_code
    from pipeline.console import json_lines

    given = sys.argv[1:] if arguments is None else arguments
    if given and (told := headings.unknown(given[0])):
        print(told, file=sys.stderr)
        return UserError.exit_code
    options = _parser().parse_args(given)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text; standard error does so by itself
    # Else TensorFlow takes nearly all memory of every GPU at once, and a served model leaves none to the nightly run.
    # It is read where a GPU is first used, here or in a step's process; a value that is set already stays.
    os.environ.setdefault(GROW, "true")
    # SIGTERM, as `kill`, systemd and Kubernetes send it, ends a command the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with json_lines.where_asked(options):
        return _call(options)


def _call(options: argparse.Namespace) -> int:
    from datasets.errors import ConversionError, DatasetError
    from models.errors import ModelError

    try:
        code: int = options.command(options) or 0
        return code
    except UserError as error:
        _tell(error)
        return error.exit_code
    except (DatasetError, ModelError) as error:
        _tell(error)
        return UserError.exit_code
    except ConversionError as error:
        _tell(error)
        return 1
    except KeyboardInterrupt:
        print("segline: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `segline status | head`: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from pipeline.orchestration.error_advice import explain

        told = explain(error, getattr(options, "workspace", Path()))
        if not isinstance(told, UserError):
            raise
        _tell(told)
        return told.exit_code


def _tell(error: Exception) -> None:
    from pipeline.console.terminal import wrapped

    print(wrapped(f"segline: {error}"), file=sys.stderr)


def run(options: argparse.Namespace) -> int:
    """Bring a recipe's steps up to date, one after the other."""
    from pipeline.orchestration import run_command

    return run_command.run(options)


def step(options: argparse.Namespace) -> int:
    """Run one step of a run, as an orchestrator does."""
    from pipeline.orchestration import run_command

    return run_command.step(options)


def check(options: argparse.Namespace) -> int:
    """Verify recipe, raw files, disk and devices; run nothing."""
    from pipeline.config import recipe_file as recipes
    from pipeline.console.quiet import quiet
    from pipeline.workspace.layout import Workspace

    recipe = recipes.load(options.recipe, options.set)
    with quiet():
        from pipeline.orchestration import preflight as checks

        problems = checks.check(recipe, Workspace(options.workspace))
    if problems:
        indented = [textwrap.indent(problem, "    ")[2:] for problem in problems]
        raise UserError("\n".join([f"{len(problems)} found:", *indented]))
    return 0


def list_recipes(_: argparse.Namespace) -> None:
    """Name the recipes that come with Segline."""
    from pipeline.config import recipe_file as recipes

    widest = max(map(len, recipes.names()))
    for name in recipes.names():
        head = f"{name:<{widest}} "
        print(textwrap.fill(recipes.headline(name), 80, initial_indent=head, subsequent_indent=" " * len(head)))


def show(options: argparse.Namespace) -> None:
    """Print a recipe with every default filled in."""
    from pipeline.config import recipe_file as recipes

    print(recipes.dump(recipes.load(options.recipe, options.set)), end="")


def status(options: argparse.Namespace) -> None:
    """Say what is running and what ran."""
    from pipeline.lineage import status as statuses
    from pipeline.workspace.layout import Workspace

    print("\n".join(statuses.lines(Workspace(options.workspace), options.limit)))


def sample(options: argparse.Namespace) -> None:
    """Draw sample data in a dataset's own layout."""
    from datasets import catalog

    splits = catalog.sample(options.dataset).write(
        options.out, count=options.count, seed=options.seed, config=options.config, dry_run=options.dry_run
    )
    print(f"{options.out}: {', '.join(f'{split} {count}' for split, count in splits.items())} images")


def init(options: argparse.Namespace) -> None:
    """Look at a folder of images and masks, and write the layout and a recipe."""
    from pipeline.data.initialisation import initialise

    print(
        "\n".join(initialise(options.folder, options.out, options.recipe, force=options.force, dry_run=options.dry_run))
    )


def _foreign_packages() -> list[str]:
    """Name the packages that hide Segline's own: a folder where the command was given, or a library of that name."""
    problems = []
    for package in ("datasets", "models"):
        found = find_spec(package)
        if found is None or found.origin != str(Path(__file__).parents[1] / package / "__init__.py"):
            problems.append(
                f"segline: another package called `{package}` hides Segline's own: {found and found.origin}. "
                "Work in another folder, or in an environment without it (Hugging Face ships a `datasets`)."
            )
    return problems


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segline",
        description="From a folder of labelled images to a trained, evaluated and served segmentation model.",
        epilog="Exit codes: 0 done, 1 a fault of Segline or the machine, 2 something you can put right, "
        "3 the gate did not pass, 75 another process is at work on this schedule, 130 interrupted.",
        formatter_class=headings.Formatter,
    )
    commands = parser.add_subparsers(title=headings.FIRST, required=True, metavar="COMMAND", dest="command_name")

    recipe = argparse.ArgumentParser(add_help=False)
    recipe.add_argument("recipe", metavar="RECIPE", help="a name that `segline recipes` lists, or your own YAML file")
    recipe.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting, as in --set train.epochs=5"
    )
    logs = argparse.ArgumentParser(add_help=False)
    logs.add_argument(
        "--log-json", action="store_true", help="print JSON, an object a line (also with SEGLINE_LOG_JSON=1)"
    )
    workspace = argparse.ArgumentParser(add_help=False)
    workspace.add_argument(
        "--workspace",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get("SEGLINE_WORKSPACE", "workspace")),
        help="folder for everything that runs make (default: $SEGLINE_WORKSPACE, or ./workspace)",
    )

    add = commands.add_parser(
        "run", parents=[recipe, workspace, logs], help="run a recipe: what has changed, and no more"
    )
    add.add_argument("--until", metavar="STEP", choices=STEP_NAMES, help=f"last step: {', '.join(STEP_NAMES)}")
    add.add_argument(
        "--rerun", metavar="STEP", choices=STEP_NAMES, action="append", default=[], help="run this step in any case"
    )
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where another run makes the same thing")
    add.add_argument("--dry-run", action="store_true", help="say what would run, and why; run nothing")
    add.set_defaults(command=run)

    add = commands.add_parser("step", parents=[workspace, logs], help="run one step of a run (for orchestrators)")
    add.add_argument("step", metavar="STEP", choices=STEP_NAMES, help=", ".join(STEP_NAMES))
    add.add_argument("recipe", metavar="RECIPE", nargs="?", help="begin the run with this recipe where it is new")
    add.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting of RECIPE")
    add.add_argument("--run", metavar="ID", required=True, help="name of the run")
    add.add_argument("--rerun", action="store_true", help="run the step even where its result could be reused")
    add.add_argument("--dry-run", action="store_true", help="say whether it would run, and why; run nothing")
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where another run makes the same thing")
    add.set_defaults(command=step)

    browse_command.add(commands, workspace=workspace)
    inspect_command.add(commands, workspace=workspace)
    training_commands.add(commands, recipe=recipe, workspace=workspace)
    results_commands.add(commands, workspace=workspace)
    operations_commands.add(commands, parser, recipe=recipe, workspace=workspace, logs=logs, steps=STEP_NAMES)
    launch_command.add(commands, recipe=recipe, workspace=workspace, logs=logs, steps=STEP_NAMES)
    add = commands.add_parser(
        "check", parents=[recipe, workspace, logs], help="verify recipe, data, disk, devices; run nothing"
    )
    add.set_defaults(command=check)
    commands.add_parser("recipes", help="list the recipes").set_defaults(command=list_recipes)
    add = commands.add_parser("show", parents=[recipe], help="print a recipe with every default filled in")
    add.set_defaults(command=show)

    add = commands.add_parser("status", parents=[workspace], help="what is running, what ran, with what result")
    add.add_argument("--limit", metavar="N", type=int, default=5, help="number of runs (default: 5)")
    add.set_defaults(command=status)
    lineage_commands.add(commands, recipe=recipe, workspace=workspace, logs=logs)

    add = commands.add_parser("init", help="look at a folder of your own; write how it is read, and a recipe")
    add.add_argument("folder", metavar="PATH", type=Path, help="folder with images and masks")
    add.add_argument("--out", metavar="FILE", type=Path, help="the layout to write (default: PATH/segline.yaml)")
    add.add_argument("--recipe", metavar="FILE", type=Path, help="the recipe to write (default: <name of PATH>.yaml)")
    add.add_argument("--force", action="store_true", help="overwrite these files")
    add.add_argument("--dry-run", action="store_true", help="print them, write nothing")
    add.set_defaults(command=init)

    serving_commands.add(commands)
    add = commands.add_parser("sample", help="draw sample data in a dataset's own layout")
    add.add_argument("dataset", metavar="DATASET", help="such as camvid")
    add.add_argument("--config", metavar="NAME", help="the dataset's configuration (default: its first)")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write")
    add.add_argument("--count", metavar="N", type=int, default=80, help="number of scenes (default: 80)")
    add.add_argument("--seed", metavar="S", type=int, default=0, help="same seed, same scenes (default: 0)")
    add.add_argument("--dry-run", action="store_true", help="say what would be drawn, write nothing")
    add.set_defaults(command=sample)
    return parser


if __name__ == "__main__":
    sys.exit(main())
