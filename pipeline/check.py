"""`segline check`: would this recipe run here? Recipe, raw files, disk and devices are looked at; nothing is run."""

import shutil
from pathlib import Path

from datasets import catalog
from datasets.errors import DatasetError
from pipeline import devices, records
from pipeline.config import Recipe
from pipeline.errors import UserError
from pipeline.workspace import Workspace

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
    return problems


def _raw(recipe: Recipe, problems: list[str]) -> int:
    """Size in bytes of the raw files that the dataset would read."""
    folder = recipe.data.manual_dir.expanduser()
    sources = catalog.spec(recipe.data.name).sources
    if not folder.is_dir():
        problems.append(
            f"data.manual_dir: there is no folder {str(folder)!r}. "
            f"It should hold the raw files of {recipe.data.name}: {', '.join(sources)}."
        )
        return 0
    counts: dict[str, int] = {}
    try:
        counts = catalog.builder(
            recipe.data.name, config=recipe.data.config, data_dir=folder, allow_partial=recipe.data.allow_partial
        ).survey(folder)
    except DatasetError as error:
        problems.append(str(error))
    else:
        problems += _counts(recipe, counts)
    present = [folder / source for source in sources if (folder / source).exists()]
    files = [path for source in present for path in ([source] if source.is_file() else source.rglob("*"))]
    size = sum(path.stat().st_size for path in files if path.is_file())
    told = ", ".join(f"{split} {count}" for split, count in counts.items()) or "not as it should be"
    print(f"raw       {folder}: {told}, {size / 1e6:.0f} MB")
    return size


def _counts(recipe: Recipe, counts: dict[str, int]) -> list[str]:
    problems = []
    if not counts.get(recipe.evaluate.split):
        problems.append(f"evaluate.split: there is no split {recipe.evaluate.split!r}. Splits: {', '.join(counts)}.")
    if counts.get(records.TRAIN, 0) < recipe.train.batch_size:
        problems.append(
            f"train.batch_size: {recipe.train.batch_size} is more than the {counts.get(records.TRAIN, 0)} images of "
            f"split {records.TRAIN!r}."
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
