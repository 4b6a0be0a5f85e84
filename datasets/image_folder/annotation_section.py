"""The section `annotations` of a layout: labels that are drawn from a labelling tool's own files."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from datasets.image_folder.sections import Section
from datasets.raw import has_too_many_wildcards

ToolName = Literal[
    "coco", "coco_panoptic", "labelme", "yolo", "label_studio", "supervisely", "via", "cvat", "class_masks"
]

PER_IMAGE = ("labelme", "yolo", "supervisely")
"""Tools with a file for each image; the files of the others name the images."""


class Annotations(Section):
    """Which files describe the images, and what the pixels are that no shape covers.

    Attributes:
        tool: The tool whose files they are.
        files: Patterns of their names. With `{id}` there is a file for each image; without, a file describes many
            images, by their names, and `{split}` in it stands for their split. Those of class_masks hold `{label}` too.
        uncovered: The class of the pixels that no shape covers, or "ignore".
        ignore: Labels whose shapes become IGNORE.
        attribute: The attribute that holds the label, where the shapes of VIA have several attributes.
    """

    tool: ToolName
    files: list[str]
    uncovered: Annotated[str, Field(min_length=1)] = "background"
    ignore: list[str] = Field(default_factory=list)
    attribute: str | None = None

    @field_validator("files", "ignore", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("files")
    @classmethod
    def _are_relative(cls, value: list[str]) -> list[str]:
        wrong = [pattern for pattern in value if pattern.startswith("/") or ".." in pattern.split("/")]
        if wrong or not value:
            received = ", ".join(map(repr, wrong)) or "none"
            raise ValueError(f"must be one or more patterns relative to the folder. Received: {received}.")
        if many := [pattern for pattern in value if has_too_many_wildcards(pattern)]:
            received = ", ".join(map(repr, many))
            raise ValueError(f"a pattern has 3 of `*` at most, 2 in a part of a path. Received: {received}.")
        return value

    @property
    def per_image(self) -> bool:
        """Whether there is a file for each image."""
        return any("{id}" in pattern for pattern in self.files)


def supply_masks(tree: Any) -> Any:
    """Fill in the sections for masks in the tree of a layout that has annotations in their place."""
    if not isinstance(tree, dict) or tree.get("annotations") is None:
        return tree
    if both := [key for key in ("masks", "mask", "ignore") if tree.get(key)]:
        advice = "" if "ignore" not in both else " Labels to ignore go to annotations.ignore."
        raise ValueError(f"annotations: stand in place of {', '.join(both)}; leave one of them out.{advice}")
    return {**tree, "masks": [], "mask": {"read": "ids"}}


def faults(annotations: Annotations, classes: list[tuple[str, list[str]]]) -> list[str]:
    """Return what is wrong between the annotations and the classes, each a name and its labels."""
    names, lines = [name for name, _ in classes], []
    if annotations.tool == "class_masks" and any(
        pattern.count("{label}") != 1 or "{id}" not in pattern for pattern in annotations.files
    ):
        lines.append("annotations.files: those of class_masks hold {label} and {id}, such as masks/{label}/{id}.png.")
    if annotations.tool in PER_IMAGE and (shared := [one for one in annotations.files if "{id}" not in one]):
        lines.append(
            f"annotations.files: those of {annotations.tool} hold {{id}}, as there is a file for each image. Received: "
            f"{', '.join(shared)}. If these files name the images, annotations.tool is another."
        )
    if annotations.attribute and annotations.tool != "via":
        lines.append(f"annotations.attribute: is for via, whose shapes have attributes. Tool: {annotations.tool}.")
    if annotations.uncovered not in (*names, "ignore"):
        lines.append(
            f"annotations.uncovered: must be the name of a class, or ignore. Received: {annotations.uncovered!r}; "
            f"classes are {', '.join(names)}."
        )
    labels = [label for _, own in classes for label in own] + annotations.ignore
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        lines.append(f"classes: a label may stand for one class, or be ignored. Twice: {', '.join(repeated)}.")
    return lines
