"""`segline inspect`: what a network is made of, its filters, and what its layers answer to an image."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image

from datasets.spec import DatasetSpec
from models import catalog, image_file
from models import inspect as looking
from models.auxiliary import without_heads
from models.errors import ModelError
from models.fit import Fit, Size
from pipeline.analysis import unfinished
from pipeline.console.terminal import cut
from pipeline.drawing import file_name
from pipeline.drawing.channel_grid import grid
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.serving.served_model import newest_version
from pipeline.training import trained_model
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.run_folder import RunFolder

if TYPE_CHECKING:
    import keras

VARIABLE = "_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Name of a variable in a SavedModel, by its place in the model's list; see models.servable."""

SIZE = (360, 480)
"""Of the image that the summary is for, where neither --size nor the model says one; never below the model's stride."""

CLASSES = 19
"""Of a model given by its name, where nothing else is said: those of Cityscapes."""

WIDTH = 80
"""Columns of the table."""

WIDEST_KIND = 16
"""Columns that it spends on the kind of a layer at most."""


@dataclass(frozen=True)
class Subject:
    """A model to look at.

    Attributes:
        model: It.
        name: What to call it in the names of files.
        fit: How images come to the size that it sees; None: as they are.
        size: (height, width) of the image that its summary is for.
        weights: Where its weights come from, in words.
        image_range: Values of a 16-bit image that become 0 and 255; None: its high bytes count.
    """

    model: "keras.Model"
    name: str
    fit: Fit | None
    size: Size
    weights: str
    image_range: tuple[float, float] | None = None


def load(
    model: str,
    workspace: Workspace,
    *,
    options: Mapping[str, Any] | None = None,
    num_classes: int | None = None,
    size: Size | None = None,
) -> Subject:
    """Find and rebuild a model.

    Args:
        model: A SavedModel that Segline exported, or a folder of its versions; a run, by its name or folder, also one
            whose training goes on; what a train step left; or a model of models.catalog, with random weights.
        workspace: Where runs are looked for.
        options: For a model of the catalogue alone: its parameters.
        num_classes: For a model of the catalogue alone; None: CLASSES.
        size: Of the image that the summary is for; None: what the model sees, or SIZE. Looked at before the model is
            built.

    Raises:
        UserError: The run has no trained model, the SavedModel is none of Segline's, `size` is below the stride, or a
            model that has options and classes of its own is given others.
        ModelError: There is no such model, or it takes other options.
    """
    folder = _folder(model, workspace)
    if folder is None:
        seen = _size(model, options or {}, None, size)
        built = catalog.build(model, CLASSES if num_classes is None else num_classes, options)
        return Subject(built, model, None, seen, "random")
    if options or num_classes is not None:
        raise UserError(
            f"--option and --classes are of a model given by name. {model!r} is the folder {folder}, and has its own: "
            "leave them out."
        )
    if (folder / "recipe.yaml").is_file():
        return _of_run(RunFolder(folder), size)
    return _of_saved_model(newest_version(folder), size)


def _folder(model: str, workspace: Workspace) -> Path | None:
    """Give the folder of the run or the SavedModel that is meant; None: it is a model of the catalogue."""
    path = Path(model)
    if (path / SEAL).is_file():
        return path / "saved_model" if read_seal(path)["step"] == "export" else _run_of(path)
    if path.is_dir():
        return path
    if (workspace.run(model) / "recipe.yaml").is_file():
        return workspace.run(model)
    if path.exists() or len(path.parts) > 1:
        raise UserError(f"{model!r} is no folder. Give a SavedModel, a run, what a train step left, or a model's name.")
    return None


def _size(name: str, options: Mapping[str, Any], fit: Fit | None, asked: Size | None) -> Size:
    """Give the size that the summary is for."""
    catalog.check(name, options)
    if asked is None:
        least = catalog.stride(name, options)
        return fit.size if fit else (max(SIZE[0], least), max(SIZE[1], least))
    try:
        catalog.check_size(name, options, asked)
    except ModelError as error:
        raise UserError(f"--size: {error}") from None
    return asked


def _run_of(artifact: Path) -> Path:
    """Give the folder of the run that made an artifact."""
    return artifact.resolve().parents[2] / "runs" / str(read_seal(artifact)["run"])


