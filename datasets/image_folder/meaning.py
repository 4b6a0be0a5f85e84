"""The guessed meaning of masks, and what it is guessed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets.errors import DatasetError
from datasets.image_folder.palettes import Colour
from datasets.image_folder.tally import Tally

MAX_CLASSES = 253  # Records hold no more classes

BY_HAND = "write the layout by hand; datasets/image_folder/README.md shows how."


@dataclass
class Meaning:
    """The guessed meaning of masks.

    Attributes:
        mask: The layout's `mask` section.
        classes: (raw value or None, colour or None) of each class.
        ignore: Raw values that become IGNORE.
        notes: What was guessed and why, for the user.
        ordered: Whether the order of the classes is that of a list of names, as that of ids is.
        names: Name of each class, where the tool or the publication says it; else ().
    """

    mask: dict[str, Any]
    classes: list[tuple[Any, Any]]
    ignore: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ordered: bool = True
    names: Sequence[str] = ()


@dataclass(frozen=True)
class Sampled:
    """The values of sampled masks.

    Attributes:
        place: The raw folder, for messages.
        example: Name of a mask.
        kind: Their formats, in words.
        lossy: Whether JPEG, or WebP like it, has changed the values.
        tally: The counts.
        palette: {raw id: its colour}, where all palettes agree and give each id a colour of its own.
        is_disputed: Whether palettes give an index several colours.
    """

    place: str
    example: str
    kind: str
    lossy: bool
    tally: Tally
    palette: Mapping[int, Colour] = field(default_factory=dict)
    is_disputed: bool = False

    def refuse(self, why: str) -> DatasetError:
        """Return the error for masks that cannot be read."""
        return DatasetError(f"In {self.place}: masks such as {self.example} ({self.kind}) {why}")
