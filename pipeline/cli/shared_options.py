"""Options that several commands share, each defined once as an argparse parent parser."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pipeline.config.step_names import STEP_NAMES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The subcommands of `segline`, to which each group of commands adds its own."""


@dataclass(frozen=True)
class Shared:
    """Parent parsers; a command lists the ones it takes in `parents=`.

    Attributes:
        settings: `--set KEY=VALUE`, repeatable.
        recipe: RECIPE with `settings`.
        workspace: `--workspace DIR`.
        logs: `--log-json`.
        steps: `--until STEP` and `--rerun STEP`.
        no_wait: `--no-wait`.
        dry_run: `--dry-run`.
    """

    settings: argparse.ArgumentParser
    recipe: argparse.ArgumentParser
    workspace: argparse.ArgumentParser
    logs: argparse.ArgumentParser
    steps: argparse.ArgumentParser
    no_wait: argparse.ArgumentParser
    dry_run: argparse.ArgumentParser


def build_shared() -> Shared:
    """Build the parent parsers."""
    settings = argparse.ArgumentParser(add_help=False)
    settings.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a setting of the recipe, as in --set train.epochs=5",
    )
    recipe = argparse.ArgumentParser(add_help=False, parents=[settings])
    recipe.add_argument("recipe", metavar="RECIPE", help="a name that `segline recipes` lists, or a YAML file")
    workspace = argparse.ArgumentParser(add_help=False)
    workspace.add_argument(
        "--workspace",
        metavar="DIR",
        type=Path,
        default=default_workspace(),
        help="folder for all results (default: $SEGLINE_WORKSPACE, or ./workspace)",
    )
    logs = argparse.ArgumentParser(add_help=False)
    logs.add_argument("--log-json", action="store_true", help="print one JSON object a line (or: SEGLINE_LOG_JSON=1)")
    steps = argparse.ArgumentParser(add_help=False)
    steps.add_argument("--until", metavar="STEP", choices=STEP_NAMES, help=f"last step: {', '.join(STEP_NAMES)}")
    steps.add_argument(
        "--rerun",
        metavar="STEP",
        choices=STEP_NAMES,
        action="append",
        default=[],
        help="run this step even if its result could be reused",
    )
    no_wait = argparse.ArgumentParser(add_help=False)
    no_wait.add_argument("--no-wait", action="store_true", help="exit with code 2 instead of waiting for another run")
    dry_run = argparse.ArgumentParser(add_help=False)
    dry_run.add_argument("--dry-run", action="store_true", help="print what would be done; change nothing")
    return Shared(settings, recipe, workspace, logs, steps, no_wait, dry_run)


def default_workspace() -> Path:
    """Return the workspace of a command without `--workspace`."""
    return Path(os.environ.get("SEGLINE_WORKSPACE", "workspace"))
