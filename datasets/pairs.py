"""Pairing of images with masks by file name; no file is opened."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from datasets.audit import SUFFIXES, Kind, Problem, join_names
from datasets.errors import DatasetError
from datasets.raw import Part, RawFolder


@dataclass(frozen=True)
class Pair:
    """The files of one example.

    Attributes:
        id: Unique within the split.
        group: A city, a sequence, a category ...; evaluation slices by it.
        image, mask: Names in the raw folder; both may be the same file. `mask` is None for an image without labels.
        parts: Where the label is drawn from annotations (`Reader.drawn`): what describes it, in that order; empty: the
            whole of `mask`.
        further: Names of further masks, whose objects are united with those of `mask`.
    """

    id: str
    group: str
    image: str
    mask: str | None
    parts: tuple[Part, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all its files, each once."""
        names = (self.image, self.mask, *self.further, *(part.file for part in self.parts))
        return tuple(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class Split:
    """The files of one split.

    Attributes:
        pairs: The examples.
        problems: Files that belong to no pair.
    """

    pairs: tuple[Pair, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all files, also of those without a partner."""
        ids = (*(pair.id for pair in self.pairs), *(problem.id for problem in self.problems))
        return frozenset(id_ for id_ in ids if id_)


def pair_by_stem(
    raw: RawFolder, folders: Mapping[str, tuple[str, str]], group: Callable[[str], str]
) -> dict[str, Split]:
    """Pair the files of each split's two folders by their names without suffix.

    Args:
        raw: The raw folder.
        folders: {split: (folder of images, folder of masks)}, names in `raw`.
        group: Maps an id to its group.

    Returns:
        {split: its files}, without the splits that have neither folder.

    Raises:
        DatasetError: A split has only one of its folders, or no file; or there is no split at all.
    """
    faults: list[str] = []
    splits: dict[str, Split] = {}
    for name, (images, masks) in folders.items():
        present = [folder for folder in (images, masks) if raw.has(folder)]
        if len(present) == 1:
            missing = masks if present == [images] else images
            faults.append(f"Split {name}: {present[0]}/ is there, {missing}/ is not.")
        elif present:
            splits[name] = _pair_folders(raw, name, images, masks, group)
            if not splits[name].ids:
                faults.append(f"Split {name}: {images}/ and {masks}/ hold no file.")
    if not splits and not faults:
        faults.append(f"There is no split. Received: {join_names(raw.listing()) or 'nothing'}.")
    if faults:
        expected = ", ".join(f"{images}/ with {masks}/" for images, masks in folders.values())
        raise DatasetError(
            "\n".join([f"In {raw.path}:", *faults, f"Expected: {expected}; a split may lack both folders."])
        )
    return splits


def match(
    split: str,
    image_of: Mapping[str, str],
    mask_of: Mapping[str, str],
    *,
    expected: tuple[Callable[[str], str], Callable[[str], str]],
    group: Callable[[str], str],
    problems: Sequence[Problem] = (),
) -> Split:
    """Pair images with masks by id; a file without its partner is a problem.

    Args:
        split: Name of the split.
        image_of: {id: image file}.
        mask_of: {id: mask file}.
        expected: Map an id to the expected name of its image and of its mask, for the messages.
        group: Maps an id to its group.
        problems: Problems of `index_by_id`; the ids that they name make no pair.
    """
    all_problems = [*problems]
    for id_ in image_of.keys() - mask_of.keys():
        all_problems.append(Problem(Kind.WITHOUT_MASK, split, image_of[id_], id_, f"no file {expected[1](id_)}"))
    for id_ in mask_of.keys() - image_of.keys():
        all_problems.append(Problem(Kind.WITHOUT_IMAGE, split, mask_of[id_], id_, f"no file {expected[0](id_)}"))
    bad = {problem.id for problem in all_problems}
    both = sorted((image_of.keys() & mask_of.keys()) - bad)
    return Split(tuple(Pair(id_, group(id_), image_of[id_], mask_of[id_]) for id_ in both), tuple(all_problems))


def index_by_id(
    files: Iterable[str], split: str, problems: list[Problem], *, ending: str | None = None
) -> dict[str, str]:
    """Return {id: file}, where the id is the file's name without `ending` or, for None, without suffix.

    Duplicate ids and files whose suffix is not of an image or mask are appended to `problems`.
    """
    file_of: dict[str, str] = {}
    for name in files:
        path = PurePosixPath(name)
        id_ = path.stem if ending is None else path.name.removesuffix(ending)
        if path.suffix.lower() not in SUFFIXES:
            problems.append(Problem(Kind.STRAY, split, name, ""))
        elif id_ in file_of:
            problems.append(Problem(Kind.DUPLICATE, split, name, id_, f"{file_of[id_]} has the same id"))
        else:
            file_of[id_] = name
    return file_of


def _pair_folders(raw: RawFolder, name: str, images: str, masks: str, group: Callable[[str], str]) -> Split:
    problems: list[Problem] = []
    image_of = index_by_id(raw.files(f"{images}/*"), name, problems)
    mask_of = index_by_id(raw.files(f"{masks}/*"), name, problems)
    expected = (f"{images}/{{}}.*".format, f"{masks}/{{}}.*".format)
    return match(name, image_of, mask_of, expected=expected, group=group, problems=problems)
