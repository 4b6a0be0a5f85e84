"""Which image goes with which mask: found by name alone, no file is opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets.audit import Kind, Problem, listed
from datasets.errors import DatasetError


@dataclass(frozen=True)
class Pair:
    """One example before it is read.

    Attributes:
        id: Names the example within its split.
        group: What the evaluation slices by: a city, a sequence, a category.
        image, mask: Files, relative to the raw folder.
    """

    id: str
    group: str
    image: str
    mask: str


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
        return frozenset(pair.id for pair in self.pairs) | frozenset(problem.id for problem in self.problems)


def by_stem(raw: Path, folders: Mapping[str, tuple[str, str]], group: Callable[[str], str]) -> dict[str, Split]:
    """Pair the files of each split's two folders by their names without suffix.

    Args:
        raw: The raw folder.
        folders: {split: (folder of images, folder of masks)}, relative to `raw`.
        group: Gives the group of an id.

    Returns:
        The splits that are there. One with neither folder is absent.

    Raises:
        DatasetError: A split has one folder without the other, or no file; or there is no split at all.
    """
    faults: list[str] = []
    splits: dict[str, Split] = {}
    for name, (images, masks) in folders.items():
        there = [folder for folder in (images, masks) if (raw / folder).is_dir()]
        if len(there) == 1:
            missing = masks if there == [images] else images
            faults.append(f"Split {name}: {there[0]}/ is there, {missing}/ is not.")
        elif there:
            splits[name] = _split(raw, name, images, masks, group)
            if not splits[name].ids:
                faults.append(f"Split {name}: {images}/ and {masks}/ hold no file.")
    if not splits and not faults:
        faults.append(f"There is no split. Received: {_listing(raw)}.")
    if faults:
        expected = ", ".join(f"{images}/ with {masks}/" for images, masks in folders.values())
        raise DatasetError("\n".join([f"In {raw}:", *faults, f"Expected: {expected}; a split may lack both folders."]))
    return splits


def _split(raw: Path, name: str, images: str, masks: str, group: Callable[[str], str]) -> Split:
    problems: list[Problem] = []
    image_of = _by_id(raw, name, images, problems)
    mask_of = _by_id(raw, name, masks, problems)
    for id_ in image_of.keys() - mask_of.keys():
        problems.append(Problem(Kind.WITHOUT_MASK, name, image_of[id_], id_, f"no file {masks}/{id_}.*"))
    for id_ in mask_of.keys() - image_of.keys():
        problems.append(Problem(Kind.WITHOUT_IMAGE, name, mask_of[id_], id_, f"no file {images}/{id_}.*"))
    twice = {problem.id for problem in problems}
    both = sorted((image_of.keys() & mask_of.keys()) - twice)
    return Split(tuple(Pair(id_, group(id_), image_of[id_], mask_of[id_]) for id_ in both), tuple(problems))


def _by_id(raw: Path, split: str, folder: str, problems: list[Problem]) -> dict[str, str]:
    """Files of a folder by stem. Hidden files and folders are passed over; a stem met twice is a problem."""
    found: dict[str, str] = {}
    for path in sorted((raw / folder).iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        name = f"{folder}/{path.name}"
        if path.stem in found:
            problems.append(Problem(Kind.DUPLICATE, split, name, path.stem, f"{found[path.stem]} has the same id"))
        else:
            found[path.stem] = name
    return found


def _listing(folder: Path) -> str:
    return listed(sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())) or "nothing"
