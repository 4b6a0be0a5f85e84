"""Commands that run recipes or describe them: run, step, launch, explain, check, recipes, show."""

import argparse
import os

from pipeline.cli.shared_options import Commands, Shared
from pipeline.config.step_names import STEP_NAMES


def add(commands: Commands, shared: Shared) -> None:
    """Add these commands to the parser."""
    parser = commands.add_parser(
        "run",
        parents=[shared.recipe, shared.workspace, shared.steps, shared.no_wait, shared.dry_run, shared.logs],
        help="run the steps of a recipe that are not up to date",
    )
    parser.set_defaults(command=run_recipe)

    parser = commands.add_parser(
        "step",
        parents=[shared.settings, shared.workspace, shared.no_wait, shared.dry_run, shared.logs],
        help="run one step of a run (for orchestrators)",
    )
    parser.add_argument("step", metavar="STEP", choices=STEP_NAMES, help=", ".join(STEP_NAMES))
    parser.add_argument(
        "recipe", metavar="RECIPE", nargs="?", help="create the run from this recipe if it does not exist"
    )
    parser.add_argument("--run", metavar="ID", required=True, help="name of the run")
    parser.add_argument("--rerun", action="store_true", help="run the step even if its result could be reused")
    parser.set_defaults(command=run_step)

    parser = commands.add_parser(
        "launch",
        parents=[shared.recipe, shared.workspace, shared.steps, shared.no_wait, shared.dry_run, shared.logs],
        help="run a recipe with several workers on this host",
    )
    parser.add_argument("--workers", metavar="N", type=int, required=True, help="processes; they divide the GPUs")
    parser.add_argument(
        "--max-restarts", metavar="K", type=int, default=0, help="restart all workers if one fails (default: 0 times)"
    )
    parser.set_defaults(command=launch_workers)

    parser = commands.add_parser(
        "explain", parents=[shared.recipe, shared.workspace], help="for each step of a recipe: reuse or run, and why"
    )
    parser.set_defaults(command=explain_recipe)

    parser = commands.add_parser(
        "check",
        parents=[shared.recipe, shared.workspace, shared.logs],
        help="verify recipe, data, disk and devices; run nothing",
    )
    parser.set_defaults(command=check_recipe)

    commands.add_parser("recipes", help="list the built-in recipes").set_defaults(command=list_recipes)

    parser = commands.add_parser("show", parents=[shared.recipe], help="print a recipe with all defaults filled in")
    parser.set_defaults(command=show_recipe)


def run_recipe(options: argparse.Namespace) -> int:
    """Run the steps of a recipe that are not up to date."""
    from pipeline.orchestration import run_command

    return run_command.run(options)


def run_step(options: argparse.Namespace) -> int:
    """Run one step of a run, for an orchestrator."""
    from pipeline.orchestration import run_command

    return run_command.step(options)


def launch_workers(options: argparse.Namespace) -> int:
    """Run a recipe with several workers on this host."""
    from pipeline.orchestration import forecast, launch
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.orchestration.run_command import open_workspace
    from pipeline.workspace.layout import Workspace

    recipe = load_recipe(options.recipe, options.set)  # reports an invalid recipe once, not once for each worker
    if options.dry_run:
        workspace = Workspace.of(options.workspace.resolve(), os.environ)
        forecasts = forecast.forecast(workspace, recipe, until=options.until, rerun=frozenset(options.rerun))
        print("\n".join(forecast.lines(forecasts)))
        return 0
    workspace = open_workspace(options.workspace)
    wait = not options.no_wait
    arguments = launch.arguments_of(options.recipe, options.set, workspace.root, options.until, wait=wait)
    rerun = launch.Rerun(recipe.name, tuple(options.rerun))
    return launch.launch(options.workers, arguments, workspace, rerun=rerun, max_restarts=options.max_restarts)


def explain_recipe(options: argparse.Namespace) -> None:
    """Print what `segline run` would do, and why."""
    from pipeline.orchestration import forecast
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.workspace.layout import Workspace

    recipe = load_recipe(options.recipe, options.set)
    workspace = Workspace.of(options.workspace.resolve(), os.environ)
    print("\n".join(forecast.lines(forecast.forecast(workspace, recipe))))


def check_recipe(options: argparse.Namespace) -> None:
    """Verify recipe, raw files, disk and devices; run nothing."""
    import textwrap

    from pipeline.console.quiet import quiet
    from pipeline.errors import UserError
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.workspace.layout import Workspace

    recipe = load_recipe(options.recipe, options.set)
    with quiet():
        from pipeline.orchestration import preflight

        problems = preflight.check(recipe, Workspace(options.workspace))
    if problems:
        indented = [textwrap.indent(problem, "    ")[2:] for problem in problems]
        raise UserError("\n".join([f"{len(problems)} problem{'s' * (len(problems) > 1)} found:", *indented]))


def list_recipes(_: argparse.Namespace) -> None:
    """Print the name and the headline of each built-in recipe."""
    import textwrap

    from pipeline.config import recipe_file

    widest = max(map(len, recipe_file.names()))
    for name in recipe_file.names():
        head = f"{name:<{widest}} "
        print(textwrap.fill(recipe_file.headline(name), 80, initial_indent=head, subsequent_indent=" " * len(head)))


def show_recipe(options: argparse.Namespace) -> None:
    """Print a recipe with all defaults filled in."""
    from pipeline.config import recipe_file
    from pipeline.orchestration.recipe_loader import load_recipe

    print(recipe_file.dump(load_recipe(options.recipe, options.set)), end="")
