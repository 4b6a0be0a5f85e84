"""Commands for many training runs: sweep, tensorboard."""

import argparse

from pipeline.cli.commands import Commands


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add("sweep", run_sweep, "run a recipe with combinations of settings", "recipe workspace dry_run")
    parser.add_argument(
        "--grid",
        metavar="KEY=A,B,...",
        action="append",
        required=True,
        help="values of a setting, or its range LOW..HIGH; with several --grid, every combination",
    )
    parser.add_argument("--sample", metavar="N", type=int, help="run only N combinations, drawn at random")
    tpe = "how --sample draws: random, or tpe, which learns from the runs before (needs Optuna; default: random)"
    parser.add_argument("--sampler", choices=("random", "tpe"), default="random", help=tpe)
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="of --sample (default: 0)")
    parser.add_argument(
        "--halving",
        metavar="F",
        type=int,
        nargs="?",
        const=3,
        help="train all a little, then one of F further, F times as long, and so on (default F: 3)",
    )
    parser.add_argument(
        "--by", metavar="METRIC", default="miou", help="metric that ranks the runs, such as iou/Car (default: miou)"
    )

    parser = commands.add("tensorboard", serve_tensorboard, "show all training runs in TensorBoard", "results")
    parser.add_argument("--port", metavar="P", type=int, help="default: 6006, or the next free one")


def run_sweep(options: argparse.Namespace) -> int:
    """Run the members of a sweep and print them, best first."""
    from pipeline.analysis import grid, halving
    from pipeline.config.step_names import EVALUATE, TRAIN
    from pipeline.errors import UserError
    from pipeline.orchestration import machine_check
    from pipeline.orchestration.run_command import open_workspace

    if options.sample is not None and options.sample < 1:
        raise UserError(f"--sample must be at least 1. Received: {options.sample}.")
    if options.halving is not None and options.halving < 2:
        raise UserError(f"--halving must be at least 2: one of so many members continues. Received: {options.halving}.")
    recipe, settings, grids = options.recipe, options.set, options.grid
    if options.sampler == "tpe":
        if options.sample is None or options.halving or options.dry_run:
            raise UserError(
                "--sampler tpe needs --sample N, and chooses each run by the results of those before: without "
                "--halving and --dry-run."
            )
        place = open_workspace(options.workspace)
        return grid.run_adaptive(
            place, recipe, settings, grids, number=options.sample, by=options.by, seed=options.seed
        )
    members = grid.members(recipe, settings, grids, sample=options.sample, seed=options.seed)
    if options.dry_run:
        grid.require_metric(members, options.by)
        recipes = [member.recipe for member in members]
        pauses = halving.rungs(recipes, options.halving, options.by) if options.halving else []
        print("\n".join(member.name for member in members))
        steps = (TRAIN, EVALUATE)
        if problems := dict.fromkeys(text for one in recipes for text in machine_check.problems(one, steps)):
            raise UserError("\n".join(problems))
        print("".join(f"after epoch {rung.epochs}: {rung.kept} of them continue\n" for rung in pauses), end="")
        return 0
    return grid.run(open_workspace(options.workspace), members, by=options.by, factor=options.halving)


def serve_tensorboard(options: argparse.Namespace) -> int:
    """Serve TensorBoard with all training runs of a workspace until Ctrl-C."""
    from pipeline.analysis import board
    from pipeline.workspace.layout import Workspace

    return board.serve(Workspace(options.workspace), options.port)
