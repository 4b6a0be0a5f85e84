"""What annotation files say about which image, without pixels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from datasets.annotations.images import Images
from datasets.audit import BadFileError, Kind, Problem
from datasets.raw import Part

Colour = tuple[int, int, int]

SHOWN = 4  # Number of images that a message names of those that a name may mean


@contextmanager
def naming(file: str, tool: str) -> Iterator[None]:
    """Name the annotation file in every BadFileError of the block, and the tool where an element is not its own."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        detail = f"{file}: not as {tool} has it ({type(error).__name__}: {error})"
        raise BadFileError(Kind.ANNOTATION, detail) from None
    except BadFileError as error:
        raise BadFileError(error.kind, f"{file}: {error.detail or error.kind}") from None


@dataclass
class Index:
    """The contents of the annotation files.

    Attributes:
        parts: {image file: where its annotations are}.
        labels: {label: its colour in the tool, or None}, in the tool's order; of all that are declared.
        problems: Annotations of images that are not there, of one image twice, or of one of several images.
        twice: Images that are annotated twice: each annotation may be a part, so that none is used.
        attribute: The attribute whose values are the labels, where the tool's shapes have several attributes.
        open_question: What the files do not tell, and the user has to: one sentence, or empty.
    """

    parts: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    labels: dict[str, Colour | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)
    attribute: str = ""
    open_question: str = ""

    def add(self, file: str, images: Images, named: Sequence[tuple[str, tuple[Part, ...]]]) -> None:
        """Add what an annotation file says.

        Args:
            file: The annotation file.
            images: The image files.
            named: (name of an image, where its annotations are).
        """
        for (name, parts), fitting in zip(named, images.match([name for name, _ in named], file), strict=True):
            if not fitting:
                detail = f"there is no image {name}" if name else "an entry has no file name"
                self.problems.append(Problem(Kind.WITHOUT_IMAGE, "", file, name, detail))
            elif len(fitting) > 1:
                detail = f"{name} may be {' or '.join(fitting[:SHOWN])}: give the folder in its name"
                self.problems.append(Problem(Kind.DUPLICATE, "", file, name, detail))
                self.open_question = self.open_question or f"which image does {file} mean? {detail}"
            elif fitting[0] in self.parts:
                first = self.parts[fitting[0]][0].file
                detail = f"{fitting[0]} is annotated twice, in {first} and in {file}"
                self.problems.append(Problem(Kind.DUPLICATE, "", file, name, detail))
                self.twice.add(fitting[0])
            else:
                self.parts[fitting[0]] = parts

    def declare(self, labels: Mapping[str, Colour | None]) -> None:
        """Add labels, in their order."""
        for label, colour in labels.items():
            self.labels[label] = self.labels.get(label) or colour
