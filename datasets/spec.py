"""The description of a dataset, as data."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

IGNORE = 255
"""Train id of the pixels that the loss and all metrics leave out."""


@dataclass(frozen=True)
class DatasetSpec:
    """Everything about a dataset that does not depend on where its files are.

    Attributes:
        name: Folder name under datasets/, and the TFDS builder's name.
        config: The configuration, where the dataset has several.
        classes: Class names; the index is the train id.
        colours: One (red, green, blue) in 0..255 per class.
        split_sizes: Published number of images per split.
        sources: Files and folders that the builder reads; `*` matches any part of a name. They may be in the raw
            folder, up to two levels below, or in a zip file there. Any of them may be missing.
        homepage, licence, citation: Where it comes from, its terms of use, what to cite (BibTeX).
        image_range: Values of a 16-bit image that ingest maps to 0 and 255; prediction and serving must do the same.
            None: the high byte of each value is used.
        image_bands: Numbers, from 1, of an image's bands that are seen as red, green and blue, or of the one that is
            grey; prediction and serving must choose the same. None: the colours of the file.
        image_exif: The EXIF orientation of an image is applied ("apply") or not ("ignore"). Published images are
            upright, so that a model of them needs upright photos.
        title: The name for people; "": `name`.

    Raises:
        ValueError: `classes` and `colours` differ in length.

    >>> spec = DatasetSpec(name="cells", classes=("background", "cell"), colours=((0, 0, 0), (255, 0, 0)),
    ...                    split_sizes={"train": 80, "val": 20}, sources=("images", "masks"), homepage="",
    ...                    licence="CC0", citation="")
    >>> spec.num_classes, spec.classes[1]
    (2, 'cell')
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
    image_bands: tuple[int, ...] | None = None
    image_exif: str = "apply"
    title: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.colours):
            raise ValueError(
                f"`colours` must hold one colour per class. Received: {len(self.classes)} classes, "
                f"{len(self.colours)} colours."
            )

    @property
    def shown_name(self) -> str:
        """The name for people."""
        return self.title or self.name

    @property
    def num_classes(self) -> int:
        """Number of classes that a model predicts; IGNORE is not one of them."""
        return len(self.classes)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Patterns of all places where the sources may be, relative to the raw folder; the raw digest covers these."""
        return (*(above + source for above in ("", "*/", "*/*/") for source in self.sources), "*.zip")

    def write(self, path: Path) -> None:
        """Write the spec as JSON, for steps that read records without knowing the dataset."""
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "DatasetSpec":
        """Read a spec that `write` wrote."""
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["colours"] = [tuple(colour) for colour in fields["colours"]]
        fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
        return cls(**fields)
