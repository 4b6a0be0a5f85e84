"""Recognise the files of a labelling tool in a folder, and write the layout that reads them."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from datasets.annotations import sniff
from datasets.annotations.images import Images
from datasets.annotations.index import Colour, Index
from datasets.annotations.tools import TOOLS
from datasets.audit import BadFileError, join_names
from datasets.errors import DatasetError
from datasets.image_folder import brightness, class_folders, names, split_guess, tool_labels, void
from datasets.image_folder.families import IMAGE_SUFFIXES, SPLIT_WORDS, find_families
from datasets.raw import RawFolder

UNCOVERED = {"coco_panoptic": "ignore"}
"""{tool: what the pixels of no shape are}, where that is not the background."""

BACKGROUND = ("background", "_background_")
"""Labels that tools use for the background."""

PREFERRED = re.compile(r"(?:^|[/_])instances(?:[_.]|$)")
"""Of several COCO files the one that is meant: instances_train.json, beside captions and keypoints."""

SPLIT_WORD = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))})\d*(?![A-Za-z])", re.IGNORECASE
)

FEWEST_PARTS = 2
"""Parts of an image of COCO without a shape: the categories and its own entry."""

EXPORTED = re.compile(r"^(?:JPEGImages|SegmentationClass|SegmentationObject)", re.IGNORECASE)
"""Folders of an export to VOC."""

MOST_CLASSES = 253
"""Records hold no more."""

Layout = dict[str, Any]


def recognise(raw: RawFolder, files: Sequence[str]) -> tuple[Layout, list[str], int] | None:
    """Return the layout of a folder with the files of a labelling tool, notes, and the number of images it describes.

    Returns:
        None where there are no such files, or they describe no image that is there.

    Raises:
        DatasetError: The files are a tool's, and describe nothing that can be read.
    """
    images = [file for file in files if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES]
    tools = sniff.recognise(raw, files)
    for tool, own in tools.items():
        describe = _per_image if TOOLS[tool].index is None else _by_index
        described = describe(raw, tool, own, images)
        if described:
            layout, notes, pairs = described
            others = [f"{TOOLS[other].title} ({len(tools[other])})" for other in tools if other != tool]
            if others:
                notes.append(f"files of other tools are not used: {', '.join(others)}")
            return layout, notes, pairs
    return _by_class(raw, files)


def _by_index(raw: RawFolder, tool: str, files: list[str], images: list[str]) -> tuple[Layout, list[str], int] | None:
    """Describe a tool whose files name the images."""
    files, notes = _choose(tool, files)
    masks = [file for file in images if file.lower().endswith(".png")] if tool == "coco_panoptic" else []
    index = _read(raw, tool, [*files, *masks], images)
    if not index.parts:
        return None
    used = {part.file for parts in index.parts.values() for part in parts}
    match = _match(list(index.parts))
    patterns = [_pattern(file, files, "*") for file in files]
    if set(match.parts) == {""} and len(by_word := _by_word(index, files)) > 1:
        match, patterns = replace(match, parts=by_word), [_pattern(file, files, "{split}") for file in files]
    patterns += _mask_patterns(sorted(used & set(masks)))
    labels, label_notes = tool_labels.in_use(index.labels)
    rivals, rival_masks = _rivals(index.parts, [image for image in images if image not in used])
    notes += rivals
    if tool == "coco" and (empty := sum(len(parts) == FEWEST_PARTS for parts in index.parts.values())):
        notes.append(f"{empty} of the images have no shape: all their pixels are uncovered")
    unlisted = len(set(images) - index.parts.keys() - used - rival_masks)
    if unlisted:
        notes.append(f"{unlisted} images are named in no annotation")
    if index.problems:
        first = index.problems[0]
        notes.append(f"{len(index.problems)} annotations are without an image, such as {first.detail}")
    return _describe(raw, tool, match, list(dict.fromkeys(patterns)), labels, [*notes, *label_notes])


def _per_image(raw: RawFolder, tool: str, files: list[str], images: list[str]) -> tuple[Layout, list[str], int] | None:
    """Describe a tool with a file for each image, whose name is that of the image."""
    paired = tool_labels.pair(tool, files, images)
    if not paired:
        return None
    match = _match(list(paired))
    patterns = tool_labels.file_patterns(tool, match, paired)
    labels, notes = tool_labels.read(raw, tool, list(paired.values()))
    rivals, masks = _rivals(paired, images)
    notes += rivals
    if TOOLS[tool].needs_file and (bare := len(set(images) - paired.keys() - masks)):
        notes.append(f"{bare} images have no file of {TOOLS[tool].title}")
    return _describe(raw, tool, match, patterns, labels, notes)


def _rivals(annotated: Collection[str], images: Sequence[str]) -> tuple[list[str], set[str]]:
    """Return notes on folders of masks, by their names, of images that a tool's files describe too; and their files."""
    stems = {PurePosixPath(image).stem for image in annotated}
    notes, unused = [], set[str]()
    for family in find_families([image for image in images if image not in annotated]):
        files = set(family.files.values())
        export = EXPORTED.match(PurePosixPath(min(files)).parent.name) if files else None
        own = [file for key, file in family.files.items() if key[2] in stems]
        if not own or not (family.is_mask or export):
            continue
        unused |= files
        if family.is_mask:
            folder = PurePosixPath(min(own)).parent
            notes.append(
                f"{len(own)} masks of these images are not used: {folder}. If these are the labels, move the tool's "
                "files out of the folder"
            )
        else:
            notes.append(f"{len(own)} copies of these images are not used: {PurePosixPath(min(own)).parent}")
    return notes, unused


