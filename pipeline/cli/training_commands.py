"""Commands for many training runs: sweep, tensorboard."""

import argparse

from pipeline.cli.commands import Commands


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add("sweep", run_sweep, "run a recipe over a grid of settings", "recipe workspace dry_run")
    parser.add_argument(
        "--grid",
        metavar="KEY=A,B,...",
        action="append",
        required=True,
        help="values of a setting; with several --grid, every combination",
    )
    parser.add_argument(
        "--by", metavar="METRIC", default="miou", help="metric that ranks the runs, such as iou/Car (default: miou)"
    )

    parser = commands.add("tensorboard", serve_tensorboard, "show all training runs in TensorBoard", "workspace")
    parser.add_argument("--port", metavar="P", type=int, help="default: 6006, or the next free one")


def run_sweep(options: argparse.Namespace) -> int:
    """Run every member of a grid and print them, best first."""
    from pipeline.analysis import grid
    from pipeline.orchestration.run_command import open_workspace

    members = grid.members(options.recipe, options.set, options.grid)
    if options.dry_run:
        grid.require_metric(members, options.by)
        print("\n".join(member.name for member in members))
        return 0
    return grid.run(open_workspace(options.workspace), members, by=options.by)


def serve_tensorboard(options: argparse.Namespace) -> int:
    """Serve TensorBoard with all training runs of a workspace until Ctrl-C."""
    from pipeline.analysis import board
    from pipeline.workspace.layout import Workspace

    return board.serve(Workspace(options.workspace), options.port)
