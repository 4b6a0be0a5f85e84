"""The YAML file that describes a folder of the user's own: where its files are, and what its masks mean."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from datasets.errors import DatasetError
from datasets.image_folder.sections import Class, Image, Mask, Raw, Section, Splits


class Layout(Section):
    """The whole file.

    Attributes:
        images, masks: Patterns of names, relative to the raw folder: `{id}` is what pairs them (it may hold "/"),
            `{split}` and `{group}` are parts of a path, `*` is anything within a part. Where all hold `{group}`, an
            id may stand in several groups.
        splits: Which image is in which split.
        image, mask: How they are read.
        classes: The classes; the place in the list is the train id.
        ignore: Raw ids or colours that do not count.
        homepage, licence, citation: They go with the records and the exported model.
    """

    images: list[str]
    masks: list[str]
    splits: Splits
    image: Image = Image()
    mask: Mask
    classes: Annotated[list[Class], Field(min_length=2, max_length=253)]
    ignore: list[Raw] = Field(default_factory=list)
    homepage: str = ""
    licence: str = ""
    citation: str = ""

    @field_validator("images", "masks", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("images", "masks")
    @classmethod
    def _patterns_name_an_id(cls, value: list[str]) -> list[str]:
        for pattern in value:
            strange = set(re.findall(r"\{[^}]*\}?", pattern)) - {"{id}", "{split}", "{group}"}
            if pattern.count("{id}") != 1 or strange or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(
                    f"a pattern is relative and holds {{id}} once, {{split}} and {{group}} if need be, such as "
                    f"images/{{id}}.jpg. Received: {pattern!r}."
                )
        if not value:
            raise ValueError("at least one pattern is needed.")
        return value

    @model_validator(mode="after")
    def _parts_agree(self) -> "Layout":
        faults = [*_faults_of_patterns(self), *_faults_of_classes(self)]
        if faults:
            raise ValueError("\n  ".join(faults))
        return self


def read(path: Path) -> Layout:
    """Read a layout.

    Raises:
        DatasetError: It is missing, no YAML, or says what cannot be; all mistakes are in one message.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(
            f"There is no {path}, which says how the folder is read. To have it written: segline init {path.parent}"
        ) from None
    except (OSError, yaml.YAMLError, ValueError) as error:  # of bytes that are no text, and of a 30 February
        raise DatasetError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise DatasetError(f"{path} must hold keys such as `images:` and `masks:`. Received: {type(tree).__name__}.")
    try:
        return Layout.model_validate(tree)
    except ValidationError as error:
        lines = list(dict.fromkeys(f"  {_told(entry)}" for entry in error.errors()))
        raise DatasetError("\n".join([f"{path}: {len(lines)} not right.", *lines])) from None


def _faults_of_patterns(layout: Layout) -> list[str]:
    faults = []
    if set(layout.images) & set(layout.masks):
        faults.append("masks: a pattern cannot stand for images and masks at once.")
    with_split = [pattern for pattern in (*layout.images, *layout.masks) if "{split}" in pattern]
    if layout.splits.folders and len(with_split) < len(layout.images) + len(layout.masks):
        faults.append("splits.folders: every pattern of `images` and `masks` must hold {split}.")
    if with_split and not layout.splits.folders:
        faults.append(f"splits.folders: must say what {{split}} in {with_split[0]!r} stands for.")
    return faults


def _faults_of_classes(layout: Layout) -> list[str]:
    faults = []
    names = [one.name for one in layout.classes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.append(f"classes: a name may be given once. Twice: {', '.join(twice)}.")
    raws = [raw for one in layout.classes for raw in one.raws(layout.mask.read)] + list(layout.ignore)
    doubled = sorted({str(raw) for raw in raws if raws.count(raw) > 1})
    if doubled:
        faults.append(f"classes: a raw value may stand for one class, or be ignored. Twice: {', '.join(doubled)}.")
    read, missing = layout.mask.read, [one.name for one in layout.classes if one.raw is None]
    if read == "threshold" and (len(names) != 2 or raws):
        faults.append("classes: `read: threshold` knows two classes, without `raw`, and ignores nothing.")
    wanted = {"colours": tuple, "ids": int, "mat": int}.get(read)
    strange = [str(raw) for raw in raws if wanted and not isinstance(raw, wanted)]
    if strange:
        kind = "colours, such as [128, 0, 0]" if read == "colours" else "whole numbers"
        faults.append(f"classes: with `read: {read}` raw values are {kind}. Received: {', '.join(strange)}.")
    if read == "colours" and missing:
        faults.append(f"classes: with `read: colours` each class needs `raw`. Without: {', '.join(missing)}.")
    if 0 < len(missing) < len(names) and read in ("ids", "mat"):
        faults.append(f"classes: give `raw` for all classes or for none. Without: {', '.join(missing)}.")
    return faults


def _told(entry: Any) -> str:
    """One line for one pydantic error."""
    where = [part for part in entry["loc"] if isinstance(part, int) or not part[:1].isupper()]
    where = [part for part in where if not (isinstance(part, str) and re.search(r"[\[(]|^(int|list|tuple)$", part))]
    key = ".".join(map(str, where))
    text = entry["msg"].removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        allowed = _keys(where[:-1])
        near = difflib.get_close_matches(str(where[-1]), allowed, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        return f"{key}: there is no such key.{guess} Keys here: {', '.join(allowed)}."
    if entry["type"] == "missing":
        return f"{key}: is required and not set."
    if entry["type"] == "value_error":
        return f"{key}: {text}" if key else text
    return f"{key}: {text}. Received: {entry['input']!r}."


def _keys(where: list) -> list[str]:
    sections: Mapping[str, type[Section]] = {"splits": Splits, "image": Image, "mask": Mask, "classes": Class}
    return list(sections.get(str(where[0]) if where else "", Layout).model_fields)
