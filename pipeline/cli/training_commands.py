"""Commands around training: sweep, tensorboard. Each imports what it needs inside its function."""

import argparse


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    recipe: argparse.ArgumentParser,
    workspace: argparse.ArgumentParser,
) -> None:
    """Add these commands to the parser; `recipe` and `workspace` are what they share with others."""
    add = commands.add_parser("sweep", parents=[recipe, workspace], help="run a recipe for each of many settings")
    add.add_argument(
        "--grid",
        metavar="KEY=A,B,...",
        action="append",
        required=True,
        help="values of a setting; with several --grid, every combination",
    )
    add.add_argument("--by", metavar="METRIC", default="miou", help="what orders them, as iou/Car (default: miou)")
    add.add_argument("--dry-run", action="store_true", help="list the members, run nothing")
    add.set_defaults(command=sweep)

    add = commands.add_parser("tensorboard", parents=[workspace], help="look at every training in a browser")
    add.add_argument("--port", metavar="P", type=int, help="default: 6006, or the next one that is free")
    add.set_defaults(command=tensorboard)


def sweep(options: argparse.Namespace) -> int:
    """Run every member of a grid and show them, the best first."""
    from pipeline.analysis import grid
    from pipeline.orchestration.run_command import open_workspace

    members = grid.members(options.recipe, options.set, options.grid)
    if options.dry_run:
        grid.require_figure(members, options.by)
        print("\n".join(member.name for member in members))
        return 0
    return grid.run(open_workspace(options.workspace), members, by=options.by)


def tensorboard(options: argparse.Namespace) -> int:
    """Serve every training of a workspace on this machine until Ctrl-C."""
    from pipeline.analysis import board
    from pipeline.workspace.layout import Workspace

    return board.serve(Workspace(options.workspace), options.port)
