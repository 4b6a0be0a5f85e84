"""The catalogue of models: every file here with a function `build(num_classes, ...)`. No registry to edit.

Only `build` and `restore` import a model. The rest parses its source, so that a recipe is checked without TensorFlow.
"""

import ast
import importlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import hub_presets, published_weights, typed_values
from models.errors import ModelError
from models.typed_values import Parameter

if TYPE_CHECKING:
    import keras

RESERVED = {
    "num_classes": "it follows from the dataset",
    "synchronized": "it follows from the number of devices",
}
"""Parameters of a model's `build` that the pipeline sets, and from what; the others are a recipe's `model.options`."""

HASH = "_sha256"
"""Suffix of the parameter that holds the SHA-256 of a weights file: `weights` -> `weights_sha256`."""


def names() -> list[str]:
    """Return the names of all models, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if _build_function(path) is not None)


def parameters(name: str) -> dict[str, Any]:
    """Return a model's own parameters with their defaults, in the order of its `build`.

    >>> parameters("fast")
    {'width': 48, 'dropout': 0.1}

    Raises:
        ModelError: There is no such model.
    """
    return {key: parameter.default for key, parameter in _signature(name).items()}


def check(name: str, options: Mapping[str, Any]) -> None:
    """Raise ModelError, listing every problem, unless `name` is a model that accepts these options.

    Weights files may be missing, since a trained model is rebuilt without them; `require_weights` checks for them.
    """
    signature = _signature(name)
    problems = []
    for key, value in options.items():
        parameter = signature.get(key)
        if key in RESERVED:
            problems.append(f"Model {name!r} takes no parameter {key!r}: {RESERVED[key]}. Remove it.")
        elif parameter is None:
            hint = typed_values.did_you_mean(key, list(signature))
            problems.append(f"Model {name!r} takes no parameter {key!r}.{hint}")
        elif not typed_values.accepts(parameter.annotation, value):
            problems.append(parameter.describe_invalid(f"model {name!r}", value))
    problems += _hashes_without_file(name, options, signature)
    if options.keys() - signature.keys() - RESERVED.keys():
        known = ", ".join(f"{parameter.name}={parameter.default!r}" for parameter in signature.values())
        problems.append(f"Its parameters and their defaults: {known or 'none'}.")
    if problems:
        raise ModelError(" ".join(problems))


def require_weights(name: str, options: Mapping[str, Any]) -> None:
    """Raise ModelError unless every weights file and preset that these options name exists, and is readable.

    What reads it must be installed, and what is downloaded may be missing.
    """
    # SegNet's encoder and FCN's head are VGG16's, whatever the options.
    values = {"backbone": "vgg16", **parameters(name), **options}
    problems = []
    for parameter, value in zip(_weights(name), initial_weights(name, options), strict=True):
        what = f"Parameter {parameter.name!r} of model {name!r} is {value!r}. "
        try:
            if ast.unparse(parameter.annotation) == "PresetWeights":
                what = ""  # what is wrong is another parameter
                if value == "preset":
                    hub_presets.require(values["preset"])
            elif typed_values.is_file(value) and not Path(value).is_file():
                but = ", and there is no file of that name"
                problems.append(parameter.describe_invalid(f"model {name!r}", value, but))
            else:
                published_weights.locate_for(values["backbone"], value)
        except ModelError as error:
            problems.append(f"{what}{error}")
    if problems:
        raise ModelError(" ".join(problems))


def initial_weights(name: str, options: Mapping[str, Any]) -> list[str]:
    """Return the initial weights of a model's parts, each a value of type Weights or PresetWeights."""
    return [options.get(parameter.name, parameter.default) for parameter in _weights(name)]


