"""Anomalies of a dataset as a whole, though each of its files is valid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from datasets.audit import join_names
from datasets.spec import DatasetSpec
from pipeline.config.validate import Severity, ValidateConfig
from pipeline.data.statistics import SplitStatistics
from pipeline.input.records import TRAIN

DULL = 2.0
"""Standard deviation of a split's pixels, of 255, below which its images are nearly one colour; photographs have 60."""


LAYOUT = "image_folder"
"""The dataset whose classes and images a layout of the user's describes."""


@dataclass(frozen=True)
class Anomaly:
    """One anomaly.

    Attributes:
        anomaly: Its kind: a key of the recipe's section `validate`, or "train_missing", which no setting permits.
        severity: "error" stops the run, "warning" is shown, "ignore" is left out.
        message: What is wrong, with names.
        ids: All images that have it, if it is one of images; the message names some.
    """

    anomaly: str
    severity: Severity
    message: str
    ids: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def find(splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severities: ValidateConfig) -> list[Anomaly]:
    """Find every anomaly that is not ignored, errors first."""
    filled = {name: split for name, split in splits.items() if split.images}
    anomalies = [
        *_missing_splits(filled, spec, severities.split_missing),
        *_absent_from_train(filled, spec, severities.class_absent_from_train),
        *_absent_from_evaluation(filled, spec, severities.class_absent_from_evaluation),
        *_absent_from_all(filled, spec, severities.class_absent_from_all),
        *_shared_images(filled, severities.same_image_in_two_splits),
        *_void_masks(filled, severities.all_void_mask),
        *_dull_images(filled, spec, severities.nearly_one_colour),
    ]
    return sorted((one for one in anomalies if one.severity != "ignore"), key=lambda one: one.severity != "error")


def refusal(anomalies: Sequence[Anomaly]) -> str:
    """Return one message of all anomalies, errors first, and of the settings that make the errors warnings."""
    errors = [one for one in anomalies if one.severity == "error"]
    lines = [
        f"{len(errors)} error{'s' * (len(errors) != 1)} in the data; nothing was trained on it:",
        *lines_of(errors),
    ]
    if len(errors) < len(anomalies):
        lines += ["Warnings:", *lines_of(anomalies[len(errors) :])]
    lines.append("Correct the raw data and run again.")
    settings = sorted({one.anomaly for one in errors} & set(ValidateConfig.model_fields))
    if settings:
        lines += ["To continue in spite of them:", *(f"  --set validate.{setting}=warning" for setting in settings)]
    return "\n".join(lines)


def lines_of(anomalies: Sequence[Anomaly]) -> list[str]:
    """Return one indented line for each anomaly."""
    return [f"  {one.severity}: {one.message}" for one in anomalies]


def _missing_splits(splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severity: Severity) -> Iterator[Anomaly]:
    """Published splits without an image; always an error for train, as nothing could be trained."""
    for name in dict.fromkeys([TRAIN, *spec.split_sizes]):
        if name in splits:
            continue
        size = f", published are {spec.split_sizes[name]}" if name in spec.split_sizes else ""
        message = f"split {name} is missing: it holds no image{size}"
        if name == TRAIN:
            yield Anomaly("train_missing", "error", message)
        else:
            yield Anomaly("split_missing", severity, message)


def _absent_from_train(
    splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severity: Severity
) -> Iterator[Anomaly]:
    """Classes that occur in another split but not in train, so that they cannot be learned."""
    if TRAIN not in splits:
        return
    for index in np.flatnonzero(splits[TRAIN].pixels == 0):
        elsewhere = [
            f"{name} ({split.pixels[index]} pixels in {split.images_with_class[index]} images)"
            for name, split in splits.items()
            if split.pixels[index]
        ]
        if elsewhere:
            message = f"class {spec.classes[index]!r} is absent from train, but present in {', '.join(elsewhere)}"
            yield Anomaly("class_absent_from_train", severity, message)


