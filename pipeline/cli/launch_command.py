"""The command that starts several workers on one host. It imports what it needs inside its function."""

import argparse
import os
from collections.abc import Sequence


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    recipe: argparse.ArgumentParser,
    workspace: argparse.ArgumentParser,
    logs: argparse.ArgumentParser,
    steps: Sequence[str],
) -> None:
    """Add `launch` to the parser; `recipe`, `workspace` and `logs` are what it shares with others."""
    add = commands.add_parser(
        "launch", parents=[recipe, workspace, logs], help="run a recipe with several workers on this host"
    )
    add.add_argument("--workers", metavar="N", type=int, required=True, help="processes; the GPUs are shared out")
    add.add_argument(
        "--max-restarts", metavar="K", type=int, default=0, help="start all again where one fails (default: 0 times)"
    )
    add.add_argument("--until", metavar="STEP", choices=steps, help=f"last step: {', '.join(steps)}")
    add.add_argument(
        "--rerun", metavar="STEP", choices=steps, action="append", default=[], help="run this step in any case"
    )
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where another run makes the same thing")
    add.add_argument("--dry-run", action="store_true", help="say what would run, and why; run nothing")
    add.set_defaults(command=launch)


def launch(options: argparse.Namespace) -> int:
    """Run a recipe with several workers on this host."""
    from pipeline.config import recipe_file as recipes
    from pipeline.orchestration import forecast, launch
    from pipeline.orchestration.run_command import open_workspace
    from pipeline.workspace.layout import Workspace

    recipe = recipes.load(options.recipe, options.set)  # what is wrong with it is said once, not by every worker
    if options.dry_run:
        place = Workspace.of(options.workspace.resolve(), os.environ)
        found = forecast.forecast(place, recipe, until=options.until, rerun=frozenset(options.rerun))
        print("\n".join(forecast.lines(found)))
        return 0
    workspace = open_workspace(options.workspace)
    wait = not options.no_wait
    arguments = launch.arguments_of(options.recipe, options.set, workspace.root, options.until, wait=wait)
    rerun = launch.Rerun(recipe.name, tuple(options.rerun))
    return launch.launch(options.workers, arguments, workspace, rerun=rerun, max_restarts=options.max_restarts)
