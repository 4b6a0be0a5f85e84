"""Presets of KerasHub: which there are, what network each describes, and where its files lie.

A preset is a folder of `config.json`, `task.json`, weights and the normalisation of images, as KerasHub's
`save_to_preset` writes it. This module imports neither KerasHub nor TensorFlow: a recipe is checked without them.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models import typed_values
from models.errors import ModelError

INSTALL = "pip install 'segline[hub]'"
"""Installs KerasHub."""

PATCHES, STRIDES = [7, 3, 3, 3], [4, 2, 2, 2]
"""Kernels and strides of a Mix Transformer's patch embeddings (Xie et al. 2021), which models.segformer has."""


@dataclass(frozen=True)
class SegFormer:
    """A SegFormer: of each stage its channels, blocks, attention heads and reduction; the decoder's channels."""

    channels: tuple[int, ...]
    blocks: tuple[int, ...]
    width: int
    heads: tuple[int, ...] = (1, 2, 5, 8)
    reductions: tuple[int, ...] = (8, 4, 2, 1)
    drop_path: float = 0.1


@dataclass(frozen=True)
class DeepLab:
    """A DeepLabV3+ over a ResNet, or a DeepLabV3 if `low` is None.

    Attributes:
        encoder: Arguments of keras_hub.models.ResNetBackbone.
        high: Exponent of the stride of the features that are pooled at several rates.
        low: Exponent of the stride of the features that the decoder adds.
        low_channels: Channels to which those are projected.
        upsampling: Factor from the one to the other.
        rates: Dilation of the 3x3 convolutions.
    """

    encoder: Mapping[str, Any]
    high: int = 5
    low: int | None = 2
    low_channels: int = 48
    upsampling: int = 8
    rates: tuple[int, ...] = (6, 12, 18)


@dataclass(frozen=True)
class Preset:
    """A preset that KerasHub publishes.

    Attributes:
        network: What it describes.
        stored: Where KerasHub keeps it, below the folder of kagglehub's models.
        licence: Of the weights.
        millions: Number of weights with 19 classes (SegFormer) or without a classifier, in 10^6; each takes 4 bytes.
    """

    network: SegFormer | DeepLab
    stored: str
    licence: str
    millions: float


RESNET50: Mapping[str, Any] = MappingProxyType(
    {
        "input_conv_filters": [64],
        "input_conv_kernel_sizes": [7],
        "stackwise_num_filters": [64, 128, 256, 512],
        "stackwise_num_blocks": [3, 4, 6, 3],
        "stackwise_num_strides": [1, 2, 2, 2],
        "block_type": "bottleneck_block",
        "use_pre_activation": False,
    }
)

WIDE = (64, 128, 320, 512)
"""Channels of the stages of B1 to B5; those of B0 are half as many (Xie et al. 2021, table 6)."""

SEGFORMERS: Mapping[str, tuple[SegFormer, float]] = MappingProxyType(
    {
        "b0": (SegFormer((32, 64, 160, 256), (2, 2, 2, 2), 256), 3.7),
        "b1": (SegFormer(WIDE, (2, 2, 2, 2), 256), 13.7),
        "b2": (SegFormer(WIDE, (3, 4, 6, 3), 768), 24.7),
        "b3": (SegFormer(WIDE, (3, 4, 18, 3), 768), 44.6),
        "b4": (SegFormer(WIDE, (3, 8, 27, 3), 768), 61.4),
        "b5": (SegFormer(WIDE, (3, 6, 40, 3), 768), 82.0),
    }
)
"""SegFormers by size, and their weights in millions."""

# KerasHub 0.32 answers segformer_b1_cityscapes_1024 with an ADE20K preset, so it is not in this table.
TRAINED_ON: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "ade20k_512": {"b0": 3, "b1": 5, "b2": 3, "b3": 3, "b4": 3},
        "ade20k_640": {"b5": 3},
        "cityscapes_1024": {"b0": 3, "b2": 3, "b3": 3, "b4": 3, "b5": 3},
    }
)
"""Data and size of images -> size of SegFormer -> version of its preset in KerasHub 0.32."""

