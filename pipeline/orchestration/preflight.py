"""`segline check`: verify the recipe, raw files, disk space, devices and model before a run. No step is run."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from datasets.errors import DatasetError
from models import catalog
from models.errors import ModelError
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import STEP_NAMES
from pipeline.data import recipe_builder
from pipeline.data.raw_examples import RawExamples
from pipeline.input import input_check, records
from pipeline.orchestration import machine_check, network_check
from pipeline.storage import raw_files
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace

RECORDS_PER_RAW = 1.1
"""Size of the records relative to the raw files: the encoded images unchanged, masks not larger, plus framing."""

WEIGHTS_AND_EVENTS = 1e9
"""Bytes for checkpoints, the exported model and TensorBoard events; a large network needs twice that."""


def check(recipe: Recipe, workspace: Workspace) -> list[str]:
    """Print one line for each check and return the problems that would stop a run.

    Args:
        recipe: A loaded recipe; its settings are valid.
        workspace: Where the run would write; it need not exist.
    """
    print(f"recipe    {recipe.name}: all settings are valid")
    problems: list[str] = []
    size = _raw(recipe, problems)
    _disk(workspace.root, size * RECORDS_PER_RAW + WEIGHTS_AND_EVENTS, problems)
    print(f"devices   {machine_check.describe()}")
    if recipe.train.batch_size == "auto":
        print("batch     as many images as fit into memory; trial steps find the number before training")
    problems += machine_check.problems(recipe, STEP_NAMES)
    _model(recipe, problems)
    return problems


def _raw(recipe: Recipe, problems: list[str]) -> int:
    """Check the raw files; return the size in bytes of those that the dataset reads."""
    folder = recipe.data.manual_dir.expanduser()
    if not folder.is_dir() and recipe.data.url:
        print(f"raw       {recipe.data.url}: not fetched yet")
        return 0
    counts: dict[str, int] = {}
    patterns: tuple[str, ...] = ()
    try:
        patterns = recipe.data.spec().patterns
        if not folder.is_dir():
            problems.append(raw_files.missing_message(recipe.data))
            return 0
        builder = recipe_builder.builder(recipe, folder)
        counts = builder.survey(folder)
        sizes = RawExamples(builder, folder).sizes(records.TRAIN)
    except DatasetError as error:
        problems.append(str(error))
    else:
        problems += _counts(recipe, counts)
        problems += _sizes(recipe, sizes)
    size = digest.size(folder, patterns)
    splits = ", ".join(f"{split} {count}" for split, count in counts.items()) or "invalid"
    print(f"raw       {folder}: {splits}, {size / 1e6:.0f} MB")
    return size


def _counts(recipe: Recipe, counts: dict[str, int]) -> list[str]:
    problems = []
    if not counts.get(recipe.evaluate.split):
        problems.append(f"evaluate.split: no split {recipe.evaluate.split!r}. Splits: {', '.join(counts)}.")
    images = input_check.count_examples(recipe.input, {"any": counts.get(records.TRAIN, 0)})
    if images < recipe.train.images:
        copies = ", copies included" if recipe.input.copies else ""
        problems.append(
            f"train.batch_size: {recipe.train.images} is more than the {images} images of split "
            f"{records.TRAIN!r}{copies}."
        )
    return problems


def _sizes(recipe: Recipe, sizes: Mapping[str, int]) -> list[str]:
    """Return why training images of these sizes, {"360x480": 367}, cannot be trained on."""
    if not sizes:
        return []
    problems = input_check.problems_of_sizes(recipe.input, recipe.train, sizes)
    if not (recipe.input.size or recipe.input.augment.crop):
        smallest = min((tuple(map(int, size.split("x"))) for size in sizes), key=min)
        try:
            catalog.check_size(recipe.model.name, recipe.model.options, (smallest[0], smallest[1]))
        except ModelError as error:
            problems.append(f"model: {error}")
    return problems


def _disk(root: Path, needed: float, problems: list[str]) -> None:
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    print(f"disk      {free / 1e9:.1f} GB free at {existing}, about {needed / 1e9:.1f} GB needed")
    if free < needed:
        problems.append(
            f"--workspace: {existing} has {free / 1e9:.1f} GB free and about {needed / 1e9:.1f} are needed."
        )


def _model(recipe: Recipe, problems: list[str]) -> None:
    """Build the network where its initial weights are downloaded or read, or layers are looked up by name."""
    if not network_check.needed(recipe):
        print(f"model     {recipe.model.name}: from random weights")
        return
    try:
        network_check.look(recipe)
    except ModelError as error:
        problems.append(f"model: {error}")
    except DatasetError:
        pass  # a missing or invalid layout is reported with the raw files
