"""`segline completion`: a script that completes commands, options and recipes in a shell."""

import argparse
from typing import Any

from pipeline.errors import UserError

SHELLS = ("bash", "zsh", "tcsh")

PREAMBLE = {
    "bash": "_segline_recipes() {{ compgen -W '{names}' -- $1; compgen -f -X '!*.y*ml' -- $1; compgen -d -- $1; }}",
    "zsh": "_segline_recipes() {{ compadd {names}; _files -g '*.y(a|)ml' }}",
}
"""Shell function that lists recipes: the built-in ones, and YAML files."""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script for a shell.

    Raises:
        UserError: shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError("Shell completion needs shtab: pip install 'segline[completion]'.") from None
    from pipeline.config import recipe_file

    recipes = {**dict.fromkeys(PREAMBLE, "_segline_recipes"), "tcsh": "f"}
    completers = {"RECIPE": recipes, "PATH": shtab.FILE, "MODEL": shtab.FILE, "DIR": shtab.DIRECTORY}
    for action in _actions(parser):
        if action.metavar in completers:
            setattr(action, "complete", completers[str(action.metavar)])  # noqa: B010  (argparse does not declare it)
    functions = {name: text.format(names=" ".join(recipe_file.names())) for name, text in PREAMBLE.items()}
    preamble: Any = {**functions, "tcsh": ""}  # a text for each shell; shtab's annotation allows only one text
    return str(shtab.complete(parser, shell, preamble=preamble))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    actions: list[argparse.Action] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            actions += [inner for child in action.choices.values() for inner in _actions(child)]
        else:
            actions.append(action)
    return actions
