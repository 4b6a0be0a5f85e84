"""The facts of a dataset, as data."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

IGNORE = 255
"""The train id of pixels that neither the loss nor any metric counts."""


@dataclass(frozen=True)
class DatasetSpec:
    """What one dataset is, independent of where its files lie.

    Attributes:
        name: Folder name under datasets/, and the TFDS builder's name.
        classes: Class names; the index is the train id.
        colours: One (red, green, blue) in 0..255 for each class.
        split_sizes: Published number of labelled images of each split.
        sources: Files and folders, relative to the raw folder, that the builder reads; what is not there counts as
            absent. The raw digest covers these and nothing else.
        homepage, licence, citation: Where it comes from, what one may do with it, what to cite (BibTeX).
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    split_sizes: Mapping[str, int]
    sources: tuple[str, ...]
    homepage: str
    licence: str
    citation: str

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours):
            raise ValueError(
                f"`colours` must hold one colour a class. Received: {len(self.classes)} classes, "
                f"{len(self.colours)} colours."
            )

    @property
    def num_classes(self) -> int:
        """Number of classes that are predicted; ignored pixels are none of them."""
        return len(self.classes)

    def write(self, path: Path) -> None:
        """Write the spec as JSON, for steps that read records without knowing the dataset."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "DatasetSpec":
        """Read what `write` wrote."""
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        facts["classes"] = tuple(facts["classes"])
        facts["colours"] = tuple(tuple(colour) for colour in facts["colours"])
        facts["sources"] = tuple(facts["sources"])
        return cls(**facts)