PUBLISHED: Mapping[str, Preset] = MappingProxyType(
    {
        f"segformer_{size}_{data}": Preset(
            SEGFORMERS[size][0],
            f"segformer/keras/segformer_{size}_{data}/{version}",
            "NVIDIA: non-commercial",  # github.com/NVlabs/SegFormer
            SEGFORMERS[size][1],
        )
        for data, versions in TRAINED_ON.items()
        for size, version in versions.items()
    }
    | {
        "deeplab_v3_plus_resnet50_pascalvoc": Preset(
            DeepLab(RESNET50), "deeplabv3plus/keras/deeplab_v3_plus_resnet50_pascalvoc/4", "Apache-2.0", 39.2
        )
    }
)
"""Presets by the name that KerasHub gives them. A network that one of them trained is rebuilt without its files."""


def network(preset: str) -> SegFormer | DeepLab:
    """Return the network that a preset describes; nothing is downloaded.

    Raises:
        ModelError: There is no such preset, its description cannot be read, or it is of another network.
    """
    if preset in PUBLISHED:
        return PUBLISHED[preset].network
    file = Path(preset, "config.json")
    if not file.is_file():
        raise ModelError(_missing(preset))
    try:
        return _read(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{file} cannot be used: {error}. `preset` names a folder that KerasHub's `save_to_preset` wrote of a "
            "SegFormerImageSegmenter over MiTBackbone, or of a DeepLabV3ImageSegmenter over ResNetBackbone (version 1)."
        ) from error


def require(preset: str) -> None:
    """Raise ModelError unless a preset is one that is published, or a folder, and KerasHub can read it."""
    if preset not in PUBLISHED:
        network(preset)
    require_library()


def require_library() -> None:
    """Raise ModelError unless KerasHub is installed."""
    if find_spec("keras_hub") is None:
        raise ModelError(f"Model 'keras_hub' needs KerasHub, which is not installed: {INSTALL}.")


def stored(preset: str) -> Path:
    """Return the folder into which KerasHub downloads a published preset."""
    folder = os.environ.get("KAGGLEHUB_CACHE") or "~/.cache/kagglehub"
    return Path(folder).expanduser() / "models" / "keras" / PUBLISHED[preset].stored


def _missing(preset: str) -> str:
    if Path(preset).is_dir():
        return f"The folder {preset} is no preset of KerasHub: it holds no config.json. `save_to_preset` writes one."
    hint = typed_values.did_you_mean(preset, list(PUBLISHED))
    return (
        f"Parameter 'preset' of model 'keras_hub' is {preset!r}, and there is no folder of that name, nor a "
        f"preset.{hint} Presets: {', '.join(PUBLISHED)}."
    )


def _read(described: Mapping[str, Any]) -> SegFormer | DeepLab:
    """Read a description that KerasHub wrote; raise ValueError, KeyError or TypeError if it is of another network."""
    kind, config = described["class_name"], described["config"]
    encoder = config.get("image_encoder") or {}
    encoder_kind = encoder.get("class_name")
    match kind, encoder_kind:
        case "SegFormerBackbone", "MiTBackbone":
            return _segformer(encoder["config"], config["projection_filters"])
        case "DeepLabV3Backbone", "ResNetBackbone":
            return _deeplab(encoder["config"], config)
    raise ValueError(f"it describes a {kind}" + (f" over {encoder_kind}" if encoder_kind else ""))


def _segformer(encoder: Mapping[str, Any], width: int) -> SegFormer:
    patches, strides = list(encoder["layerwise_patch_sizes"]), list(encoder["layerwise_strides"])
    if (patches, strides) != (PATCHES, STRIDES):
        raise ValueError(f"its patches are {patches} with strides {strides}, in place of {PATCHES} with {STRIDES}")
    return SegFormer(
        channels=tuple(encoder["hidden_dims"]),
        blocks=tuple(encoder["layerwise_depths"]),
        width=width,
        heads=tuple(encoder["layerwise_num_heads"]),
        reductions=tuple(encoder["layerwise_sr_ratios"]),
        drop_path=encoder["max_drop_path_rate"],
    )


def _deeplab(encoder: Mapping[str, Any], config: Mapping[str, Any]) -> DeepLab:
    if encoder["use_pre_activation"]:
        raise ValueError("its ResNet is of version 2, with activations before the convolutions")
    low, upsampling = config["low_level_feature_key"], config["upsampling_size"]
    return DeepLab(
        encoder={key: encoder[key] for key in RESNET50},
        high=int(config["spatial_pyramid_pooling_key"][1:]),
        low=int(low[1:]) if low else None,
        low_channels=config["projection_filters"],
        upsampling=upsampling if isinstance(upsampling, int) else upsampling[0],
        rates=tuple(config["dilation_rates"]),
    )
