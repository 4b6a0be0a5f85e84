"""Recognise the files of a labelling tool in a folder, and write the layout that reads them."""

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from datasets.annotations import sniff
from datasets.annotations.images import Images
from datasets.annotations.index import Index
from datasets.annotations.tools import TOOLS
from datasets.audit import BadFileError, join_names
from datasets.errors import DatasetError
from datasets.image_folder import (
    annotated,
    brightness,
    headers,
    names,
    rehearsal,
    split_guess,
    tool_labels,
    tool_refusals,
    void,
)
from datasets.image_folder.families import IMAGE_SUFFIXES, SPLIT_WORDS, find_families
from datasets.image_folder.masks_per_class import ClassMasks
from datasets.raw import RawFolder

UNCOVERED = {"coco_panoptic": "ignore"}  # {tool: what the pixels of no shape are}, where that is not the background
BACKGROUND = ("background", "_background_")  # Labels that tools use for the background

PREFERRED = re.compile(r"(?:^|[/_])instances(?:[_.]|$)")
"""Of several COCO files the one that is meant: instances_train.json, beside captions and keypoints."""

SPLIT_WORD = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))})\d*(?![A-Za-z])", re.IGNORECASE
)

FEWEST_PARTS = 2  # Parts of an image of COCO without a shape: the categories and its own entry

EXPORTED = re.compile(r"^(?:JPEGImages|SegmentationClass|SegmentationObject)", re.IGNORECASE)
"""Folders of an export to VOC."""

MOST_CLASSES = 253  # Records hold no more

Layout = dict[str, Any]

Described = tuple[Layout, list[str], int]
"""A layout, notes for the user, and the number of images that it describes."""


def recognise(raw: RawFolder, files: Sequence[str]) -> tuple[Described | None, list[str]]:
    """Describe a folder with the files of a labelling tool.

    Returns:
        What the folder is; None where there are no such files, or they describe no image that is there. And why files
        that a tool wrote are not read.

    Raises:
        DatasetError: The files are a tool's, and only the user can say what they mean.
    """
    images = [file for file in files if PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES]
    kinds, refusals = sniff.recognise(raw, files), list[str]()
    tools = {kind: own for kind, own in kinds.items() if kind in TOOLS}
    for tool, own in tools.items():
        per_image = TOOLS[tool].index is None
        broken = kinds.get(sniff.NO_JSON, []) if per_image else []
        described = (_per_image if per_image else _by_index)(raw, tool, [*own, *broken], images, refusals)
        if described:
            others = [f"{TOOLS[other].title} ({len(tools[other])})" for other in tools if other != tool]
            described[1].extend([f"files of other tools are not used: {', '.join(others)}"] if others else [])
            unread = {kind: own for kind, own in kinds.items() if not (per_image and kind == sniff.NO_JSON)}
            described[1].extend([*tool_refusals.describe(raw, unread), *refusals])
            return described, []
    return None, [*tool_refusals.describe(raw, kinds), *refusals]


def _by_index(raw: RawFolder, tool: str, files: list[str], images: list[str], refusals: list[str]) -> Described | None:
    """Describe a tool whose files name the images; None where none is here, which is added to the refusals."""
    files, notes = _choose(tool, files)
    masks = [file for file in images if file.lower().endswith(".png")] if tool == "coco_panoptic" else []
    index = _read(raw, tool, [*files, *masks], images)
    if not index.parts.keys() - index.twice:
        first = index.problems[0].detail if index.problems else "nothing is annotated"
        refusals.append(
            f"{tool_refusals.some(files)} ({TOOLS[tool].title}): no image that is described can be used, as {first}. "
            "Put the images into this folder, with the names that the tool gives them, each annotated once"
        )
        return None
    used = {part.file for parts in index.parts.values() for part in parts}
    match = _match([image for image in index.parts if image not in index.twice])
    patterns = [_pattern(file, files, "*") for file in files]
    if set(match.parts) == {""} and len(by_word := _by_word(index, files)) > 1:
        match, patterns = replace(match, parts=by_word), [_pattern(file, files, "{split}") for file in files]
    patterns += _mask_patterns(sorted(used & set(masks)))
    rivals, rival_masks = _rivals(index.parts, [image for image in images if image not in used])
    notes += rivals
    if tool == "coco" and (empty := sum(len(parts) == FEWEST_PARTS for parts in index.parts.values())):
        notes.append(f"{empty} of the images have no shape: all their pixels are uncovered")
    unlisted = len(set(images) - index.parts.keys() - used - rival_masks)
    if unlisted:
        notes.append(f"{unlisted} images are named in no annotation")
    if index.attribute:
        notes.append(f"classes are the values of {index.attribute}; for another one set annotations.attribute")
    notes += rehearsal.messages(index.problems)
    described = _describe(
        raw, tool, match, list(dict.fromkeys(patterns)), tool_labels.each_a_class(index.labels), notes
    )
    described[0]["annotations"] |= {"attribute": index.attribute} if index.attribute else {}
    return described


def _per_image(raw: RawFolder, tool: str, files: list[str], images: list[str], refusals: list[str]) -> Described | None:
    """Describe a tool with a file for each image, whose name is that of the image; None as `_by_index`."""
    paired = tool_labels.pair(tool, files, images)
    if not paired:
        refusals.append(f"{tool_refusals.some(files)} ({TOOLS[tool].title}): there is no image of the same name")
        return None
    match = _match(list(paired))
    patterns = tool_labels.file_patterns(tool, match, paired)
    if not tool_labels.fit(match.images, patterns, paired):  # images in folders that the tool's files are not in
        match = _without_placeholders(list(paired))
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
    for family in find_families(images):
        files = set(family.files.values()).difference(annotated)
        export = EXPORTED.match(PurePosixPath(min(files)).parent.name) if files else None
        own = [file for key, file in family.files.items() if key[2] in stems and file in files]
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


def of_class_masks(raw: RawFolder, class_masks: ClassMasks) -> Described:
    """Return the layout of masks of a class each, notes, and the number of images that have any."""
    match = split_guess.replace_uniform_splits(split_guess.drop_single_split(class_masks.match))
    labels = tool_labels.each_a_class(dict.fromkeys(class_masks.labels))
    notes = []
    if class_masks.has_overlap:
        notes.append("masks of several classes overlap, and the class that is listed later counts: check their order")
    return _describe(raw, "class_masks", match, list(match.masks), labels, notes)


def _describe(
    raw: RawFolder,
    tool: str,
    match: names.Match,
    patterns: list[str],
    labels: tool_labels.Labels,
    notes: list[str],
) -> Described:
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
    if tool in annotated.OPEN:
        range_notes += headers.note_turned(raw, match.image_examples)
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
    """Read the files of a tool. Raises DatasetError where one is bad, or leaves a question open."""
    read = TOOLS[tool].index
    assert read
    try:
        index = read(raw, files, Images(images))
        if index.open_question:  # an image and its mask may have one name
            masks = {file for family in find_families(images) if family.is_mask for file in family.files.values()}
            index = read(raw, files, Images(image for image in images if image not in masks))
    except BadFileError as error:
        raise DatasetError(f"In {raw.path}: {error.detail}.") from None
    if index.open_question:
        raise DatasetError(f"In {raw.path}: {index.open_question}.")
    return index


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
    match = names.Match(tuple(patterns), dict(parts), dict(groups), tuple(ids), tuple(sorted(images)))
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
    return names.Match(tuple(patterns), counts, counts, ids, tuple(sorted(images)))


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
