"""Pair images with what a labelling tool's files say about them, and say how their labels are drawn."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from datasets.annotations import tools
from datasets.annotations.images import Images
from datasets.annotations.index import Index
from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind, Problem, join_names
from datasets.errors import DatasetError
from datasets.image_folder import files, folder
from datasets.image_folder.annotation_section import Annotations
from datasets.image_folder.folder import SplitAssigner
from datasets.image_folder.layout import Layout
from datasets.image_folder.matching import Matched, match_files, values_of
from datasets.image_folder.sections import SPLITS
from datasets.pairs import Pair, Split
from datasets.raw import Part, RawFolder
from datasets.reader import Reader
from datasets.spec import IGNORE

OPEN = {"coco": True, "coco_panoptic": True, "class_masks": True, "yolo": False}
"""{tool: whether its files have the image's size}, of forms that any tool writes: some turn images, others do not."""


def find(raw: RawFolder, layout: Layout, annotations: Annotations) -> dict[str, Split]:
    """Return {split: its files} of the images that the annotations describe.

    Raises:
        DatasetError: Nothing matches, a file is not the tool's, or a split is empty.
    """
    if annotations.tool == "class_masks":
        return _find_class_masks(raw, layout, annotations)
    if annotations.per_image:
        splits = folder.find(raw, layout.model_copy(update={"masks": annotations.files}))
        if tools.TOOLS[annotations.tool].needs_file:
            return splits
        return {name: _keep_unannotated(raw, layout, split) for name, split in splits.items()}
    images = match_files(raw, layout.images)
    if not images:
        raise DatasetError(folder.describe_no_match(raw, layout, images, images))
    index = read_index(raw, annotations, [image.file for image in images])
    images, *_ = folder.add_groups(layout, [_with_part(image, annotations, index) for image in images], [])
    return folder.require_examples(raw, layout, _assign(raw, layout, images, index))


def read_index(raw: RawFolder, annotations: Annotations, images: list[str]) -> Index:
    """Read which of the images has which annotations.

    Raises:
        DatasetError: No file matches, or one is not the tool's.
    """
    tool = tools.TOOLS[annotations.tool]
    matching = [file.file for file in match_files(raw, annotations.files)]
    if not matching:
        names = join_names(raw.listing()) or "no files"
        patterns = " or ".join(annotations.files)
        raise DatasetError(f"In {raw.path}:\nNo file matches annotations.files: {patterns}.\nThere are: {names}.")
    assert tool.index
    try:
        return tool.index(raw, matching, Images(images))
    except BadFileError as error:
        raise DatasetError(f"In {raw.path}: {error.detail}.\nannotations.tool is {annotations.tool}.") from None


def with_drawing(reader: Reader, layout: Layout, annotations: Annotations) -> Reader:
    """Return the reader with the function that draws the labels."""
    train_ids = {label: index for index, class_ in enumerate(layout.classes) for label in class_.labels_or_name}
    train_ids |= dict.fromkeys(annotations.ignore, IGNORE)
    names = [class_.name for class_ in layout.classes]
    uncovered = names.index(annotations.uncovered) if annotations.uncovered in names else IGNORE
    labels = Labels(train_ids, uncovered, tuple(annotations.files), annotations.attribute or "")
    drawn = partial(tools.draw, tool=annotations.tool, labels=labels)
    is_open = annotations.tool in OPEN and "exif" not in layout.image.model_fields_set
    check = partial(files.require_upright, sized=OPEN[annotations.tool]) if is_open else None
    return replace(reader, drawn=drawn, check=check)


def _find_class_masks(raw: RawFolder, layout: Layout, annotations: Annotations) -> dict[str, Split]:
    """Give each image the masks of its id, of all labels."""
    labels = [label for class_ in layout.classes for label in class_.labels_or_name] + annotations.ignore
    patterns = [pattern.replace("{label}", label) for label in labels for pattern in annotations.files]
    masks = match_files(raw, patterns)
    images = match_files(raw, layout.images, skip={mask.file for mask in masks})
    if not images or not masks:
        raise DatasetError(folder.describe_no_match(raw, layout.model_copy(update={"masks": patterns}), images, masks))
    of_image: dict[tuple[str, str, str], list[Part]] = defaultdict(list)
    for mask in masks:
        of_image[mask.part, mask.group, mask.id].append(Part(mask.file))
    index = Index()
    for image in images:
        if parts := of_image.pop((image.part, image.group, image.id), None):
            index.parts[image.file] = tuple(parts)
    for (*_, id_), parts in of_image.items():
        index.problems.append(Problem(Kind.WITHOUT_IMAGE, "", parts[0].file, id_, f"there is no image {id_}"))
    images, *_ = folder.add_groups(layout, images, [])
    return folder.require_examples(raw, layout, _assign(raw, layout, images, index))


def _assign(
    raw: RawFolder, layout: Layout, images: Sequence[Matched], index: Index
) -> dict[str, tuple[list[Pair], list[Problem]]]:
    split_of = SplitAssigner(raw, layout, images)
    splits: dict[str, tuple[list[Pair], list[Problem]]] = {name: ([], []) for name in SPLITS}
    first: dict[tuple[str, str], str] = {}
    for image in images:
        split = split_of(image)
        if split is None:
            continue
        pairs, problems = splits[split]
        parts = index.parts.get(image.file)
        other = first.setdefault((image.part, image.name), image.file)
        if other != image.file:
            detail = f"{other} has the same id"
            problems.append(Problem(Kind.DUPLICATE, split, image.file, image.name, detail))
        elif image.file in index.twice:
            continue  # among the index's problems
        elif parts is None:
            problems.append(Problem(Kind.WITHOUT_MASK, split, image.file, image.name, "no annotation file names it"))
        else:
            pairs.append(Pair(image.name, image.group or "all", image.file, parts[0].file, parts))
    for problem in index.problems:
        part = _part_of(problem.file, layout.annotations) if layout.annotations else ""
        missing = Matched(problem.file, part, problem.id, "", problem.id)
        split = split_of(missing) or ("train" if not layout.splits.lists else None)
        if split:
            splits[split][1].append(replace(problem, split=split))
    return splits


def _keep_unannotated(raw: RawFolder, layout: Layout, split: Split) -> Split:
    """Make examples of the images without a file, or with an empty one: in some tools they are without any object."""
    groups = {image.file: image.group for image in match_files(raw, layout.images)}
    without = [problem for problem in split.problems if problem.kind is Kind.WITHOUT_MASK]
    pairs = [Pair(problem.id, groups.get(problem.file) or "all", problem.file, None) for problem in without]
    kept = [pair if pair.mask and raw.size(pair.mask) else replace(pair, mask=None) for pair in split.pairs]
    others = tuple(problem for problem in split.problems if problem.kind is not Kind.WITHOUT_MASK)
    return replace(split, pairs=tuple(sorted((*kept, *pairs), key=lambda pair: pair.id)), problems=others)


def _with_part(image: Matched, annotations: Annotations, index: Index) -> Matched:
    """Take the split from the name of the annotation file, where the image's own name does not have it."""
    parts = index.parts.get(image.file)
    return image if image.part or not parts else replace(image, part=_part_of(parts[0].file, annotations))


def _part_of(file: str, annotations: Annotations) -> str:
    return next((values.get("split", "") for values in values_of(file, annotations.files)), "")
