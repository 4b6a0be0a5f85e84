"""Commands that run recipes or describe them: run, step, launch, explain, check, recipes, show."""

import argparse

from pipeline.cli.commands import Commands, require_workspace
from pipeline.config.step_names import STEP_NAMES


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    commands.add(
        "run",
        run_recipe,
        "run the steps of a recipe that are not up to date",
        "recipe workspace steps verify no_wait dry_run logs",
    )

    parser = commands.add(
        "step", run_step, "run one step of a run (for orchestrators)", "settings workspace verify no_wait dry_run logs"
    )
    parser.add_argument("step", metavar="STEP", choices=STEP_NAMES, help=", ".join(STEP_NAMES))
    parser.add_argument(
        "recipe", metavar="RECIPE", nargs="?", help="create the run from this recipe if it does not exist"
    )
    parser.add_argument("--run", metavar="ID", required=True, help="name of the run")
    parser.add_argument("--rerun", action="store_true", help="run the step even if its result could be reused")
    slot = "moment for which RECIPE's `schedule.set` holds, such as 2026-07-05T02:30+02:00"
    parser.add_argument("--slot", metavar="TIME", default="", help=slot)

    parser = commands.add(
        "launch",
        launch_workers,
        "run a recipe with several workers on this host",
        "recipe workspace steps verify no_wait dry_run logs",
    )
    parser.add_argument("--workers", metavar="N", type=int, required=True, help="processes; they divide the GPUs")
    parser.add_argument(
        "--max-restarts", metavar="K", type=int, default=0, help="restart all workers if one fails (default: 0 times)"
    )

    parser = commands.add("explain", run_recipe, "for each step of a recipe: reuse or run, and why", "recipe workspace")
    parser.set_defaults(dry_run=True, until=None, rerun=[])

    commands.add("check", check_recipe, "verify recipe, data, disk and devices; run nothing", "recipe workspace logs")

    commands.add("recipes", list_recipes, "list the built-in recipes")

    commands.add("show", show_recipe, "print a recipe with all defaults filled in", "recipe")


def run_recipe(options: argparse.Namespace) -> int:
    """Run the steps of a recipe that are not up to date."""
    from pipeline.orchestration import run_command

    return run_command.run(options)


def run_step(options: argparse.Namespace) -> int:
    """Run one step of a run, for an orchestrator."""
    from pipeline.orchestration import run_command

    if options.slot:
        from pipeline.schedule import scheduled_run

        options.set = [*scheduled_run.settings_at(options.recipe, options.set, options.slot), *options.set]
    if not options.recipe:
        options.run = _run_named(options)
    return run_command.step(options)


def _run_named(options: argparse.Namespace) -> str:
    """Return the name of the run that `--run` names or is the beginning of; a name that no run has, as it is."""
    from pipeline.lineage import history
    from pipeline.workspace.layout import Workspace

    require_workspace(options.workspace)
    workspace, name = Workspace(options.workspace), str(options.run)
    if not workspace.store.exists() or workspace.run(name).is_dir():
        return name
    matches = [run.id for run in history.runs(workspace) if run.id.startswith(name)]
    return history.find_run(workspace, name).id if matches else name


def launch_workers(options: argparse.Namespace) -> int:
    """Run a recipe with several workers on this host."""
    from pipeline.orchestration import launch, run_command
    from pipeline.orchestration.recipe_loader import load_recipe

    if options.dry_run:
        return run_command.run(options)
    recipe = load_recipe(options.recipe, options.set)  # reports an invalid recipe once, not once for each worker
    workspace = run_command.open_workspace(options.workspace)
    wait = not options.no_wait
    arguments = launch.arguments_of(
        options.recipe, options.set, workspace.root, options.until, wait=wait, verify=options.verify
    )
    rerun = launch.Rerun(recipe.name, tuple(options.rerun))
    return launch.launch(options.workers, arguments, workspace, rerun=rerun, max_restarts=options.max_restarts)


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