def _by_class(raw: RawFolder, files: Sequence[str]) -> tuple[Layout, list[str], int] | None:
    """Describe masks in a folder for each class."""
    folders = class_folders.recognise(raw, files)
    if folders is None:
        return None
    by_label, paired, patterns = folders
    labels, _ = tool_labels.in_use(dict.fromkeys(by_label))
    notes = ["where masks of several classes overlap, the class that is listed later counts: check their order"]
    return _describe(raw, "class_masks", _match(list(paired)), patterns, labels, notes)


def _describe(
    raw: RawFolder,
    tool: str,
    match: names.Match,
    patterns: list[str],
    labels: Mapping[str, tuple[list[str], Colour | None]],
    notes: list[str],
) -> tuple[Layout, list[str], int]:
    ignore = [label for name, (own, _) in labels.items() if void.is_void(name) for label in own]
    kept = {name: value for name, value in labels.items() if not void.is_void(name)}
    if not kept:
        raise DatasetError(f"In {raw.path}: the files of {TOOLS[tool].title} hold no shape of any class.")
    uncovered = UNCOVERED.get(tool) or next((name for name in BACKGROUND if name in kept), BACKGROUND[0])
    if uncovered != "ignore" and uncovered not in kept:
        kept = {uncovered: ([uncovered], None), **kept}
    if not 2 <= len(kept) <= MOST_CLASSES:
        raise DatasetError(
            f"In {raw.path}: the files of {TOOLS[tool].title} hold {len(kept)} classes; 2 to {MOST_CLASSES} can be "
            "trained. Write the layout by hand, with several labels in a class; datasets/image_folder/README.md shows "
            "how."
        )
    splits, split_notes = split_guess.guess(raw, match, {})
    image_range, range_notes = brightness.guess(raw, match.image_examples)
    annotations = {"tool": tool, "files": patterns[0] if len(patterns) == 1 else patterns, "uncovered": uncovered}
    layout: Layout = {"images": match.images[0] if len(match.images) == 1 else list(match.images)}
    layout |= {"annotations": annotations | ({"ignore": ignore} if ignore else {}), "splits": splits}
    layout |= {"image": {"range": list(image_range)}} if image_range else {}
    layout["classes"] = [
        {"name": name, **({} if own == [name] else {"labels": own}), **({"colour": list(colour)} if colour else {})}
        for name, (own, colour) in kept.items()
    ]
    begin = "there is" if tool == "class_masks" else "the files are of"
    first = [
        f"{begin} {TOOLS[tool].title}: {' and '.join(patterns)} with {' and '.join(match.images)}",
        f"{match.pairs} images are annotated; classes are {join_names(list(kept))}",
        f"pixels that no shape covers are {'ignored' if uncovered == 'ignore' else uncovered}; to change that, set "
        "annotations.uncovered",
    ]
    if ignore:
        first.append(f"shapes of {', '.join(ignore)} are ignored, as their name says")
    return layout, [*first, *notes, *range_notes, *split_notes], match.pairs