def _of_run(run: RunFolder, size: Size | None) -> Subject:
    """Rebuild what a run trained or, where it has not ended yet, what it trains."""
    recipe, weights = run.recipe(), f"run {run.id}"
    seen = _size(recipe.model.name, recipe.model.options, recipe.input.fitting, size)
    spec = DatasetSpec.read(run.artifact("ingest") / "spec.json")
    if (run.path / "train").is_dir():
        model = trained_model.load(run.artifact("train"), recipe.model, spec.num_classes)
    else:
        workspace = Workspace(run.path.resolve().parents[1])
        model, step = unfinished.load(run, workspace, recipe.model, spec.num_classes)
        weights += f", as they were after step {step}"
    return Subject(model, recipe.model.name, recipe.input.fitting, seen, weights, spec.image_range)


def _of_saved_model(folder: Path, size: Size | None) -> Subject:
    """Rebuild the network that segline.json names, and give it the SavedModel's weights."""
    told = facts.read(folder)
    name = told["model"]["name"]
    options = catalog.untrained(name, told["model"]["options"])
    seen = _size(name, options, facts.fit(told), size)
    model = without_heads(catalog.build(name, len(told["classes"]), options))
    stored = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    for place, variable in enumerate(model.variables):
        key = VARIABLE.format(place)
        if not stored.has_tensor(key) or stored.get_tensor(key).shape != tuple(variable.shape):
            raise UserError(
                f"{str(folder)!r} holds no weights for {variable.path} of model {name!r}: it was exported by another "
                "version of Segline. Look at it with that one, or export it again."
            )
        variable.assign(stored.get_tensor(key))
    return Subject(model, name, facts.fit(told), seen, str(folder), facts.image_range(told))


def table(model: "keras.Model", size: Size) -> list[str]:
    """Lay out a model's layers in lines of at most WIDTH columns, and their sums.

    A name is never cut, as it is what --filters takes: one that is too long has a line of its own.
    """
    rows = looking.summary(model, size)
    cells = [("layer", "kind", "output", "weights", "M MACs"), *map(_cells, rows)]
    _, kinds, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    kinds = min(kinds, WIDEST_KIND)
    names = WIDTH - kinds - sum(others) - len(others) - 1
    lines = []
    for name, kind, *numbers in cells:
        if len(name) > names:
            lines.append(name)
            name = ""
        right = " ".join(f"{number:>{width}}" for number, width in zip(numbers, others, strict=True))
        lines.append(f"{name:<{names}} {cut(kind, kinds):<{kinds}} {right}".rstrip())
    learn = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    total, products = sum(row.weights for row in rows), sum(row.macs for row in rows)
    return [
        *lines,
        "",
        f"{len(rows)} layers; {total:,} weights, of which training changes {learn:,}",
        f"{products / 1e9:.2f} G multiply-adds for an image of {size[0]}x{size[1]}",
    ]


def _cells(row: looking.Row) -> tuple[str, str, str, str, str]:
    """Give what the table says of a layer."""
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
    """Write the grids that are asked for, <out>/<model>-<layer>-<kind>.png; give their paths.

    Args:
        subject: The model.
        out: Folder, made where it is missing.
        filters: Layer whose filters are drawn.
        number: The one of them that is drawn, every channel by itself; None: all.
        activations: Layer whose answer to `image` is drawn.
        image: File.
    """
    pictures = {}
    if filters:
        kind, title = ("filters", filters) if number is None else (f"filter{number}", f"{filters} filter {number}")
        pictures[f"{filters}-{kind}"] = grid(looking.filters(subject.model, filters, number), title)
    if activations:
        if image is None:
            raise UserError("--activations needs an image to answer to: --image FILE.")
        seen = looking.activations(subject.model, activations, _read(image, subject.image_range), subject.fit)
        pictures[f"{activations}-{image.stem}"] = grid(seen, f"{activations} {image.name}")
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in pictures.items():
        paths.append(out / f"{subject.name}-{file_name.plain(name)}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths


def _read(path: Path, image_range: tuple[float, float] | None) -> np.ndarray:
    try:
        pixels: np.ndarray = image_file.decode(tf.constant(path.read_bytes()), image_range).numpy()
    except OSError as error:
        raise UserError(f"--image: {str(path)!r} cannot be read: {error.strerror}.") from None
    except tf.errors.InvalidArgumentError:
        raise UserError(f"--image: {str(path)!r} is no image, or damaged.") from None
    return pixels
