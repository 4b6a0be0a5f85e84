"""Commands that keep Segline running: schedule, doctor, completion. Each imports what it needs inside its function."""

import argparse
from collections.abc import Sequence


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    parser: argparse.ArgumentParser,
    *,
    recipe: argparse.ArgumentParser,
    workspace: argparse.ArgumentParser,
    logs: argparse.ArgumentParser,
    steps: Sequence[str],
) -> None:
    """Add these commands to the parser; `recipe`, `workspace` and `logs` are what they share with others."""
    add = commands.add_parser("doctor", parents=[workspace], help="is this machine fit for Segline?")
    add.add_argument("--deep", action="store_true", help="compute something on every device with TensorFlow")
    add.add_argument("--quiet", action="store_true", help="print what needs your attention alone")
    add.add_argument("--json", action="store_true", help="print JSON")
    add.set_defaults(command=doctor)
    add = commands.add_parser("completion", help="print a script that completes commands in your shell")
    add.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "tcsh"), help="bash, zsh or tcsh")
    add.set_defaults(command=completion, parser=parser)
    add = commands.add_parser(
        "run-due", parents=[recipe, workspace, logs], help="run a recipe if its `schedule:` says so (for timers)"
    )
    add.add_argument("--dry-run", action="store_true", help="say what is due, run and record nothing")
    add.set_defaults(command=run_due)

    add = commands.add_parser(
        "schedule", parents=[recipe, workspace, logs], help="when a recipe runs; --watch runs it then"
    )
    add.add_argument("--watch", action="store_true", help="stay, and run the recipe whenever it is due")
    add.add_argument("--install-systemd", action="store_true", help="write a timer that calls `segline run-due`")
    add.add_argument("--user", action="store_true", help="with --install-systemd: as units of your own user")
    add.add_argument("--dry-run", action="store_true", help="with --install-systemd: print the units, write nothing")
    add.add_argument("--limit", metavar="N", type=int, default=5, help="number of past attempts (default: 5)")
    add.set_defaults(command=schedule)

    add = commands.add_parser(
        "backfill", parents=[recipe, workspace, logs], help="run the slots of days gone by, oldest first"
    )
    add.add_argument("--from", metavar="DATE", dest="first", required=True, help="such as 2026-07-01, in `timezone`")
    add.add_argument("--to", metavar="DATE", dest="last", required=True, help="such as 2026-07-31")
    add.add_argument(
        "--until", metavar="STEP", choices=steps, default="evaluate", help="last step; export promotes too"
    )
    add.add_argument("--dry-run", action="store_true", help="list the slots, run nothing")
    add.set_defaults(command=backfill)


def run_due(options: argparse.Namespace) -> int:
    """Run a recipe if its schedule says so."""
    from pipeline.schedule import actions

    return actions.run_due(options)


def schedule(options: argparse.Namespace) -> int:
    """Say when a recipe runs, or see to it that it does."""
    from pipeline.schedule import actions

    return actions.schedule(options)


def backfill(options: argparse.Namespace) -> int:
    """Run a recipe for days gone by."""
    from pipeline.schedule import actions

    return actions.backfill(options)


def doctor(options: argparse.Namespace) -> int:
    """Say whether this machine is fit for Segline. Gives 1 where something will fail, else 0."""
    from pipeline.host import doctor as doctors
    from pipeline.workspace.layout import Workspace

    found = list(doctors.examine(Workspace(options.workspace), deep=options.deep))
    if options.json:
        print(doctors.to_json(found))
    else:
        for line in doctors.lines(found, quiet=options.quiet):
            print(line)
    return int(any(finding.level == "bad" for finding in found))


def completion(options: argparse.Namespace) -> None:
    """Print the script that completes Segline's commands in a shell."""
    from pipeline.cli import completion as completions

    print(completions.script(options.parser, options.shell))