def _choose(tool: str, files: list[str]) -> tuple[list[str], list[str]]:
    """Of several COCO files per split keep those of instances."""
    preferred = [file for file in files if PREFERRED.search(file)]
    if tool == "coco" and preferred and len(preferred) < len(files):
        others = sorted(set(files) - set(preferred))
        return preferred, [f"{', '.join(others)} are not used, as {', '.join(preferred)} hold the instances"]
    return files, []


def _read(raw: RawFolder, tool: str, files: list[str], images: list[str]) -> Index:
    read = TOOLS[tool].index
    assert read
    try:
        return read(raw, files, Images(images))
    except BadFileError as error:
        raise DatasetError(f"In {raw.path}: {error.detail}.") from None


def _match(images: list[str]) -> names.Match:
    """Return the patterns of image files, and the folders that are splits and groups."""
    families = [family for family in find_families(images) if family.files]
    patterns, parts, groups, ids = [], Counter[str](), Counter[str](), []
    for family in families:
        suffixes = {PurePosixPath(file).suffix for file in family.files.values()}
        inner = "" if family.root else _common_folder(list(family.files.values()))
        patterns += [f"{family.root or inner}/{{id}}{suffix}".lstrip("/") for suffix in sorted(suffixes)]
        for split, group, name in family.files:
            parts[split] += 1
            groups[group] += 1
            ids.append(f"{group}/{name}" if group else name.removeprefix(f"{inner}/"))
    if len(parts) > 1 and "" in parts:  # some images are in no split: splits are drawn
        return _without_placeholders(images)
    match = names.Match(
        tuple(patterns), (), dict(parts), dict(groups), tuple(ids), (), tuple(sorted(images)), 0, {}, {}
    )
    return split_guess.replace_uniform_splits(split_guess.drop_single_split(match))


def _common_folder(files: Sequence[str]) -> str:
    """Return the folder that holds all files, so that a pattern takes no copies of them in folders beside it."""
    common = posixpath.commonpath([str(PurePosixPath(file).parent) for file in files])
    return common if common != "." else ""


def _without_placeholders(images: list[str]) -> names.Match:
    folders = sorted({(str(PurePosixPath(file).parent), PurePosixPath(file).suffix) for file in images})
    patterns = [f"{folder}/{{id}}{suffix}".removeprefix("./") for folder, suffix in folders]
    ids = tuple(PurePosixPath(file).stem for file in images)
    counts = {"": len(images)}
    return names.Match(tuple(patterns), (), counts, counts, ids, (), tuple(sorted(images)), 0, {}, {})


def _pattern(file: str, files: Sequence[str], placeholder: str) -> str:
    """Return the pattern of an annotation file: with a placeholder for its split where there are several files."""
    return file if len(files) == 1 else SPLIT_WORD.sub(placeholder, file, count=1)


def _by_word(index: Index, files: Sequence[str]) -> dict[str, int]:
    """Return {word for a split in the name of an annotation file: number of its images}, if each file has its own."""
    word_of = {file: match[0] for file in files if (match := SPLIT_WORD.search(file))}
    if len(set(word_of.values())) < len(files):
        return {}
    return dict(Counter(word_of[parts[0].file] for parts in index.parts.values()))


def _mask_patterns(masks: list[str]) -> list[str]:
    return sorted({f"{PurePosixPath(file).parent}/*{PurePosixPath(file).suffix}".removeprefix("./") for file in masks})
