"""Check, before anything is built, that the images of the training split can be batched."""

from collections.abc import Mapping

from pipeline.config.input import InputConfig
from pipeline.errors import UserError
from pipeline.input import records


def check(config: InputConfig, batch_size: int, sizes: Mapping[str, int]) -> None:
    """Raise UserError, naming every problem, if the training images cannot be batched.

    Args:
        config: The recipe's input section.
        batch_size: Images of a step.
        sizes: Number of images of each size (height x width), {"360x480": 367}, as in statistics.json.
    """
    problems = []
    crop = ", or input.augment.crop" if config.augment.crop is None and config.augment_on == "host" else ""
    images = count_examples(config, sizes)
    if images < batch_size:
        problems.append(
            f"train.batch_size is {batch_size} and split {records.TRAIN!r} has {images} images: not one batch can be "
            f"made. Set train.batch_size to at most {images}, or add images."
        )
    common = sorted(sizes, key=lambda size: -sizes[size])
    if len(sizes) > 1 and config.size is None and (reason := _why_one_size(config)):
        listed = ", ".join(f"{size} ({sizes[size]})" for size in common[:5]) + (", ..." if len(common) > 5 else "")
        problems.append(
            f"The training images have {len(sizes)} sizes (height x width: {listed}), and {reason}. Set input.size, "
            f"such as [{common[0].replace('x', ', ')}]{crop}."
        )
    shape = config.size or (_parse_size(common[0]) if common else (1, 1))
    if "rot90" in config.copies and shape[0] != shape[1] and _why_one_size(config):
        problems.append(
            f"input.copies has rot90, which makes images of {shape[1]} x {shape[0]} from those of {shape[0]} x "
            f"{shape[1]} (height x width), and {_why_one_size(config)}. Set input.size to a square"
            f"{crop}, or leave rot90 out."
        )
    problems += _too_large_to_pad(config, sizes)
    problems += _mostly_margin(config, sizes)
    if problems:
        raise UserError("\n".join(problems))


def count_examples(config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Count the training examples, copies included; `sizes` as for `check`."""
    return sum(sizes.values()) * (1 + len(config.copies))


def _why_one_size(config: InputConfig) -> str:
    """Reason why all images must have one size before augmentation or batching; empty where they need not."""
    if config.augment_on == "device":
        return "images that the device augments must have one size"
    return "the images of a batch must have one size" if config.augment.crop is None else ""


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
    largest = max(shapes)
    return [
        f"input.augment.crop is {crop[0]} x {crop[1]} and the largest image {largest[0]} x {largest[1]} (height x "
        f"width), zoomed by at most {zoom:g}: most of a crop would lie outside. Set a smaller input.augment.crop."
    ]
