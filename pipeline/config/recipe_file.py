"""Find a recipe, read its YAML, apply --set, and report every mistake at once, each with its key."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from datasets import plain_yaml
from models import catalog
from models.errors import ModelError
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError

RECIPES = Path(__file__).parents[1] / "recipes"

MANY = 3
"""A key that more sections have is nobody's guess."""

SYNONYMS = {
    **dict.fromkeys(("lr", "lr0", "base_lr"), "train.learning_rate"),
    **dict.fromkeys(("batch", "bs", "batchsize"), "train.batch_size"),
    **dict.fromkeys(("max_epochs", "num_epochs"), "train.epochs"),
    **dict.fromkeys(("wd", "decay"), "train.weight_decay"),
    **dict.fromkeys(("imgsz", "img_size", "image_size"), "input.size"),
    "crop_size": "input.augment.crop",
    **dict.fromkeys(("arch", "network"), "model.name"),
    **dict.fromkeys(("encoder", "backbone_name"), "model.options.backbone"),
    **dict.fromkeys(("data_dir", "data_root", "dataset_dir"), "data.manual_dir"),
    **dict.fromkeys(("amp", "fp16", "mixed_precision"), "train.precision"),
}
"""Keys of settings as other tools call them."""


def names() -> list[str]:
    """Names of the recipes that come with Segline, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def headline(name: str) -> str:
    """First comment line of a recipe that comes with Segline: what it does."""
    first = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ").rstrip()


def find(recipe: str) -> Path:
    """Return the file of `recipe`: a name of `names()`, or a path to a YAML file.

    Raises:
        UserError: There is no such recipe; the text lists those there are.
    """
    if recipe in names():
        return RECIPES / f"{recipe}.yaml"
    path = Path(recipe)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise UserError(f"There is no recipe file {recipe!r} (looked in {Path.cwd()}).")
    near = difflib.get_close_matches(recipe, names(), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise UserError(
        f"There is no recipe {recipe!r}.{guess} Recipes: {', '.join(names())}. "
        "A recipe may also be the path of your own YAML file."
    )


def read(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file and apply overrides "a.b=value", without a check of data and weights: they may have moved.

    Raises:
        UserError: It is no YAML, or holds settings that are not allowed; all are listed.
    """
    try:
        tree = plain_yaml.load(path)
    except plain_yaml.YamlError as error:
        raise UserError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise UserError(f"{path} must hold sections such as `data:` and `train:`. Received: {type(tree).__name__}.")
    tree.setdefault("name", path.stem)
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        every = [*_paths([]), *_options(tree)]
        problems = [f"  {_problem(entry, every)}" for entry in error.errors()]
        many = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        raise UserError("\n".join([f"{path}: {many} not right.", *problems])) from None


def keys_named(name: str) -> list[str]:
    """Return the keys of a recipe that are probably meant by a name without sections, or by another tool's name.

    >>> keys_named("epochs"), keys_named("lr"), keys_named("zzz")
    (['train.epochs'], ['train.learning_rate'], [])
    """
    return [key for key in _paths([]) if SYNONYMS.get(name, name) in (key, key.rpartition(".")[2])]


def dump(recipe: Recipe) -> str:
    """Write a recipe as YAML with every default filled in; `load` reads it back."""
    return plain_yaml.dump(recipe.as_dict())


def _override(tree: dict[str, Any], override: str) -> None:
    """Set one value in the tree in place."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(f"--set must be KEY=VALUE, such as train.epochs=10. Received: {override!r}.")
    node = tree
    for part in parts[:-1]:
        inner = node.setdefault(part, {})
        if inner is None:
            inner = node[part] = {}
        if not isinstance(inner, dict):
            raise UserError(f"--set {override}: `{part}` holds a value and no settings below it.")
        node = inner
    node[parts[-1]] = plain_yaml.value(text)


def _problem(entry: Any, every: Sequence[str]) -> str:
    """One line for one pydantic error: key, what is wrong, what was received, what is allowed; `every` key there is."""
    location = [str(part) for part in entry["loc"]]
    key = ".".join(location)
    if entry["type"] == "extra_forbidden":
        allowed = list(_fields(location[:-1]))
        near = _near(location[-1], allowed, every)
        guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return f"{key}: there is no such key.{guess} Keys here: {', '.join(allowed)}."
    if entry["type"] == "missing":
        return f"{key}: is required and not set."
    text = entry["msg"].removeprefix("Value error, ")
    if entry["type"] == "value_error":
        return f"{key}: {text}" if key else text
    return f"{key}: {text}. Received: {entry['input']!r}."


def _near(key: str, allowed: Sequence[str], every: Sequence[str]) -> list[str]:
    """Guess what was meant by a key that a section does not have: the same in other sections, or one like it."""
    if key in SYNONYMS:
        return [SYNONYMS[key]]
    same = [path for path in every if path.rpartition(".")[2] == key]
    near = difflib.get_close_matches(key, allowed, n=1)
    if near or same:
        return same if 0 < len(same) <= MANY else near
    ends = {path.rpartition(".")[2]: path for path in every}
    return [ends[end] for end in difflib.get_close_matches(key, ends, n=1)]


def _options(tree: dict[str, Any]) -> list[str]:
    """The chosen model's own parameters, as --set writes them."""
    try:
        return [f"model.options.{name}" for name in catalog.parameters(str(tree["model"]["name"]))]
    except (KeyError, TypeError, ModelError):  # no model, or none of that name: reported separately
        return []


def _paths(location: list[str]) -> Iterator[str]:
    """Every key of the section at `location` and of those in it, as --set writes them."""
    for name, field in _fields(location).items():
        path = [*location, name]
        yield ".".join(path)
        if _section(field.annotation) is not None:
            yield from _paths(path)


def _fields(location: list[str]) -> dict[str, FieldInfo]:
    """Fields of the section at `location`, by the keys of a recipe file."""
    section: type[BaseModel] | None = Recipe
    for part in location:
        section = section and _section(_named(section)[part].annotation)
    return _named(section) if section else {}


def _named(section: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in section.model_fields.items()}


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, which may be null; None where it holds a plain value."""
    if get_origin(annotation) in (Union, UnionType):
        return next((section for part in get_args(annotation) if (section := _section(part))), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
