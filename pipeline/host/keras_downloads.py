"""Weights of keras.applications, which Keras downloads once into its own folder."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pipeline.console.quiet import quiet
from pipeline.host.weight_offer import Offer, Source


class Download(NamedTuple):
    """A file of Keras's storage; top-1 as keras.io/api/applications states it, or as MobileNetV3's docstring does."""

    file: str
    megabytes: int
    top1: float
    licence: str


DOWNLOADS: Mapping[str, Download] = MappingProxyType(
    {
        "vgg16": Download("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", 59, 71.3, "CC BY 4.0"),
        "vgg19": Download("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", 80, 71.3, "CC BY 4.0"),
        "resnet50": Download("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", 95, 74.9, "MIT"),
        "densenet121": Download("densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5", 29, 75.0, "BSD-3-Clause"),
        "mobilenet_v2": Download(
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5", 9, 71.3, "Apache-2.0"
        ),
        "mobilenet_v3_large": Download("weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5", 13, 75.6, "Apache-2.0"),
        "efficientnet_v2_b0": Download("efficientnetv2-b0_notop.h5", 24, 78.7, "Apache-2.0"),
    }
)
"""Backbones by name."""


def folder() -> Path:
    """Return the folder into which Keras downloads weights."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def offers() -> list[Offer]:
    """List the backbones of keras.applications."""
    return [
        Offer(
            names=(backbone,),
            backbone=backbone,
            weights="imagenet",
            licence=download.licence,
            megabytes=download.megabytes,
            top1=download.top1,
            is_here=(folder() / download.file).is_file(),
        )
        for backbone, download in DOWNLOADS.items()
    ]


def plan(offer: Offer) -> str:
    """Name the file that Keras downloads."""
    return f"download {folder() / DOWNLOADS[offer.backbone].file}"


def fetch(offer: Offer) -> None:
    """Let Keras download the weights of a backbone, and check that they are whole.

    Raises:
        ModelError: They cannot be loaded.
    """
    with quiet():
        from models import backbones, blocks
    backbones.pyramid(offer.backbone, blocks.image_input(), weights=offer.weights)


SOURCE = Source(
    title="Keras's storage; the first run downloads what it names into ~/.keras/models",
    note="",
    offers=offers,
    plan=plan,
    fetch=fetch,
)
