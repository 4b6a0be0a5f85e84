"""The headings under which `segline --help` lists the commands, the most used first."""

import argparse
import difflib

HEADINGS = {
    "day to day": ("run", "explain", "status", "runs", "tensorboard"),
    "recipes and data": ("recipes", "show", "check", "browse", "init", "sample"),
    "models": ("predict", "serve", "inspect", "promote", "rollback"),
    "experiments": ("sweep", "compare", "diff", "suspects"),
    "on a schedule": ("run-due", "schedule", "backfill", "step"),
    "afterwards": ("lineage", "reproduce", "verify", "gc"),
    "machines": ("launch", "doctor", "completion"),
}
"""Every command once; the order in which the parser learns of them does not matter."""

FIRST = next(iter(HEADINGS))
"""Heading of the parser's own list of commands; the others are put in between."""


def unknown(word: str) -> str:
    """Say that `word` is no command, and which is nearest; nothing where it is one, or an option."""
    names = [name for heading in HEADINGS.values() for name in heading]
    if word in names or word.startswith("-"):
        return ""
    near = difflib.get_close_matches(word, names, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"segline: there is no command {word!r}.{guess} `segline --help` lists all."


class Formatter(argparse.HelpFormatter):
    """Lists commands under their headings; everything else as argparse does."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        told = {found.dest: super(Formatter, self)._format_action(found) for found in action._get_subactions()}
        groups = ["".join(told.pop(name) for name in names) for names in HEADINGS.values()]
        assert not told, f"commands without a heading: {', '.join(told)}"
        return "".join(
            group if heading == FIRST else f"\n{heading}:\n{group}"
            for heading, group in zip(HEADINGS, groups, strict=True)
        )
