"""What annotation files say about which image, without pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from datasets.annotations.images import Images
from datasets.audit import Kind, Problem
from datasets.raw import Part

Colour = tuple[int, int, int]


@dataclass
class Index:
    """The contents of the annotation files.

    Attributes:
        parts: {image file: where its annotations are}.
        labels: {label: its colour in the tool, or None}, in the tool's order; of all that are declared.
        problems: Annotations of images that are not there, or of one image twice.
    """

    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    labels: dict[str, Colour | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, file: str, images: Images, named: Sequence[tuple[str, tuple[Part, ...]]]) -> None:
        """Add what an annotation file says.

        Args:
            file: The annotation file.
            images: The image files.
            named: (name of an image, where its annotations are).
        """
        for (name, parts), image in zip(named, images.match([name for name, _ in named], file), strict=True):
            if image is None:
                self.problems.append(Problem(Kind.WITHOUT_IMAGE, "", file, name, f"there is no image {name}"))
            elif image in self.parts:
                first = self.parts[image][0].file
                detail = f"{image} is annotated twice, in {first} and in {file}"
                self.problems.append(Problem(Kind.DUPLICATE, "", file, name, detail))
            else:
                self.parts[image] = parts

    def declare(self, labels: Mapping[str, Colour | None]) -> None:
        """Add labels, in their order."""
        for label, colour in labels.items():
            self.labels[label] = self.labels.get(label) or colour
