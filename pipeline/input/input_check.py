"""Check, before anything is built, that the images of the training split can be batched."""

import statistics
from collections.abc import Mapping

from pipeline.config.input import InputConfig
from pipeline.config.train import TrainConfig
from pipeline.errors import UserError
from pipeline.input import records

MULTIPLE = 32
"""An advised height or width is a multiple of this, the stride of most networks."""

LONGEST = 512
"""The longer side of an advised size, pixels, at most."""

OF_A_BATCH = "the images of a batch must have one size"


def check(config: InputConfig, train: TrainConfig, sizes: Mapping[str, int]) -> None:
    """Raise UserError, naming every problem, if the training images cannot be batched.

    Args:
        config: The recipe's input section.
        train: The recipe's train section.
        sizes: Number of images of each size (height x width), {"360x480": 367}, as in statistics.json.
    """
    problems, images = [], count_examples(config, sizes)
    if images < train.images:
        problems.append(
            f"train.batch_size is {train.images} and split {records.TRAIN!r} has {images} images: not one batch can be "
            f"made. Set train.batch_size to at most {images}, or add images."
        )
    problems += problems_of_sizes(config, train, sizes)
    if problems:
        raise UserError("\n".join(problems))


def problems_of_sizes(config: InputConfig, train: TrainConfig, sizes: Mapping[str, int]) -> list[str]:
    """Return why images of these sizes cannot be batched, whatever their number; arguments as for `check`."""
    problems = []
    reason = _why_one_size(config, train)
    crop = ", or input.augment.crop" if config.augment.crop is None and config.augment_on == "host" else ""
    single = ", or train.batch_size to 1" if reason == OF_A_BATCH else ""
    common = sorted(sizes, key=lambda size: -sizes[size])
    if len(sizes) > 1 and config.size is None and reason:
        listed = ", ".join(f"{size} ({sizes[size]})" for size in common[:5]) + (", ..." if len(common) > 5 else "")
        problems.append(
            f"The training images have {len(sizes)} sizes (height x width: {listed}), and {reason}. Set input.size, "
            f"such as {list(advise(sizes))}{crop}{single}."
        )
    shape = config.size or (_parse_size(common[0]) if common else (1, 1))
    if "rot90" in config.copies and shape[0] != shape[1] and reason:
        problems.append(
            f"input.copies has rot90, which makes images of {shape[1]} x {shape[0]} from those of {shape[0]} x "
            f"{shape[1]} (height x width), and {reason}. Set input.size to a square"
            f"{crop}, or leave rot90 out."
        )
    problems += _too_large_to_pad(config, sizes)
    return problems + _mostly_margin(config, sizes)


def advise(sizes: Mapping[str, int]) -> tuple[int, int]:
    """Return a height and width for input.size or input.augment.crop that suits most of the images.

    That of most images, if they have one; else the median height and width, in multiples of 32 pixels.

    >>> advise({"360x480": 6, "300x400": 1}), advise({"34x38": 1, "60x70": 1, "90x120": 1}), advise({"3000x4000": 9})
    ((360, 480), (64, 64), (384, 512))

    Args:
        sizes: As for `check`; at least one.
    """
    first = max(sizes, key=lambda size: sizes[size])
    height, width = _parse_size(first)
    if 2 * sizes[first] > sum(sizes.values()) and min(height, width) >= MULTIPLE and max(height, width) <= LONGEST:
        return height, width
    shapes = [_parse_size(size) for size, number in sizes.items() for _ in range(number)]
    middle = [statistics.median(lengths) for lengths in zip(*shapes, strict=True)]
    zoom = min(1.0, LONGEST / max(middle))
    high, wide = (max(MULTIPLE, MULTIPLE * round(length * zoom / MULTIPLE)) for length in middle)
    return high, wide


def count_examples(config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Count the training examples, copies included; `sizes` as for `check`."""
    return sum(sizes.values()) * (1 + len(config.copies))


def _why_one_size(config: InputConfig, train: TrainConfig) -> str:
    """Reason why all images must have one size before augmentation or batching; empty where they need not."""
    if config.augment_on == "device":
        return "images that the device augments must have one size"
    if config.augment.crop is not None:
        return ""
    if config.augment.cutmix or config.augment.classmix:
        return "images that are mixed with one another must have one size"
    return "" if train.batch_size == 1 else OF_A_BATCH


def _too_large_to_pad(config: InputConfig, sizes: Mapping[str, int]) -> list[str]:
    """Problem of images that exceed input.size where they are only padded."""
    if config.fit != "pad" or config.size is None:
        return []
    shapes = [_parse_size(size) for size in sizes]
    most = max((height for height, _ in shapes), default=0), max((width for _, width in shapes), default=0)
    if all(length <= limit for length, limit in zip(most, config.size, strict=True)):
        return []
    return [
        f"input.fit is pad, which never makes an image smaller; input.size is {config.size[0]} x {config.size[1]}, and "
        f"the training images have up to {most[0]} x {most[1]} (height x width). Set input.size to at least that, or "
        "input.fit to resize_pad."
    ]


def _parse_size(size: str) -> tuple[int, int]:
    height, width = map(int, size.split("x"))
    return height, width


def _mostly_margin(config: InputConfig, sizes: Mapping[str, int]) -> list[str]:
    """Problem of a crop that is more margin than image even at the largest zoom."""
    crop, zoom = config.augment.crop, config.augment.scale[1]
    if crop is None:
        return []
    shapes = [config.size] if config.size else [_parse_size(size) for size in sizes]
    if not shapes or any(2 * height * zoom > crop[0] and 2 * width * zoom > crop[1] for height, width in shapes):
        return []
    largest = max(shapes, key=lambda shape: shape[0] * shape[1])
    such_as = "" if config.size else f", such as {list(advise(sizes))}"
    return [
        f"input.augment.crop is {crop[0]} x {crop[1]} and the largest image {largest[0]} x {largest[1]} (height x "
        f"width), zoomed by at most {zoom:g}: most of a crop would lie outside. Set a smaller input.augment.crop"
        f"{such_as}."
    ]
