"""Whether the images of a training split can make batches, told before anything is built."""

from collections.abc import Mapping

from pipeline.config.recipe import InputConfig
from pipeline.errors import UserError
from pipeline.input import records


def check(config: InputConfig, batch_size: int, sizes: Mapping[str, int]) -> None:
    """Raise UserError, naming every problem, if the training images cannot make a batch.

    Args:
        config: The recipe's input section.
        batch_size: Images of a step.
        sizes: Number of images of each size, {"360x480": 367}, as in statistics.json.
    """
    problems = []
    crop = ", or input.augment.crop" if config.augment.crop is None and config.augment_on == "host" else ""
    images = number(config, sizes)
    if images < batch_size:
        problems.append(
            f"train.batch_size is {batch_size} and split {records.TRAIN!r} has {images} images: not one batch can be "
            f"made. Set train.batch_size to at most {images}, or add images."
        )
    common = sorted(sizes, key=lambda size: -sizes[size])
    if len(sizes) > 1 and config.size is None and (needs := _one_size(config)):
        listed = ", ".join(f"{size} ({sizes[size]})" for size in common[:5]) + (", ..." if len(common) > 5 else "")
        problems.append(
            f"The training images have {len(sizes)} sizes (height x width: {listed}), and {needs}. Set input.size, "
            f"such as [{common[0].replace('x', ', ')}]{crop}."
        )
    shape = config.size or (_parsed(common[0]) if common else (1, 1))
    if "rot90" in config.copies and shape[0] != shape[1] and _one_size(config):
        problems.append(
            f"input.copies has rot90, which makes images of {shape[1]} x {shape[0]} from those of {shape[0]} x "
            f"{shape[1]} (height x width), and {_one_size(config)}. Set input.size to a square"
            f"{crop}, or leave rot90 out."
        )
    problems += _larger(config, sizes)
    problems += _crop(config, sizes)
    if problems:
        raise UserError("\n".join(problems))


def number(config: InputConfig, sizes: Mapping[str, int]) -> int:
    """Count the training examples, copies included; `sizes` as for `check`."""
    return sum(sizes.values()) * (1 + len(config.copies))


def _one_size(config: InputConfig) -> str:
    """Say why images must have one size before they are changed or batched; nothing where they need not."""
    if config.augment_on == "device":
        return "what the device augments must have one"
    return "those of a batch must have one" if config.augment.crop is None else ""


def _larger(config: InputConfig, sizes: Mapping[str, int]) -> list[str]:
    """Refuse images that no padding brings to the one size of a batch."""
    if config.fit != "pad" or config.size is None:
        return []
    seen = [_parsed(size) for size in sizes]
    most = max((height for height, _ in seen), default=0), max((width for _, width in seen), default=0)
    if all(length <= limit for length, limit in zip(most, config.size, strict=True)):
        return []
    return [
        f"input.fit is pad, which never makes an image smaller; input.size is {config.size[0]} x {config.size[1]}, and "
        f"the training images have up to {most[0]} x {most[1]} (height x width). Set input.size to at least that, or "
        "input.fit to resize_pad."
    ]


def _parsed(size: str) -> tuple[int, int]:
    height, width = map(int, size.split("x"))
    return height, width


def _crop(config: InputConfig, sizes: Mapping[str, int]) -> list[str]:
    """Refuse a crop that would show more margin than image, however far the image is zoomed."""
    crop, zoom = config.augment.crop, config.augment.scale[1]
    if crop is None:
        return []
    seen = [config.size] if config.size else [_parsed(size) for size in sizes]
    if not seen or any(2 * height * zoom > crop[0] and 2 * width * zoom > crop[1] for height, width in seen):
        return []
    largest = max(seen)
    return [
        f"input.augment.crop is {crop[0]} x {crop[1]} and the largest image {largest[0]} x {largest[1]} (height x "
        f"width), zoomed by at most {zoom:g}: most of a crop would lie outside. Set a smaller input.augment.crop."
    ]
