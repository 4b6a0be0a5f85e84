"""The subcommands of `segline`, and the options that several of them share, each defined once."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.config.step_names import STEP_NAMES
from pipeline.errors import UserError


class Commands:
    """The subcommands, to which each group of commands adds its own.

    Shared options: `settings` is --set, `recipe` RECIPE with --set, `workspace` --workspace, `results` the same of a
    workspace that must exist, `logs` --log-json, `steps` --until and --rerun, `verify` --verify, `no_wait` --no-wait,
    `dry_run` --dry-run.
    """

    def __init__(self, parsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        self._parsers, self._shared = parsers, _shared_options()

    def add(
        self, name: str, run: Callable[[argparse.Namespace], int | None], help: str, shared: str = ""
    ) -> argparse.ArgumentParser:
        """Add a command and return its parser.

        Args:
            name: Name of the command.
            run: Runs it; returns the exit code, or None for 0.
            help: One line for `segline --help`.
            shared: Names of the shared options that it takes, with blanks between them.
        """
        options = shared.split()
        parser = self._parsers.add_parser(name, parents=[self._shared[option] for option in options], help=help)
        parser.set_defaults(command=_on_results(run) if "results" in options else run)
        return parser


def _on_results(run: Callable[[argparse.Namespace], int | None]) -> Callable[[argparse.Namespace], int | None]:
    """Return the command, refused where the workspace is not there."""

    def checked(options: argparse.Namespace) -> int | None:
        require_workspace(options.workspace)
        return run(options)

    return checked


def require_workspace(folder: Path) -> None:
    """Raise UserError unless a folder holds results of runs."""
    from pipeline.workspace.layout import Workspace

    if not Workspace(folder).holds_results:
        state = "it holds no results yet" if folder.is_dir() else "there is no such folder"
        raise UserError(
            f"{str(folder)!r} is no workspace: {state}. `segline run RECIPE` makes one; --workspace DIR or "
            "SEGLINE_WORKSPACE names it."
        )


def default_workspace() -> Path:
    """Return the workspace of a command without `--workspace`."""
    return Path(os.environ.get("SEGLINE_WORKSPACE", "workspace"))


def _shared_options() -> dict[str, argparse.ArgumentParser]:
    """Return a parent parser for each name."""
    setting = "change a setting of the recipe, as in --set train.epochs=5"
    settings = _parent("--set", metavar="KEY=VALUE", action="append", default=[], help=setting)
    recipe = argparse.ArgumentParser(add_help=False, parents=[settings])
    recipe.add_argument("recipe", metavar="RECIPE", help="a name that `segline recipes` lists, or a YAML file")
    place = "folder for all results (default: $SEGLINE_WORKSPACE, or ./workspace)"
    workspace = _parent("--workspace", metavar="DIR", type=Path, default=default_workspace(), help=place)
    steps = _parent("--until", metavar="STEP", choices=STEP_NAMES, help=f"last step: {', '.join(STEP_NAMES)}")
    rerun = "run this step even if its result could be reused"
    steps.add_argument("--rerun", metavar="STEP", choices=STEP_NAMES, action="append", default=[], help=rerun)
    return {
        "settings": settings,
        "recipe": recipe,
        "workspace": workspace,
        "results": workspace,
        "logs": _parent(
            "--log-json", action="store_true", help="print one JSON object a line (or: SEGLINE_LOG_JSON=1)"
        ),
        "steps": steps,
        "verify": _parent(
            "--verify", action="store_true", help="read results that are used again in full, not only changed files"
        ),
        "no_wait": _parent(
            "--no-wait", action="store_true", help="exit with code 2 instead of waiting for another run"
        ),
        "dry_run": _parent("--dry-run", action="store_true", help="print what would be done; change nothing"),
    }


def _parent(flag: str, **option: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(flag, **option)
    return parser
