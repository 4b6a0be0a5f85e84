"""`segline completion`: a script that completes commands, options and recipes in a shell."""

import argparse
from typing import Any

from pipeline.config import recipe_file as recipes
from pipeline.errors import UserError

SHELLS = ("bash", "zsh", "tcsh")

PREAMBLE = {
    "bash": "_segline_recipes() {{ compgen -W '{names}' -- $1; compgen -f -X '!*.y*ml' -- $1; compgen -d -- $1; }}",
    "zsh": "_segline_recipes() {{ compadd {names}; _files -g '*.y(a|)ml' }}",
}
"""How a shell lists recipes: those that come with Segline, and files."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Write the script for a shell.

    Raises:
        UserError: shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError("Shell completion needs shtab: pip install 'segline[completion]'.") from None
    listed = {**dict.fromkeys(PREAMBLE, "_segline_recipes"), "tcsh": "f"}
    kinds = {"RECIPE": listed, "PATH": shtab.FILE, "MODEL": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        if action.metavar in kinds:
            setattr(action, "complete", kinds[str(action.metavar)])  # noqa: B010  (shtab's way, which argparse does not know)
    listing = {kind: text.format(names=" ".join(recipes.names())) for kind, text in PREAMBLE.items()}
    preamble: Any = {**listing, "tcsh": ""}  # shtab takes a text for each shell, and says that it takes a text
    return str(shtab.complete(parser, shell, preamble=preamble))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found: list[argparse.Action] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for child in action.choices.values() for inner in _actions(child)]
        else:
            found.append(action)
    return found