def _absent_from_evaluation(
    splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severity: Severity
) -> Iterator[Anomaly]:
    """Classes of train that another split does not show, so that nothing says how well they are predicted."""
    if TRAIN not in splits:
        return
    for name, split in splits.items():
        absent = np.flatnonzero((split.pixels == 0) & (splits[TRAIN].pixels > 0))
        if len(absent) and split.pixels.any():  # a split without any label is an anomaly of its own
            they = "they are" if len(absent) > 1 else "it is"
            message = (
                f"{_classes(spec, absent)} absent from {name}, but present in train: an evaluation on {name} does not "
                f"measure how well {they} predicted"
            )
            yield Anomaly("class_absent_from_evaluation", severity, message)


def _absent_from_all(splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severity: Severity) -> Iterator[Anomaly]:
    """Classes that no mask shows: the network has an output for them, and the loss no example."""
    pixels = sum((split.pixels for split in splits.values()), np.zeros(spec.num_classes, np.int64))
    absent = np.flatnonzero(pixels == 0)
    if len(absent) and pixels.any():
        where = "the layout" if spec.name == LAYOUT else "the masks"
        them = "them" if len(absent) > 1 else "it"
        message = f"{_classes(spec, absent)} absent from every split: no mask shows {them}; check {where}"
        yield Anomaly("class_absent_from_all", severity, message)


def _classes(spec: DatasetSpec, indices: Sequence[int] | np.ndarray) -> str:
    names = join_names([repr(spec.classes[index]) for index in indices])
    return f"classes {names} are" if len(indices) > 1 else f"class {names} is"


def _shared_images(splits: Mapping[str, SplitStatistics], severity: Severity) -> Iterator[Anomaly]:
    """Images that are byte for byte the same in two splits: an evaluation would measure memorisation."""
    for one, other in combinations(splits, 2):
        ours, theirs = splits[one].ids, splits[other].ids
        pairs = [(id_, theirs[digest]) for digest, id_ in ours.items() if digest in theirs]
        if not pairs:
            continue
        (first, second), *more = pairs
        if more:
            names = join_names([repr(id_) if id_ == same else f"{id_!r} as {same!r}" for id_, same in pairs])
            message = f"{len(pairs)} images of {one} are in {other} too: {names}"
        else:
            message = f"the same image in two splits: {one} {first!r}, {other} {second!r}"
        yield Anomaly("same_image_in_two_splits", severity, message, tuple(id_ for id_, _ in pairs))


def _void_masks(splits: Mapping[str, SplitStatistics], severity: Severity) -> Iterator[Anomaly]:
    """Images without a labelled pixel; of a split without any label, as published test splits are, none is named."""
    for name, split in splits.items():
        if len(split.void_ids) == split.images > 1:
            message = f"split {name} has no labels: all {split.images} masks are void, nothing can be measured on it"
            yield Anomaly("all_void_mask", severity, message)
            continue
        if split.void_ids:
            count, names = len(split.void_ids), join_names([repr(id_) for id_ in split.void_ids])
            which = f"of {count} masks" if count > 1 else "of the mask"
            message = f"every pixel {which} is void: {name} {names}"
            yield Anomaly("all_void_mask", severity, message, tuple(split.void_ids))


def _dull_images(splits: Mapping[str, SplitStatistics], spec: DatasetSpec, severity: Severity) -> Iterator[Anomaly]:
    """Splits whose images are nearly one colour, such as images of 12 bits that are read as 16."""
    for name, split in splits.items():
        spread = split.std.max()
        if split.images > 1 and spread < DULL:
            own = spec.name == LAYOUT
            hint = "; `image.range` in the layout says which values are black and white" if own else ""
            message = f"the images of {name} are nearly one colour (standard deviation {spread:.1f} of 255){hint}"
            yield Anomaly("nearly_one_colour", severity, message)
