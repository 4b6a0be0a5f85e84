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
        config: Which of the dataset's configurations this is, where it has several.
        classes: Class names; the index is the train id.
        colours: One (red, green, blue) in 0..255 for each class.
        split_sizes: Published number of images of each split.
        sources: Files and folders that the builder reads; `*` stands for any part of a name. They may lie in the raw
            folder, up to two levels below, or in a zip file there. What is not there counts as absent.
        homepage, licence, citation: Where it comes from, what one may do with it, what to cite (BibTeX).
        image_range: Values of a 16-bit image that became 0 and 255 in the records, so that whoever reads such a file
            for a model of this data does the same. None: its high bytes count.
    """

    name: str
    classes: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    split_sizes: Mapping[str, int]
    sources: tuple[str, ...]
    homepage: str
    licence: str
    citation: str
    config: str = ""
    image_range: tuple[float, float] | None = None

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

    @property
    def patterns(self) -> tuple[str, ...]:
        """Where the sources may lie, relative to the raw folder; the raw digest covers these and nothing else."""
        return (*(above + source for above in ("", "*/", "*/*/") for source in self.sources), "*.zip")

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
        if facts.get("image_range"):
            facts["image_range"] = tuple(facts["image_range"])
        return cls(**facts)
