"""The parser of `segline`. It imports no library, so that --help answers at once."""

import argparse
import sys

from pipeline.cli import (
    data_commands,
    headings,
    inspect_command,
    lineage_commands,
    operations_commands,
    results_commands,
    run_commands,
    serving_commands,
    training_commands,
    weights_command,
)
from pipeline.cli.commands import Commands

GROUPS = (
    run_commands.add,
    data_commands.add,
    inspect_command.add,
    weights_command.add,
    training_commands.add,
    results_commands.add,
    serving_commands.add,
    operations_commands.add,
    lineage_commands.add,
)
"""Each adds a group of commands to the parser. headings.py orders them for --help."""


class Version(argparse.Action):
    """Prints Segline's version, the commit of its code, and Python's version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print, and end the program."""
        from pipeline.workspace.run_folder import code_version, segline_version

        python = ".".join(map(str, sys.version_info[:3]))
        print(f"segline {segline_version()} ({code_version()}), Python {python}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Build the parser. The options that it parses hold `command`, the function that runs them."""
    parser = argparse.ArgumentParser(
        prog="segline",
        description="From a folder of labelled images to a trained, evaluated and served segmentation model.",
        epilog="Exit codes: 0 success, 1 internal or machine failure, 2 user error that the message says how to fix, "
        "3 gate or an exported format not passed, 4 training paused, 75 another process holds this schedule, "
        "130 interrupted, 128 + n a step was killed by signal n.",
        formatter_class=headings.Formatter,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version of Segline, and its commit")
    subparsers = parser.add_subparsers(title=headings.FIRST, required=True, metavar="COMMAND", dest="command_name")
    commands = Commands(subparsers)
    for add in GROUPS:
        add(commands)
    parser.set_defaults(parser=parser)  # `segline completion` reads all commands and options from it
    return parser
