"""The labels of a tool with a file for each image, and which file belongs to which image."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath

from datasets.annotations import sniff
from datasets.annotations.colours import distinct
from datasets.annotations.index import Colour
from datasets.annotations.json_spans import parse
from datasets.audit import BadFileError, Problem
from datasets.image_folder import names, rehearsal
from datasets.image_folder.matching import values_of
from datasets.raw import RawFolder

Labels = dict[str, tuple[list[str], Colour | None]]
"""{name of a class: (its labels in the tool, its colour)}."""

META = "meta.json"  # Supervisely's file with the classes and their colours


def each_a_class(labels: Mapping[str, Colour | None]) -> Labels:
    """Return the labels that a tool declares, each as a class of its name."""
    return {label: ([label], colour) for label, colour in labels.items()}


def pair(tool: str, files: Sequence[str], images: Sequence[str]) -> dict[str, str]:
    """Return {image: its file} by the tool's rule for names."""
    known = set(files)
    by_stem: dict[str, list[str]] = {}
    for file in files:
        by_stem.setdefault(PurePosixPath(file).stem, []).append(file)
    paired: dict[str, str] = {}
    for image in images:
        path = PurePosixPath(image)
        if tool == "supervisely":  # ds/img/a.jpg, ds/ann/a.jpg.json
            wanted = [str(path.parent.parent / "ann" / f"{path.name}.json")]
        elif tool == "yolo":  # images/train/a.jpg, labels/train/a.txt
            head, folder, tail = image.rpartition("images/")
            wanted = [f"{head}labels/{PurePosixPath(tail).with_suffix('.txt')}"] if folder else []
        else:
            beside = str(path.with_suffix(".json"))
            wanted = [beside] if beside in known else _nearest(path, by_stem.get(path.stem, []))
        if wanted and wanted[0] in known:
            paired[image] = wanted[0]
    return paired if tool in ("supervisely", "yolo") else _keep_own(paired)


def _keep_own(paired: dict[str, str]) -> dict[str, str]:
    """Of several images that have one file keep the one beside it: the others are copies and masks of an export."""
    own = {file for image, file in paired.items() if _is_beside(image, file)}
    return {image: file for image, file in paired.items() if file not in own or _is_beside(image, file)}


def _is_beside(image: str, file: str) -> bool:
    return PurePosixPath(image).parent == PurePosixPath(file).parent


def _nearest(image: PurePosixPath, files: list[str]) -> list[str]:
    """Return the file in the folders whose names are most like those of the image's, if there is only one."""
    shared = [len({*image.parent.parts} & {*PurePosixPath(file).parent.parts}) for file in files]
    nearest = [file for file, number in zip(files, shared, strict=True) if number == max(shared)]
    return nearest if len(nearest) == 1 else []


def file_patterns(tool: str, match: names.Match, paired: Mapping[str, str]) -> list[str]:
    """Return the patterns of the files, from those of the images."""
    if tool == "supervisely":
        return [re.sub(r"(^|/)img/(?=[^/]*$)", r"\1ann/", pattern) + ".json" for pattern in match.images]
    if tool == "yolo":
        replaced = [re.sub(r"(^|/)images/", r"\1labels/", pattern) for pattern in match.images]
        return list(dict.fromkeys(str(PurePosixPath(pattern).with_suffix(".txt")) for pattern in replaced))
    if all(str(PurePosixPath(image).with_suffix(".json")) == file for image, file in paired.items()):
        return list(dict.fromkeys(str(PurePosixPath(pattern).with_suffix(".json")) for pattern in match.images))
    folders = sorted({_folder(file, image, match) for image, file in paired.items()})
    return [f"{folder}/{{id}}.json".removeprefix("./") for folder in folders]


def fit(images: Sequence[str], patterns: Sequence[str], paired: Mapping[str, str]) -> bool:
    """Whether the patterns give each image and its file one id, by which ingest pairs them."""
    return all(_ids(images, image) & _ids(patterns, file) for image, file in paired.items())


def _ids(patterns: Sequence[str], file: str) -> set[str]:
    return {values["id"] for values in values_of(file, patterns)}


def _folder(file: str, image: str, match: names.Match) -> str:
    """Return the folder of a file, with the placeholders for what they stand for in the name of its image."""
    parts = list(PurePosixPath(file).parent.parts)
    for values in values_of(image, match.images):
        for name, value in values.items():
            parts = [f"{{{name}}}" if part == value and name != "id" else part for part in parts]
    return "/".join(parts) or "."


def read(raw: RawFolder, tool: str, files: Sequence[str]) -> tuple[Labels, list[str]]:
    """Return the classes of a tool from its list of them, or from all files; and notes."""
    if tool == "yolo":
        numbers = sniff.yolo_names(raw, raw.files("**/*"))
        by_name: Labels = {}
        for number, name in numbers.items():
            by_name.setdefault(name, ([], None))[0].append(str(number))
        return by_name, []
    declared = _declared(raw) if tool == "supervisely" else {}
    key, label = ("objects", "classTitle") if tool == "supervisely" else ("shapes", "label")
    shapes: Counter[str] = Counter()
    notes = [] if declared else ["the classes are in the order of their names, as no file lists them"]
    bad: list[Problem] = []
    for file in files:
        try:
            own = [shape[label] for shape in parse(raw.read(file))[key]]
            shapes.update({name for name in own if isinstance(name, str)})
        except BadFileError as error:
            bad.append(Problem(error.kind, "", file, "", error.detail))
        except (TypeError, KeyError):  # ingest names the shape
            pass
    notes += rehearsal.messages(bad)
    colours = distinct(declared)
    in_order = [*declared, *sorted(shapes.keys() - declared.keys())]
    return each_a_class({name: colours.get(name) for name in in_order}), notes


def _declared(raw: RawFolder) -> dict[str, str]:
    with suppress(BadFileError, TypeError, KeyError):
        for file in (META, *raw.files(f"*/{META}")):
            if raw.has(file):
                return {str(entry["title"]): str(entry.get("color", "")) for entry in parse(raw.read(file))["classes"]}
    return {}
