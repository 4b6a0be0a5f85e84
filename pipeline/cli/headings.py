"""The headings under which `segline --help` lists the commands, the most used first."""

import argparse

HEADINGS = {
    "everyday use": ("run", "explain", "status", "runs", "tensorboard"),
    "recipes and data": ("recipes", "show", "check", "browse", "init", "tune", "sample"),
    "models": ("predict", "serve", "inspect", "weights", "promote", "rollback"),
    "experiments": ("sweep", "compare", "diff", "suspects"),
    "scheduled runs": ("run-due", "schedule", "backfill", "step", "compile"),
    "lineage and cleanup": ("lineage", "reproduce", "verify", "recover", "gc"),
    "machines and setup": ("launch", "doctor", "completion"),
}
"""Every command once; the order in which they are added to the parser does not matter."""

FIRST = next(iter(HEADINGS))
"""Heading that argparse prints above its list of commands; the formatter inserts the others."""


class Formatter(argparse.HelpFormatter):
    """Help formatter that lists commands under their headings."""

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        entries = {entry.dest: super(Formatter, self)._format_action(entry) for entry in action._get_subactions()}
        groups = ["".join(entries.pop(name) for name in names) for names in HEADINGS.values()]
        assert not entries, f"commands without a heading: {', '.join(entries)}"
        return "".join(
            group if heading == FIRST else f"\n{heading}:\n{group}"
            for heading, group in zip(HEADINGS, groups, strict=True)
        )
