"""`segline check`: would this recipe run here? Recipe, raw files, disk and devices are looked at; nothing is run."""

import shutil
from pathlib import Path

from datasets.errors import DatasetError
from models import libraries
from models.errors import ModelError
from pipeline.cluster import devices
from pipeline.config.recipe import Recipe
from pipeline.data import recipe_builder
from pipeline.errors import UserError
from pipeline.input import input_check, records
from pipeline.orchestration import network_check
from pipeline.storage import raw_files
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace

RECORDS_PER_RAW = 1.1
"""Records hold the images' own bytes, and masks that are at most as large as the raw ones, plus framing."""

WEIGHTS_AND_EVENTS = 1e9
"""Bytes that checkpoints, the exported model and TensorBoard's events may take; a large network's take twice that."""


def check(recipe: Recipe, workspace: Workspace) -> list[str]:
    """Print what was found, one line each, and return what stands in the way."""
    print(f"recipe    {recipe.name}: every setting is right")
    problems: list[str] = []
    size = _raw(recipe, problems)
    _disk(workspace.root, size * RECORDS_PER_RAW + WEIGHTS_AND_EVENTS, problems)
    _devices(recipe, problems)
    _model(recipe, problems)
    _formats(recipe, problems)
    return problems


def _raw(recipe: Recipe, problems: list[str]) -> int:
    """Size in bytes of the raw files that the dataset would read."""
    folder = recipe.data.manual_dir.expanduser()
    if not folder.is_dir() and recipe.data.url:
        print(f"raw       {recipe.data.url}: not fetched yet")
        return 0
    counts: dict[str, int] = {}
    patterns: tuple[str, ...] = ()
    try:
        patterns = recipe.data.spec().patterns
        if not folder.is_dir():
            problems.append(raw_files.missing(recipe.data))
            return 0
        counts = recipe_builder.builder(recipe, folder).survey(folder)
    except DatasetError as error:
        problems.append(str(error))
    else:
        problems += _counts(recipe, counts)
    size = digest.size(folder, patterns)
    told = ", ".join(f"{split} {count}" for split, count in counts.items()) or "not as it should be"
    print(f"raw       {folder}: {told}, {size / 1e6:.0f} MB")
    return size


def _counts(recipe: Recipe, counts: dict[str, int]) -> list[str]:
    problems = []
    if not counts.get(recipe.evaluate.split):
        problems.append(f"evaluate.split: there is no split {recipe.evaluate.split!r}. Splits: {', '.join(counts)}.")
    images = input_check.number(recipe.input, {"any": counts.get(records.TRAIN, 0)})
    if images < recipe.train.images:
        copies = ", copies included" if recipe.input.copies else ""
        problems.append(
            f"train.batch_size: {recipe.train.images} is more than the {images} images of split "
            f"{records.TRAIN!r}{copies}."
        )
    return problems


def _disk(root: Path, needed: float, problems: list[str]) -> None:
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    print(f"disk      {free / 1e9:.1f} GB free at {existing}, about {needed / 1e9:.1f} GB needed")
    if free < needed:
        problems.append(
            f"--workspace: {existing} has {free / 1e9:.1f} GB free and about {needed / 1e9:.1f} are needed."
        )


def _devices(recipe: Recipe, problems: list[str]) -> None:
    try:
        devices.strategy(recipe.train)
    except UserError as error:
        problems.append(str(error))
    print(f"devices   {devices.describe()}")
    if recipe.train.batch_size == "auto":
        print("batch     as many images as fit the memory: trial steps find it before training")


def _model(recipe: Recipe, problems: list[str]) -> None:
    """Build the network: its weights are fetched or read."""
    try:
        network_check.look(recipe)
    except ModelError as error:
        problems.append(f"model: {error}")
    except DatasetError:
        pass  # a layout that is missing or wrong is told with the raw files


def _formats(recipe: Recipe, problems: list[str]) -> None:
    try:
        libraries.require(recipe.export.formats)
    except ModelError as error:
        problems.append(str(error))
