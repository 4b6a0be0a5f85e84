"""`segline inspect`: the layers of a network, its filters, and its activations for an image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image

from datasets.audit import MAX_PIXELS
from datasets.spec import DatasetSpec
from models import catalog, inspect
from models.auxiliary import without_heads
from models.errors import ModelError
from models.fit import Fit, Size
from models.image_file import Reading
from pipeline.analysis import subject_name, unfinished
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import INGEST, TRAIN
from pipeline.console.terminal import cut
from pipeline.drawing import file_name
from pipeline.drawing.channel_grid import grid
from pipeline.errors import UserError
from pipeline.export import facts, raw_image
from pipeline.serving.served_model import cannot_be_loaded
from pipeline.training import initial_weights, trained_model
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

if TYPE_CHECKING:
    import keras

VARIABLE = "_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Name of a variable in a SavedModel, by its index in the model's list; see models.servable."""

SIZE = (360, 480)
"""Default (height, width) of the summary's image, pixels; raised to the model's stride where that is larger."""

CLASSES = 19
"""Default number of classes of a model given by its name: that of Cityscapes."""

WIDTH = 80
"""Columns of the table."""

MAX_KIND = 16
"""Columns of the table for the kind of a layer, at most."""


@dataclass(frozen=True)
class Subject:
    """A model to inspect.

    Attributes:
        model: The network.
        name: Its name, for file names.
        fit: How images are resized for it; None: not at all.
        size: (height, width) of the summary's image, pixels.
        weights: Origin of its weights, in words.
        reading: How ingest read the images that it is trained on.
    """

    model: "keras.Model"
    name: str
    fit: Fit | None
    size: Size
    weights: str
    reading: Reading = Reading()  # noqa: RUF009 - a frozen value


def load(
    model: str,
    workspace: Workspace,
    *,
    options: Mapping[str, Any] | None = None,
    num_classes: int | None = None,
    size: Size | None = None,
) -> Subject:
    """Load a model.

    Args:
        model: See subject_name.find. A run may be training; a network has random weights, and a recipe those with
            which its training begins.
        workspace: Where runs are searched.
        options: The model's parameters; only for a name in models.catalog.
        num_classes: Channels of its logits; only for a name in models.catalog. None: CLASSES.
        size: (height, width) of the summary's image, pixels; None: the size that the model sees, or SIZE. Checked
            before the model is built.

    Raises:
        UserError: The run has no trained model, the SavedModel is not Segline's, `size` is below the stride, or
            `options` or `num_classes` are given for a model that has its own.
        ModelError: There is no such model, or it has no such options.
    """
    meaning = subject_name.find(model, workspace)
    if isinstance(meaning, str):
        seen = _size(model, options or {}, None, size)
        built = catalog.build(model, CLASSES if num_classes is None else num_classes, options)
        return Subject(built, model, None, seen, "random")
    if options or num_classes is not None:
        raise UserError(
            f"--option and --classes are for a model given by name. {model!r} is none, and has its own: leave them out."
        )
    if isinstance(meaning, Recipe):
        return _of_recipe(meaning, size)
    return _of_run(meaning, size) if isinstance(meaning, RunFolder) else _of_saved_model(meaning, size)


def _size(name: str, options: Mapping[str, Any], fit: Fit | None, size: Size | None) -> Size:
    """Return the size of the summary's image."""
    catalog.check(name, options)
    if size is None:
        stride = catalog.stride(name, options)
        return fit.size if fit else (max(SIZE[0], stride), max(SIZE[1], stride))
    try:
        catalog.check_size(name, options, size)
    except ModelError as error:
        raise UserError(f"--size: {error}") from None
    return size


def _of_recipe(recipe: Recipe, size: Size | None) -> Subject:
    """Build the model of a recipe with the weights with which its training begins."""
    name, spec = recipe.model.name, recipe.data.spec()
    seen = _size(name, recipe.model.options, recipe.input.fitting, size)
    model, begun = initial_weights.build(recipe, spec.num_classes)
    weights = begun or f"as the training of recipe {recipe.name} begins"
    return Subject(without_heads(model), name, recipe.input.fitting, seen, weights, raw_image.reading_of(spec))


def _of_run(run: RunFolder, size: Size | None) -> Subject:
    """Load the model that a run trained or, before its training ends, the newest checkpoint."""
    recipe, weights = run.recipe(), f"run {run.id}"
    seen = _size(recipe.model.name, recipe.model.options, recipe.input.fitting, size)
    spec = DatasetSpec.read(run.artifact(INGEST) / "spec.json")
    if (run.path / TRAIN).is_dir():
        model = trained_model.load(run.artifact(TRAIN), recipe.model, spec.num_classes)
    else:
        workspace = Workspace(run.path.resolve().parents[1])
        model, step = unfinished.load(run, workspace, recipe.model, spec.num_classes)
        weights += f", after step {step} of an unfinished training"
    return Subject(model, recipe.model.name, recipe.input.fitting, seen, weights, raw_image.reading_of(spec))


