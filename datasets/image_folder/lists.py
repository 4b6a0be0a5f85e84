"""Text files that say which images are in a split: ids, names of files, or paths, also with the mask's beside them."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

from datasets.audit import BadFileError, join_names
from datasets.errors import DatasetError
from datasets.image_folder.matching import Matched
from datasets.raw import RawFolder


def read(raw: RawFolder, lists: Mapping[str, str], images: Sequence[Matched]) -> dict[str, str]:
    """Return {name: split} of the images in the lists.

    Args:
        raw: The raw folder, which holds the lists.
        lists: {split: file}; `{group}` in it stands for the folder whose images that file names.
        images: All images that a line may mean.

    Raises:
        DatasetError: A list cannot be read, or its lines mean no image, several, or one of another list, too.
    """
    split_of_name: dict[str, str] = {}
    faults = []
    for split, file, of in _files(lists, images):
        meant = _names_by_line(of)
        try:
            lines = {unicodedata.normalize("NFC", line): () for line in raw.lines(file)}
        except BadFileError as error:
            faults.append(f"{file} (splits.lists.{split}): {error}.")
            continue
        names_of = {line: _meaning(line, meant) for line in lines}
        missing = sorted(line for line, names in names_of.items() if not names)
        if missing:
            grouped = any(image.group for image in images)
            allowed = "{id} in `images`, or {group}/{id}" if grouped else "{id} in `images`"
            advice = f"A line must be exactly the value of {allowed}, or the path of the image."
            faults.append(f"{file} names {len(missing)} ids without an image: {join_names(missing)}. {advice}")
        several = sorted(line for line, names in names_of.items() if len(names) > 1)
        if several:
            example = min(names_of[several[0]])
            advice = f"Write them as {{group}}/{{id}}, such as {example}."
            faults.append(f"{file} names {len(several)} ids that several groups have: {join_names(several)}. {advice}")
        names = {name for of in names_of.values() for name in of if len(of) == 1}
        twice = sorted(names & split_of_name.keys())
        if twice:
            faults.append(f"{file} names ids that another list names too: {join_names(twice)}.")
        split_of_name.update(dict.fromkeys(names, split))
    if faults:
        raise DatasetError("\n".join([f"In {raw.path}:", *faults]))
    return split_of_name


def _files(lists: Mapping[str, str], images: Sequence[Matched]) -> Iterator[tuple[str, str, Sequence[Matched]]]:
    """Yield split, file, and the images that its lines may mean: those of its group where the name holds {group}."""
    groups = sorted({image.group for image in images})
    for split, file in lists.items():
        if "{group}" not in file:
            yield split, file, images
            continue
        for group in groups:
            yield split, file.replace("{group}", group), [image for image in images if image.group == group]


def _meaning(line: str, meant: Mapping[str, set[str]]) -> set[str]:
    """Return the names of the images that a line may mean: as a whole, or by its first word, where that is a path.

    Of a path as many parts must fit as the images' own names have: /data/CamVid/train/a.png means train/a.png.
    """
    for text in dict.fromkeys([line, *re.split(r"[\t,;]| (?=\S*/)", line)[:1]]):
        path = text.strip().strip("\"'").replace("\\", "/").removeprefix("./").lstrip("/")
        if text == line and line in meant:
            return meant[line]
        while path:
            for form in (path, re.sub(r"\.\w+$", "", path)):
                if form in meant:
                    return meant[form]
            path = path.partition("/")[2]
    return set()


def _names_by_line(images: Sequence[Matched]) -> dict[str, set[str]]:
    """Return {line of a list: names of the images it may mean}; a line that equals a name means only that image."""
    meant: dict[str, set[str]] = {}
    for image in images:
        path = unicodedata.normalize("NFC", image.file)
        ids = [image.id, f"{image.group}/{image.id}"] if image.group else [image.id]
        for line in dict.fromkeys([*ids, *_forms(path)]):
            meant.setdefault(line, set()).add(image.name)
    return meant | {image.name: {image.name} for image in images}


def _forms(path: str) -> list[str]:
    """Return the ends of a path, from the whole to the name itself, with and without suffix."""
    parts = path.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    return [*ends, *(re.sub(r"\.\w+$", "", end) for end in ends)]