def with_random_weights(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's options with random initial weights, so that building it downloads and reads nothing."""
    parts = [parameter.name for parameter in _weights(name)]
    kept = {key: value for key, value in options.items() if key.removesuffix(HASH) not in parts}
    return {**kept, **dict.fromkeys(parts, "random")}


def has_backbone(name: str) -> bool:
    """Whether a model has a backbone, which can be frozen and can have pretrained weights."""
    return bool(_weights(name))


def build(
    name: str, num_classes: int, options: Mapping[str, Any] | None = None, *, synchronized: bool = False
) -> "keras.Model":
    """Build a model: images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes] of the same size.

    >>> build("fast", num_classes=2, options={"width": 8}).output_shape
    (None, None, None, 2)

    Args:
        name: One of `names()`.
        num_classes: Number of predicted classes; ignored pixels are not a class.
        options: Values of the model's own parameters; see `parameters(name)`.
        synchronized: Share the batch statistics of normalisation layers between replicas.

    Returns:
        The model for training: with its auxiliary heads, if it has any (see models.auxiliary).

    Raises:
        ModelError: Unknown model, parameter or value, or weights that are missing, damaged or of another network.
    """
    options = dict(options or {})
    check(name, options)
    require_weights(name, options)
    if num_classes < 1:
        raise ModelError(f"Model {name!r} needs at least one class. Received: num_classes={num_classes}.")
    model: keras.Model = importlib.import_module(f"models.{name}").build(
        num_classes, synchronized=synchronized, **options
    )
    return model


def stride(name: str, options: Mapping[str, Any]) -> int:
    """Return a model's stride: it pads images to a multiple of it.

    It is the parameter `output_stride`, or 2 to the power of the parameter `depth`, or else the file's constant STRIDE.

    >>> stride("unet", {"depth": 3})
    8
    """
    values = {**parameters(name), **options}
    if "output_stride" in values:
        return int(values["output_stride"])
    if "depth" in values:
        return int(2 ** values["depth"])
    constant = _constant(name, "STRIDE")
    if constant is None:
        raise TypeError(f"models/{name}.py must hold STRIDE, or a parameter `output_stride` or `depth`.")
    return constant


def min_batch_size(name: str) -> int:
    """Return the fewest images that a model can be trained on at once: its constant MIN_BATCH_SIZE, else 1.

    Batch normalisation over a single pixel always returns 0, and the moving variance for inference decays to 0.
    """
    return _constant(name, "MIN_BATCH_SIZE") or 1


def check_size(name: str, options: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Raise ModelError for images (height, width) smaller than the model's stride: they would be mostly padding."""
    least = stride(name, options)
    height, width = size
    if min(size) < least:
        raise ModelError(
            f"Images of {height}x{width} are smaller than the stride {least} of model {name!r}. Use at least "
            f"{max(height, least)}x{max(width, least)}, or another model."
        )


def restore(name: str, num_classes: int, options: Mapping[str, Any], weights: Path) -> "keras.Model":
    """Build a model, load its trained weights, and return it without auxiliary heads.

    The backbone's initial weights are not loaded first: nothing is downloaded.

    Raises:
        ModelError: As `build`; or the file is missing, damaged, or of another network.
    """
    from models.auxiliary import without_heads
    from models.weights import load

    model = build(name, num_classes, with_random_weights(name, options))
    load(model, weights)
    return without_heads(model)


def _constant(name: str, constant: str) -> int | None:
    """Read an integer constant from a model's source; None if it has no such constant."""
    for node in ast.parse(_file(name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == constant:
            return int(ast.literal_eval(node.value))
    return None


def _signature(name: str) -> dict[str, Parameter]:
    known = names()
    if name not in known:
        hint = typed_values.did_you_mean(name, known)
        raise ModelError(f"There is no model {name!r}.{hint} Known models: {', '.join(known)}.")
    function = _build_function(_file(name))
    assert function is not None
    return {key: parameter for key, parameter in typed_values.parameters(function).items() if key not in RESERVED}


def _weights(name: str) -> list[Parameter]:
    """Return the parameters that choose initial weights."""
    kinds = ("Weights", "PresetWeights")
    return [parameter for parameter in _signature(name).values() if ast.unparse(parameter.annotation) in kinds]


def _hashes_without_file(name: str, options: Mapping[str, Any], signature: Mapping[str, Parameter]) -> list[str]:
    """Describe each SHA-256 that belongs to no weights file."""
    values = {key: parameter.default for key, parameter in signature.items()} | dict(options)
    hashes = [(key, key.removesuffix(HASH)) for key in signature if key.endswith(HASH) and values[key] is not None]
    return [
        f"Parameter {key!r} of model {name!r} is of a weights file, and {of!r} names none. Received: {values[of]!r}."
        for key, of in hashes
        if not typed_values.is_file(values[of])
    ]


def _file(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.py")


def _build_function(path: Path) -> ast.FunctionDef | None:
    return _read_build_function(path, path.stat().st_mtime_ns)


@cache
def _read_build_function(path: Path, _mtime_ns: int) -> ast.FunctionDef | None:
    text = path.read_text(encoding="utf-8")
    if "def build(" not in text:  # most files: parsing them all would take most of the time of a light command
        return None
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            first = node.args.args[:1]
            return node if first and first[0].arg == "num_classes" else None
    return None
