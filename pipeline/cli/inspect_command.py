"""`segline inspect`: the command line of pipeline.analysis.inspection."""

import argparse
import re
from pathlib import Path

from pipeline.errors import UserError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", *, workspace: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    add = commands.add_parser("inspect", parents=[workspace], help="layers of a model, its filters, what they answer")
    add.add_argument("model", metavar="MODEL", help="SavedModel, run, what train left, or a model's name")
    add.add_argument("--summary", action="store_true", help="layers, shapes, weights, multiply-adds (the default)")
    add.add_argument("--size", metavar="HxW", help="for --summary (default: what the model sees, or 360x480)")
    add.add_argument("--filters", metavar="LAYER", help="draw every filter of a convolution")
    add.add_argument("--filter", metavar="N", type=int, help="of --filters: this one alone, every channel that it sees")
    add.add_argument("--activations", metavar="LAYER", help="draw every channel of what a layer answers to --image")
    add.add_argument("--image", metavar="FILE", type=Path, help="PNG, JPEG, BMP or WebP")
    add.add_argument("--out", metavar="DIR", type=Path, default=Path(), help="folder for pictures (default: here)")
    add.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[], help="of a model given by name: a parameter"
    )
    add.add_argument("--classes", metavar="N", type=int, help="of a model given by name (default: 19)")
    add.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    """Print the table, write the pictures, or both."""
    size = _size(options.size) if options.size else None
    chosen = dict(_option(text) for text in options.option)
    if options.image and not options.activations:
        raise UserError(f"--image {options.image} needs the layer that answers to it: --activations LAYER.")
    if options.filter is not None and not options.filters:
        raise UserError(f"--filter {options.filter} needs the layer whose filter it is: --filters LAYER.")
    from pipeline.cli import output_paths
    from pipeline.console.quiet import quiet

    output_paths.require_folder(options.out)
    with quiet():
        from pipeline.analysis import inspection
    from pipeline.workspace.layout import Workspace

    subject = inspection.load(
        options.model, Workspace(options.workspace), options=chosen, num_classes=options.classes, size=size
    )
    print(f"{subject.name}, weights: {subject.weights}")
    if options.summary or not (options.filters or options.activations):
        print("\n".join(inspection.table(subject.model, subject.size)))
    if options.filters or options.activations:
        drawn = inspection.draw(
            subject,
            options.out,
            filters=options.filters,
            number=options.filter,
            activations=options.activations,
            image=options.image,
        )
        print("\n".join(map(str, drawn)))


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or "0" in match.groups():
        raise UserError(f"--size must be HEIGHTxWIDTH, such as 360x480. Received: {text!r}.")
    return int(match[1]), int(match[2])


def _option(text: str) -> tuple[str, object]:
    from pipeline.config import yaml_loader

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--option must be KEY=VALUE, such as --option output_stride=8. Received: {text!r}.")
    return key, yaml_loader.value(value)