def _of_saved_model(folder: Path, size: Size | None) -> Subject:
    """Build the network that segline.json names, with the SavedModel's weights."""
    card = facts.read(folder)
    name = card["model"]["name"]
    options = catalog.with_random_weights(name, card["model"]["options"])
    seen = _size(name, options, facts.fit(card), size)
    model = without_heads(catalog.build(name, len(card["classes"]), options))
    keys = {VARIABLE.format(index): variable for index, variable in enumerate(model.variables)}
    stored = _stored(folder, list(keys))
    for key, variable in keys.items():
        if key not in stored or stored[key].shape != tuple(variable.shape):
            raise UserError(
                f"{str(folder)!r} holds no weights for {variable.path} of model {name!r}: it was exported by another "
                "version of Segline. Inspect it with that version, or export it again."
            )
        variable.assign(stored[key])
    return Subject(model, name, facts.fit(card), seen, str(folder), raw_image.reading_of(card))


def _stored(folder: Path, keys: list[str]) -> dict[str, np.ndarray]:
    """Read those variables of a SavedModel that it has, by their names."""
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        return {key: reader.get_tensor(key) for key in keys if reader.has_tensor(key)}
    except Exception as error:  # of any kind: of the index, of a block, of a checksum
        raise cannot_be_loaded(folder, error) from None


def table(model: "keras.Model", size: Size) -> list[str]:
    """Lay out a model's layers and their sums, for an image of `size`, in lines of at most WIDTH columns.

    A name is never shortened, as --filters takes it: one that is too long has a line of its own.
    """
    rows = inspect.summary(model, size)
    cells = [("layer", "kind", "output", "weights", "M MACs"), *map(_cells, rows)]
    _, kinds, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    kinds = min(kinds, MAX_KIND)
    names = WIDTH - kinds - sum(others) - len(others) - 1
    lines = []
    for name, kind, *numbers in cells:
        if len(name) > names:
            lines.append(name)
            name = ""
        right = " ".join(f"{number:>{width}}" for number, width in zip(numbers, others, strict=True))
        lines.append(f"{name:<{names}} {cut(kind, kinds):<{kinds}} {right}".rstrip())
    trainable = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    total, products = sum(row.weights for row in rows), sum(row.macs for row in rows)
    return [
        *lines,
        "",
        f"{len(rows)} layers; {total:,} weights, {trainable:,} of them trainable",
        f"{products / 1e9:.2f} G multiply-adds for an image of {size[0]}x{size[1]}",
    ]


def _cells(row: inspect.Row) -> tuple[str, str, str, str, str]:
    """Return the table's cells of a layer."""
    shape = "x".join(map(str, row.shape))
    weights = f"{row.weights:,}" if row.weights else ""
    macs = f"{row.macs / 1e6:,.1f}" if row.macs else ""
    return row.name, row.kind, shape, weights, macs


def draw(
    subject: Subject,
    out: Path,
    *,
    filters: str | None = None,
    number: int | None = None,
    activations: str | None = None,
    image: Path | None = None,
) -> list[Path]:
    """Draw grids of filters and activations as <out>/<model>-<layer>-<kind>.png; return their paths.

    Args:
        subject: The model.
        out: Folder; created if missing.
        filters: Layer whose filters are drawn.
        number: Index of one filter, of which every channel is drawn; None: all filters.
        activations: Layer whose activations for `image` are drawn.
        image: Image file.

    Raises:
        UserError: `activations` is given without `image`, or the image cannot be read.
        ModelError: There is no such layer or filter.
    """
    pictures = {}
    if filters:
        kind, title = ("filters", filters) if number is None else (f"filter{number}", f"{filters} filter {number}")
        pictures[f"{filters}-{kind}"] = grid(inspect.filters(subject.model, filters, number), title)
    if activations:
        if image is None:
            raise UserError("--activations needs an image: --image FILE.")
        seen = inspect.activations(subject.model, activations, _read(image, subject.reading), subject.fit)
        pictures[f"{activations}-{image.stem}"] = grid(seen, f"{activations} {image.name}")
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in pictures.items():
        paths.append(out / f"{subject.name}-{file_name.sanitize(name)}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths


def _read(path: Path, reading: Reading) -> np.ndarray:
    try:
        return raw_image.RawImages(reading, MAX_PIXELS).read(path.read_bytes())
    except OSError as error:
        raise UserError(f"--image: {str(path)!r} cannot be read: {error.strerror}.") from None
    except raw_image.BadImageError as error:
        raise UserError(f"--image: {str(path)!r} cannot be read: {error}") from None
