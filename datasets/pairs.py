"""Which image goes with which mask: found by name alone, no file is opened."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from datasets.audit import SUFFIXES, Kind, Problem, listed
from datasets.errors import DatasetError
from datasets.raw import RawFolder


@dataclass(frozen=True)
class Pair:
    """One example before it is read.

    Attributes:
        id: Names the example within its split.
        group: What the evaluation slices by: a city, a sequence, a category.
        image, mask: Names in the raw folder; they may be the same file. An image without labels has mask None.
    """

    id: str
    group: str
    image: str
    mask: str | None


@dataclass(frozen=True)
class Split:
    """What the raw folder holds of one split.

    Attributes:
        pairs: The examples, by id.
        problems: Files that make no pair.
    """

    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """Every id that some file of the split carries."""
        ids = (*(pair.id for pair in self.pairs), *(problem.id for problem in self.problems))
        return frozenset(id_ for id_ in ids if id_)


def by_stem(raw: RawFolder, folders: Mapping[str, tuple[str, str]], group: Callable[[str], str]) -> dict[str, Split]:
    """Pair the files of each split's two folders by their names without suffix.

    Args:
        raw: The raw folder.
        folders: {split: (folder of images, folder of masks)}, names in `raw`.
        group: Gives the group of an id.

    Returns:
        The splits that are there. One with neither folder is absent.

    Raises:
        DatasetError: A split has one folder without the other, or no file; or there is no split at all.
    """
    faults: list[str] = []
    splits: dict[str, Split] = {}
    for name, (images, masks) in folders.items():
        there = [folder for folder in (images, masks) if raw.has(folder)]
        if len(there) == 1:
            missing = masks if there == [images] else images
            faults.append(f"Split {name}: {there[0]}/ is there, {missing}/ is not.")
        elif there:
            splits[name] = _split(raw, name, images, masks, group)
            if not splits[name].ids:
                faults.append(f"Split {name}: {images}/ and {masks}/ hold no file.")
    if not splits and not faults:
        faults.append(f"There is no split. Received: {listed(raw.listing()) or 'nothing'}.")
    if faults:
        expected = ", ".join(f"{images}/ with {masks}/" for images, masks in folders.values())
        raise DatasetError(
            "\n".join([f"In {raw.path}:", *faults, f"Expected: {expected}; a split may lack both folders."])
        )
    return splits


def matched(
    split: str,
    image_of: Mapping[str, str],
    mask_of: Mapping[str, str],
    *,
    expected: tuple[str, str],
    group: Callable[[str], str],
    problems: Sequence[Problem] = (),
) -> Split:
    """Pair images with masks by their ids; one without the other is a problem.

    Args:
        split: Name of the split.
        image_of: {id: file}.
        mask_of: The same of masks.
        expected: What an image and a mask are called, with {} for the id: for the messages.
        group: Gives the group of an id.
        problems: What `by_id` found; the examples that it names make no pair.
    """
    found = [*problems]
    for id_ in image_of.keys() - mask_of.keys():
        found.append(Problem(Kind.WITHOUT_MASK, split, image_of[id_], id_, f"no file {expected[1].format(id_)}"))
    for id_ in mask_of.keys() - image_of.keys():
        found.append(Problem(Kind.WITHOUT_IMAGE, split, mask_of[id_], id_, f"no file {expected[0].format(id_)}"))
    bad = {problem.id for problem in found}
    both = sorted((image_of.keys() & mask_of.keys()) - bad)
    return Split(tuple(Pair(id_, group(id_), image_of[id_], mask_of[id_]) for id_ in both), tuple(found))


def by_id(files: Iterable[str], split: str, problems: list[Problem], *, ending: str | None = None) -> dict[str, str]:
    """Give {id: file}: the id is the file's name without `ending`, or without suffix.

    An id met twice is a problem; what is no image by its name is noted.
    """
    found: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        id_ = path.stem if ending is None else path.name.removesuffix(ending)
        if path.suffix.lower() not in SUFFIXES:
            problems.append(Problem(Kind.STRAY, split, name, ""))
        elif id_ in found:
            problems.append(Problem(Kind.DUPLICATE, split, name, id_, f"{found[id_]} has the same id"))
        else:
            found[id_] = name
    return found


def _split(raw: RawFolder, name: str, images: str, masks: str, group: Callable[[str], str]) -> Split:
    problems: list[Problem] = []
    image_of = by_id(raw.files(f"{images}/*"), name, problems)
    mask_of = by_id(raw.files(f"{masks}/*"), name, problems)
    expected = (f"{images}/{{}}.*", f"{masks}/{{}}.*")
    return matched(name, image_of, mask_of, expected=expected, group=group, problems=problems)
