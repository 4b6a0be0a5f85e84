"""What commands, options and settings of other tools are called here: a hint in place of argparse's error."""

import argparse
import difflib
import re
import shlex
from collections.abc import Mapping, Sequence

from pipeline.cli.headings import HEADINGS

TRAIN = "`segline run RECIPE` trains, then evaluates, judges and exports; with --until train it ends with the training."
MEASURE = "`segline run RECIPE --until evaluate` measures; a finished training is reused."
RESUME = "The same `segline run RECIPE` resumes an interrupted training from its newest checkpoint."
PRECISION = "--set train.precision=auto computes in 16 bits where the machine does."
GPUS = "Every GPU is used: CUDA_VISIBLE_DEVICES chooses some, and --set train.strategy=one_device takes one."

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "fit"), TRAIN),
    **dict.fromkeys(("val", "validate", "eval", "evaluate"), MEASURE),
    "test": f"{MEASURE} Another split: --set evaluate.split=test",
    "resume": RESUME,
    "export": "`segline run RECIPE` exports what its gate lets pass; more formats: --set export.formats=[onnx]",
    **dict.fromkeys(("infer", "inference", "segment"), "`segline predict MODEL PATH --out DIR` segments images."),
    **dict.fromkeys(("models", "networks", "zoo"), "`segline inspect NAME` shows a network. Networks: {models}."),
    **dict.fromkeys(("ls", "list", "history"), "`segline runs` lists runs; `segline recipes` lists recipes."),
    **dict.fromkeys(("cfg", "config"), "`segline show RECIPE` prints a recipe with all its settings."),
    "version": "`segline --version` prints it.",
    "help": "`segline --help` lists the commands, `segline COMMAND --help` a command's options.",
}
"""Commands that other tools have, and what to do here; {models} stands for the names of the networks."""

OPTIONS: Mapping[str, str] = {
    "resume": RESUME,
    **dict.fromkeys(("amp", "fp16", "mixed_precision"), PRECISION),
    **dict.fromkeys(("device", "devices", "gpu", "gpus", "gpu_ids", "num_gpus"), GPUS),
    **dict.fromkeys(("workers", "num_workers"), "Images are read by as many threads as keep up: leave it out."),
}
"""Options of other tools that are no setting of a recipe, with underscores, and what to do here."""


def hint(parser: argparse.ArgumentParser, given: Sequence[str]) -> str:
    """Return what to write instead of arguments that are usual elsewhere; "" where argparse can judge them.

    Args:
        parser: The parser of all commands.
        given: The arguments.
    """
    if not given or given[0].startswith("-"):
        return ""
    command = _commands(parser).get(given[0])
    if command is None:
        return f"there is no command {given[0]!r}. {_command(given[0])}"
    return _settings(command, given) if "--set" in command._option_string_actions else ""


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    return next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))


def _command(word: str) -> str:
    if known := COMMANDS.get(word.lower()):
        from models import catalog

        return known.format(models=", ".join(catalog.names())) if "{" in known else known
    near = difflib.get_close_matches(word, [name for names in HEADINGS.values() for name in names], n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return f"{guess}`segline --help` lists all."


def _settings(command: argparse.ArgumentParser, given: Sequence[str]) -> str:
    """Translate options and words such as --epochs 3 and epochs=3, which are settings of the recipe."""
    words, said, skip = [given[0]], list[str](), False
    for before, word, after in zip(given[:-1], given[1:], [*given[2:], ""], strict=True):
        name, equals, value = word.lstrip("-").partition("=")
        if skip:
            skip = False
        elif _is_value(command, before) or not _is_foreign(command, word):
            words.append(word)
        elif text := OPTIONS.get(name.replace("-", "_")):
            said.append(f"{command.prog} has no {word.partition('=')[0]}. {text}")
        elif len(keys := _keys(name)) == 1:
            skip = word.startswith("-") and not equals and bool(after) and not after.startswith("-")
            value = value if equals else after if skip else "true"
            if keys[0] == "input.size" and value.isdecimal():  # elsewhere one number is the side of a square
                value = f"[{value},{value}]"
            words += ["--set", f"{keys[0]}={value}"]
            said.append(f"{name} is a setting of the recipe, {keys[0]}.")
        else:
            words.append(word)
    if "--set" in words and said:
        said.append(f"Write: {shlex.join(['segline', *words])}")
    return " ".join(said)


def _is_foreign(command: argparse.ArgumentParser, word: str) -> bool:
    """Return whether a word is an option that the command lacks, or KEY=VALUE without an option."""
    if re.fullmatch(r"--[\w-]+(=.*)?", word):
        return not any(option.startswith(word.partition("=")[0]) for option in command._option_string_actions)
    return re.fullmatch(r"[A-Za-z_][\w.]*=.*", word) is not None


def _is_value(command: argparse.ArgumentParser, before: str) -> bool:
    """Return whether the word after `before` is the value of that option."""
    action = command._option_string_actions.get(before)
    return action is not None and action.nargs != 0


def _keys(name: str) -> list[str]:
    from pipeline.config import recipe_file

    return recipe_file.keys_named(name.replace("-", "_"))
