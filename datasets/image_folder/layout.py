"""The layout: the YAML file that describes the user's own folder, where its files are and what its masks mean."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from datasets import plain_yaml
from datasets.errors import DatasetError, did_you_mean
from datasets.image_folder import annotation_section
from datasets.image_folder.annotation_section import Annotations
from datasets.image_folder.sections import Class, Image, Mask, Raw, Section, Splits
from datasets.raw import has_too_many_wildcards


class Layout(Section):
    """The whole file.

    Attributes:
        images, masks: Patterns of names, relative to the raw folder: `{id}` pairs an image with its mask and may hold
            "/", `{split}` and `{group}` match one part of a path, `*` anything within a part. If all patterns have a
            `{group}`, several groups may have the same ids.
        splits: The assignment of images to splits.
        image, mask: How they are read.
        classes: The classes; the index is the train id.
        ignore: Raw ids or colours that become IGNORE.
        annotations: A labelling tool's own files, in place of `masks`, `mask` and `ignore`.
        homepage, licence, citation: Stored with the records and the exported model.
    """

    images: list[str]
    masks: list[str]
    splits: Splits
    image: Image = Image()
    mask: Mask
    classes: Annotated[list[Class], Field(min_length=2, max_length=253)]
    ignore: list[Raw] = Field(default_factory=list)
    annotations: Annotations | None = None
    homepage: str = ""
    licence: str = ""
    citation: str = ""

    @model_validator(mode="before")
    @classmethod
    def _annotations_or_masks(cls, tree: Any) -> Any:
        return annotation_section.supply_masks(tree)

    @field_validator("images", "masks", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("images", "masks")
    @classmethod
    def _patterns_name_an_id(cls, value: list[str], info: ValidationInfo) -> list[str]:
        for pattern in value:
            unknown = set(re.findall(r"\{[^}]*\}?", pattern)) - {"{id}", "{split}", "{group}"}
            if pattern.count("{id}") != 1 or unknown or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(
                    f"a pattern is relative and holds {{id}} once, {{split}} and {{group}} if need be, such as "
                    f"images/{{id}}.jpg. Received: {pattern!r}."
                )
            if has_too_many_wildcards(pattern):
                raise ValueError(f"a pattern has 3 of `*` at most, 2 in a part of a path. Received: {pattern!r}.")
        if not value and info.field_name == "images":
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
        DatasetError: It is missing, not YAML, or invalid; one message names all mistakes.
    """
    try:
        tree = plain_yaml.load(path)
    except FileNotFoundError:
        raise DatasetError(
            f"There is no {path}, which says how the folder is read. To have it written: segline init {path.parent}"
        ) from None
    except (OSError, plain_yaml.YamlError) as error:
        raise DatasetError(f"{path} is no valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise DatasetError(f"{path} must hold keys such as `images:` and `masks:`. Received: {type(tree).__name__}.")
    try:
        return Layout.model_validate(tree)
    except ValidationError as error:
        lines = list(dict.fromkeys(f"  {_describe(entry)}" for entry in error.errors()))
        raise DatasetError("\n".join([f"{path}: {len(lines)} not right.", *lines])) from None


def _faults_of_patterns(layout: Layout) -> list[str]:
    faults = []
    if not layout.masks and layout.annotations is None:
        faults.append("masks: at least one pattern is needed.")
    if set(layout.images) & set(layout.masks):
        faults.append("masks: a pattern cannot stand for images and masks at once.")
    annotated = layout.annotations.files if layout.annotations else []
    with_split = [pattern for pattern in (*layout.images, *layout.masks, *annotated) if "{split}" in pattern]
    complete = any(
        patterns and all("{split}" in pattern for pattern in patterns) for patterns in (annotated, layout.images)
    ) if layout.annotations else len(with_split) == len(layout.images) + len(layout.masks)  # fmt: skip
    if layout.splits.folders and not complete:
        faults.append("splits.folders: every pattern of `images` and `masks` must hold {split}.")
    if with_split and not layout.splits.folders:
        faults.append(f"splits.folders: must say what {{split}} in {with_split[0]!r} stands for.")
    return faults


def _faults_of_classes(layout: Layout) -> list[str]:
    faults = []
    if layout.annotations:
        faults += annotation_section.faults(
            layout.annotations, [(class_.name, class_.labels_or_name) for class_ in layout.classes]
        )
    elif any(class_.labels is not None for class_ in layout.classes):
        faults.append("classes: `labels` go with `annotations`; with masks give `raw`.")
    names = [class_.name for class_ in layout.classes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        faults.append(f"classes: a name may be given once. Twice: {', '.join(twice)}.")
    raws = [raw for class_ in layout.classes for raw in class_.raws(layout.mask.read)] + list(layout.ignore)
    repeated = sorted({str(raw) for raw in raws if raws.count(raw) > 1})
    if repeated:
        faults.append(f"classes: a raw value may stand for one class, or be ignored. Twice: {', '.join(repeated)}.")
    read, others = layout.mask.read, layout.mask.others
    missing = [class_.name for class_ in layout.classes if class_.raw is None and class_.name != others]
    if others not in ("error", "ignore", *names):
        hint = did_you_mean(others, ["error", "ignore", *names])
        faults.append(f"mask.others: must be error, ignore, or the name of a class. Received: {others}.{hint}")
    if read == "threshold" and (len(names) != 2 or raws):
        faults.append("classes: `read: threshold` needs two classes, without `raw`, and no `ignore`.")
    wanted = {"colours": tuple, "ids": int, "mat": int}.get(read)
    invalid = [str(raw) for raw in raws if wanted and not isinstance(raw, wanted)]
    if invalid:
        kind = "colours, such as [128, 0, 0]" if read == "colours" else "whole numbers"
        faults.append(f"classes: with `read: {read}` raw values are {kind}. Received: {', '.join(invalid)}.")
    if layout.mask.union and len(names) != 2:
        faults.append(f"mask.union: unites the masks of two classes. Received: {len(names)} classes.")
    if read == "colours" and missing:
        faults.append(f"classes: with `read: colours` each class needs `raw`. Without: {', '.join(missing)}.")
    if 0 < len(missing) < len(names) - (others in names) and read in ("ids", "mat"):
        faults.append(f"classes: give `raw` for all classes or for none. Without: {', '.join(missing)}.")
    return faults


def _describe(entry: Any) -> str:
    """Return one line for one pydantic error."""
    where = [part for part in entry["loc"] if isinstance(part, int) or not part[:1].isupper()]
    where = [part for part in where if not (isinstance(part, str) and re.search(r"[\[(]|^(int|list|tuple)$", part))]
    if entry["type"] == "extra_forbidden" and where[-1:] != [entry["loc"][-1]]:
        where.append(entry["loc"][-1])  # a foreign key may look like the name of a type: "Images", "a[b"
    key = ".".join(map(str, where))
    text = entry["msg"].removeprefix("Value error, ")
    if entry["type"] == "extra_forbidden":
        allowed = _keys(where[:-1])
        hint = did_you_mean(str(where[-1]), allowed)
        return f"{key}: there is no such key.{hint} Keys here: {', '.join(allowed)}."
    if entry["type"] == "missing":
        return f"{key}: is required and not set."
    if entry["type"] == "value_error":
        return f"{key}: {text}" if key else text
    return f"{key}: {text}. Received: {entry['input']!r}."


def _keys(where: list) -> list[str]:
    sections: Mapping[str, type[Section]] = {
        "splits": Splits, "image": Image, "mask": Mask, "classes": Class, "annotations": Annotations
    }  # fmt: skip
    return list(sections.get(str(where[0]) if where else "", Layout).model_fields)
