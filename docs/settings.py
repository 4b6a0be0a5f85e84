"""Write docs/settings.md: every key of a recipe, from the types in pipeline/config/.

python docs/settings.py
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

PROJECT = Path(__file__).parents[1]
PAGE = Path(__file__).with_suffix(".md")

if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))

from pipeline.config.recipe import Recipe  # noqa: E402, the path is set first
from pipeline.config.section import Section  # noqa: E402
from pipeline.config.step_names import GATE  # noqa: E402

HEAD = """# Settings

Every key of a recipe, its default and its limits. `python docs/settings.py` writes this page from the types in
`pipeline/config/`, and a test compares them. [Recipes](recipes.md) explains how they work together.

A key is written as `--set train.epochs=5` on the command line and as `train: {epochs: 5}` in the file. `segline show
RECIPE` prints a recipe with every default. A key that is not listed, a wrong type or a value beyond the limits ends the
command before anything runs. `model.options` are those of the network: [Networks](networks.md). Lengths are pixels,
sizes are [height, width], times are seconds unless the text says otherwise.

A change of a setting runs the steps again that depend on it, except where the text says otherwise.
"""

COUNTS = {
    "no": "*A change runs nothing again.*",
    GATE: "*A change runs only `gate` again.*",
    "contents": "*Another place alone runs nothing again.*",
}
"""What a field's mark `fingerprinted` says, in words; see pipeline/config/section.py."""

PLURALS = {"whole number": "whole numbers", "number": "numbers", "text": "texts"}


class Key(NamedTuple):
    """One key of a recipe: its dotted name, what it accepts, its default and what it is for, in Markdown."""

    name: str
    value: str
    default: str
    meaning: str


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(title, section, list(keys)) for title, section, keys in sections())


def sections(cls: type[Section] = Recipe, prefix: str = "") -> Iterator[tuple[str, type[Section], list[Key]]]:
    """Return each section with its keys, those of its own first: ("train.backbone", BackboneTraining, [...])."""
    schema = cls.model_json_schema(by_alias=True)
    nested, keys = [], []
    for field, info in cls.model_fields.items():
        name = info.alias or field
        inner = [kind for kind in (info.annotation, *get_args(info.annotation)) if _is_section(kind)]
        if inner:
            nested.append((f"{prefix}{name}", inner[0]))
        else:
            described = {"default": info.get_default(call_default_factory=True), **schema["properties"][name]}
            keys.append(_key(f"{prefix}{name}", described, required=info.is_required()))
    yield prefix.rstrip("."), cls, keys
    for name, kind in nested:
        yield from sections(kind, f"{name}.")


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)


def _section(title: str, cls: type[Section], keys: list[Key]) -> str:
    heading = f"\n{'#' * (2 + title.count('.'))} `{title}`\n\n" if title else "\n"
    about = f"{_escaped(inspect.cleandoc(cls.__doc__ or ''))}\n\n" if title else ""
    rows = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in _cells(key))} |\n" for key in keys]
    return heading + about + "| key | value | default | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _cells(key: Key) -> tuple[str, ...]:
    return f"`{key.name}`", key.value, key.default, key.meaning


def _key(name: str, schema: dict[str, Any], *, required: bool) -> Key:
    default = "" if name == "name" else "required" if required else f"`{_plain(schema['default'])}`"
    meaning = _escaped(schema.get("description", ""))
    if note := COUNTS.get(schema.get("fingerprinted", "")):
        meaning = f"{meaning}. {note}"
    return Key(name, accepted(schema), default, meaning)


def accepted(schema: dict[str, Any]) -> str:
    """Say in words what a JSON schema accepts.

    >>> accepted({"type": "integer", "exclusiveMinimum": 0})
    'whole number above 0'
    >>> accepted({"anyOf": [{"type": "array", "prefixItems": [{"type": "number"}] * 2}, {"type": "null"}]})
    'pair of numbers, or `null`'
    >>> accepted({"enum": ["cosine", "poly", "step"]})
    '`cosine`, `poly` or `step`'
    """
    if "anyOf" in schema:
        bounds = {key: value for key, value in schema.items() if key in ("gt", "ge", "lt", "le")}
        words = [accepted({**one, **bounds} if one.get("type") != "null" else one) for one in schema["anyOf"]]
        if "number" in {one.get("type") for one in schema["anyOf"]}:
            words = [word for word in words if not word.startswith("whole")]
        *others, last = dict.fromkeys(words)
        return f"{', '.join(others)}, or {last}" if others else last
    if "enum" in schema or "const" in schema:
        *others, last = [f"`{value}`" for value in schema.get("enum", [schema.get("const")])]
        return f"{', '.join(others)} or {last}" if others else last
    if schema["type"] == "array":
        items = schema.get("items") or schema["prefixItems"][0]
        word = accepted(items)
        for one, many in PLURALS.items():
            word = word.replace(one, many, 1) if word.startswith(one) else word
        return f"{'pair' if 'prefixItems' in schema else 'list'} of {word}"
    return _word(schema) + _limits(schema)


def _word(schema: dict[str, Any]) -> str:
    if schema["type"] == "string":
        url = "://" in schema.get("pattern", "")
        return "URL" if url else "path" if schema.get("format") == "path" else "text"
    words = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "object": "mapping"}
    return words.get(schema["type"], f"`{schema['type']}`")


def _limits(schema: dict[str, Any]) -> str:
    above, least = schema.get("exclusiveMinimum", schema.get("gt")), schema.get("minimum", schema.get("ge"))
    below, most = schema.get("exclusiveMaximum", schema.get("lt")), schema.get("maximum", schema.get("le"))
    if least is not None and most is not None:
        return f" from {least} to {most}"
    low = f" above {above}" if above is not None else f" of {least} or more" if least is not None else ""
    high = f" below {below}" if below is not None else f" up to {most}" if most is not None else ""
    return f"{low},{high}" if low and high else low + high


def _plain(value: Any) -> str:
    """Return a default as a recipe writes it.

    >>> _plain((1.0,)), _plain(None), _plain({"cross_entropy": 1.0}), _plain("auto")
    ('[1.0]', 'null', '{cross_entropy: 1.0}', 'auto')
    """
    return json.dumps(value).replace('"', "")


def _escaped(text: str) -> str:
    """Return a text in which Markdown shows `<` outside of code as it is."""
    parts = text.split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
