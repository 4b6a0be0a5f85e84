"""Which train id a tool's label becomes."""

from collections.abc import Mapping
from dataclasses import dataclass

from datasets.audit import BadFileError, Kind, join_names


@dataclass(frozen=True)
class Labels:
    """The classes of a layout, as the drawing functions need them.

    Attributes:
        train_ids: {label in the tool: train id, or IGNORE}.
        uncovered: Train id of the pixels that no shape covers, or IGNORE.
        patterns: Patterns of the annotation files, where `{label}` in their names is the label.
        attribute: The attribute that holds the label, where the tool's shapes have several attributes.
    """

    train_ids: Mapping[str, int]
    uncovered: int
    patterns: tuple[str, ...] = ()
    attribute: str = ""

    def train_id(self, label: str) -> int:
        """Return the train id of a label, or raise BadFileError."""
        if label not in self.train_ids:
            known = join_names([repr(name) for name in self.train_ids])
            raise BadFileError(Kind.ANNOTATION, f"label {label!r} is not in the layout, whose classes are {known}")
        return self.train_ids[label]
