"""The command line. Each command imports what it needs inside its own function, so that --help answers at once."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import UserError

STEP_NAMES = ("ingest", "validate", "train", "evaluate", "export")
"""As in graph.py, which is not imported for --help; a test holds the two together."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code (see errors.py). Errors that a user can cause show no traceback."""
    foreign = _foreign_packages()
    if foreign:
        print("\n".join(foreign), file=sys.stderr)
        return UserError.exit_code
    from datasets.errors import DatasetError
    from models.errors import ModelError

    options = _parser().parse_args(arguments)
    # SIGTERM, as `kill`, systemd and Kubernetes send it, ends a command the way Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int = options.command(options) or 0
        return code
    except UserError as error:
        print(f"segline: {error}", file=sys.stderr)
        return error.exit_code
    except (DatasetError, ModelError) as error:
        print(f"segline: {error}", file=sys.stderr)
        return UserError.exit_code
    except KeyboardInterrupt:
        print("segline: interrupted. The same command goes on from here.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has gone, as in `segline status | head`: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from pipeline.explain import explain

        told = explain(error, getattr(options, "workspace", Path()))
        if not isinstance(told, UserError):
            raise
        print(f"segline: {told}", file=sys.stderr)
        return told.exit_code


def run(options: argparse.Namespace) -> int:
    """Bring a recipe's steps up to date, one after the other."""
    from pipeline import commands

    return commands.run(options)


def step(options: argparse.Namespace) -> int:
    """Run one step of a run, as an orchestrator does."""
    from pipeline import commands

    return commands.step(options)


def check(options: argparse.Namespace) -> int:
    """Verify recipe, raw files, disk and devices; run nothing."""
    from pipeline import recipe as recipes
    from pipeline.quiet import quiet
    from pipeline.workspace import Workspace

    recipe = recipes.load(options.recipe, options.set)
    with quiet():
        from pipeline import check as checks

        problems = checks.check(recipe, Workspace(options.workspace))
    if problems:
        raise UserError("\n".join([f"{len(problems)} found:", *(f"  {problem}" for problem in problems)]))
    return 0


def list_recipes(_: argparse.Namespace) -> None:
    """Name the recipes that come with Segline."""
    from pipeline import recipe as recipes

    for name in recipes.names():
        print(f"{name:<16} {recipes.headline(name)}")


def show(options: argparse.Namespace) -> None:
    """Print a recipe with every default filled in."""
    from pipeline import recipe as recipes

    print(recipes.dump(recipes.load(options.recipe, options.set)), end="")


def status(options: argparse.Namespace) -> None:
    """Say what is running and what ran."""
    from pipeline import status as statuses
    from pipeline.workspace import Workspace

    print("\n".join(statuses.lines(Workspace(options.workspace), options.limit)))


def lineage(options: argparse.Namespace) -> None:
    """Say where a model or an artifact came from."""
    from pipeline import lineage as lineages
    from pipeline.workspace import Workspace

    around = [folder for folder in options.path.resolve().parents if (folder / "store.sqlite").is_file()]
    print("\n".join(lineages.lines(Workspace(around[0] if around else options.workspace), options.path)))


def sample(options: argparse.Namespace) -> None:
    """Draw sample data in a dataset's own layout."""
    from datasets import catalog

    splits = catalog.sample(options.dataset).write(options.out, count=options.count, seed=options.seed)
    print(f"{options.out}: {', '.join(f'{split} {count}' for split, count in splits.items())} images")


def predict(options: argparse.Namespace) -> None:
    """Segment images with an exported model."""
    from pipeline.quiet import quiet

    with quiet():
        from pipeline.predict import predict as run_predict
    run_predict(options.model, options.images, options.out, alpha=options.alpha)


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
        "3 the gate did not pass, 130 interrupted.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    recipe = argparse.ArgumentParser(add_help=False)
    recipe.add_argument("recipe", metavar="RECIPE", help="a name that `segline recipes` lists, or your own YAML file")
    recipe.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting, as in --set train.epochs=5"
    )
    workspace = argparse.ArgumentParser(add_help=False)
    workspace.add_argument(
        "--workspace",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get("SEGLINE_WORKSPACE", "workspace")),
        help="folder for everything that runs make (default: $SEGLINE_WORKSPACE, or ./workspace)",
    )

    add = commands.add_parser("run", parents=[recipe, workspace], help="run a recipe: what has changed, and no more")
    add.add_argument("--until", metavar="STEP", choices=STEP_NAMES, help=f"last step: {', '.join(STEP_NAMES)}")
    add.add_argument(
        "--rerun", metavar="STEP", choices=STEP_NAMES, action="append", default=[], help="run this step in any case"
    )
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where another run makes the same thing")
    add.set_defaults(command=run)

    add = commands.add_parser("step", parents=[workspace], help="run one step of a run (for orchestrators)")
    add.add_argument("step", metavar="STEP", choices=STEP_NAMES, help=", ".join(STEP_NAMES))
    add.add_argument("recipe", metavar="RECIPE", nargs="?", help="begin the run with this recipe where it is new")
    add.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting of RECIPE")
    add.add_argument("--run", metavar="ID", required=True, help="name of the run")
    add.add_argument("--rerun", action="store_true", help="run the step even where its result could be reused")
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where another run makes the same thing")
    add.set_defaults(command=step)

    add = commands.add_parser(
        "check", parents=[recipe, workspace], help="verify recipe, data, disk, devices; run nothing"
    )
    add.set_defaults(command=check)
    commands.add_parser("recipes", help="list the recipes").set_defaults(command=list_recipes)
    add = commands.add_parser("show", parents=[recipe], help="print a recipe with every default filled in")
    add.set_defaults(command=show)

    add = commands.add_parser("status", parents=[workspace], help="what is running, what ran, with what result")
    add.add_argument("--limit", metavar="N", type=int, default=5, help="number of runs (default: 5)")
    add.set_defaults(command=status)
    add = commands.add_parser("lineage", parents=[workspace], help="where a served model or an artifact came from")
    add.add_argument("path", metavar="PATH", type=Path, help="served model, artifact, or a file in one")
    add.set_defaults(command=lineage)

    add = commands.add_parser("predict", help="segment images with an exported model")
    add.add_argument("model", metavar="MODEL", type=Path, help="SavedModel, or a folder of versions under serving/")
    add.add_argument("images", metavar="PATH", type=Path, nargs="+", help="images, or folders of images")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for masks and overlays")
    add.add_argument("--alpha", metavar="A", type=float, default=0.5, help="strength of the overlay (default: 0.5)")
    add.set_defaults(command=predict)

    add = commands.add_parser("sample", help="draw sample data in a dataset's own layout")
    add.add_argument("dataset", metavar="DATASET", help="such as camvid")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write")
    add.add_argument("--count", metavar="N", type=int, default=80, help="number of scenes (default: 80)")
    add.add_argument("--seed", metavar="S", type=int, default=0, help="same seed, same scenes (default: 0)")
    add.set_defaults(command=sample)
    return parser


if __name__ == "__main__":
    sys.exit(main())
