"""`segline inspect`: layers, filters and activations of a model."""

import argparse
import re
from pathlib import Path

from pipeline.cli.commands import Commands
from pipeline.errors import UserError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add("inspect", inspect_model, "show the layers, filters and activations of a model", "workspace")
    parser.add_argument("model", metavar="MODEL", help="a SavedModel, a run, a train artifact, a recipe, or a network")
    parser.add_argument("--summary", action="store_true", help="layers, shapes, weights, multiply-adds (the default)")
    parser.add_argument("--size", metavar="HxW", help="for --summary (default: the input size, or 360x480)")
    parser.add_argument("--filters", metavar="LAYER", help="draw every filter of a convolution")
    parser.add_argument("--filter", metavar="N", type=int, help="with --filters: only filter N, all its input channels")
    parser.add_argument("--activations", metavar="LAYER", help="draw every channel of a layer's output for --image")
    parser.add_argument("--image", metavar="FILE", type=Path, help="PNG, JPEG, BMP or WebP")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(), help="folder for images (default: here)")
    parser.add_argument(
        "--option", metavar="KEY=VALUE", action="append", default=[], help="for a model given by name: set a parameter"
    )
    parser.add_argument("--classes", metavar="N", type=int, help="for a model given by name (default: 19)")


def inspect_model(options: argparse.Namespace) -> None:
    """Print the table of layers, write images of filters and activations, or both."""
    size = _size(options.size) if options.size else None
    parameters = dict(_option(text) for text in options.option)
    if options.image and not options.activations:
        raise UserError(f"--image {options.image} needs a layer whose output to draw: --activations LAYER.")
    if options.filter is not None and not options.filters:
        raise UserError(f"--filter {options.filter} needs the layer of the filter: --filters LAYER.")
    from pipeline.analysis import subject_name
    from pipeline.cli import output_paths
    from pipeline.console.quiet import quiet
    from pipeline.workspace.layout import Workspace

    output_paths.require_folder(options.out)
    if options.image:
        output_paths.require_file(options.image, "--image")
    workspace = Workspace(options.workspace)
    subject_name.find(options.model, workspace)  # before TensorFlow is imported, which takes seconds
    with quiet():
        from pipeline.analysis import inspection
    subject = inspection.load(options.model, workspace, options=parameters, num_classes=options.classes, size=size)
    print(f"{subject.name}, weights: {subject.weights}")
    if options.summary or not (options.filters or options.activations):
        print("\n".join(inspection.table(subject.model, subject.size)))
    if options.filters or options.activations:
        paths = inspection.draw(
            subject,
            options.out,
            filters=options.filters,
            number=options.filter,
            activations=options.activations,
            image=options.image,
        )
        print("\n".join(map(str, paths)))


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or "0" in match.groups():
        raise UserError(f"--size must be HEIGHTxWIDTH, such as 360x480. Received: {text!r}.")
    return int(match[1]), int(match[2])


def _option(text: str) -> tuple[str, object]:
    from datasets import plain_yaml

    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--option must be KEY=VALUE, such as --option output_stride=8. Received: {text!r}.")
    return key, plain_yaml.value(value)
