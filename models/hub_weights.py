"""The weights of a KerasHub preset, loaded by KerasHub and copied into a network of models.keras_hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from models import hub_presets
from models.backbones import PREFIX
from models.errors import ModelError
from models.hub_presets import SegFormer
from models.weights import check_finite, reason

Pair = tuple[str, Any]
"""Name of a layer of the network, and KerasHub's layer of the same weights."""


def load(model: keras.Model, preset: str, num_classes: int) -> None:
    """Load a preset's weights and normalisation; the last layer stays as drawn if its number of classes differs.

    Args:
        model: The network that models.keras_hub builds for this preset.
        preset: A key of models.hub_presets.PUBLISHED, or a folder.
        num_classes: Number of classes of the network.

    Raises:
        ModelError: The preset is not available, is damaged, or does not fit its description.
    """
    task, has_head = _task(preset)
    kind = hub_presets.network(preset)
    try:
        for name, layer in _segformer(task) if isinstance(kind, SegFormer) else _deeplab(task):
            _copy(model.get_layer(name), layer.get_weights())
        if has_head and task.num_classes == num_classes:
            _copy_head(model.get_layer("logits"), task)
    except (ValueError, AttributeError, IndexError) as error:
        raise ModelError(
            f"The weights of preset {preset!r} do not fit the network that it describes ({error})."
        ) from error
    converter = getattr(task.preprocessor, "image_converter", None)
    if converter is not None:
        _copy(model.get_layer("normalise"), [_channels(converter.scale, 1), _channels(converter.offset, 0)])
    check_finite(model, f"of preset {preset}")


def _task(preset: str) -> tuple[Any, bool]:
    """Load a preset by KerasHub: the segmenter, and whether its last layer is the preset's."""
    hub_presets.require(preset)
    from keras_hub.models import ImageSegmenter

    # A folder may hold a backbone only, without the last layer and without the normalisation.
    has_head = preset in hub_presets.PUBLISHED or Path(preset, "task.json").is_file()
    options: dict[str, Any] = {} if has_head else {"num_classes": 1}
    if not has_head and not Path(preset, "image_converter.json").is_file():
        options["preprocessor"] = None
    try:
        return ImageSegmenter.from_preset(preset, dtype="float32", **options), has_head
    except Exception as error:  # KerasHub, kagglehub and HDF5 raise of every kind
        if preset in hub_presets.PUBLISHED:
            help_text = (
                f"KerasHub downloads it once from kaggle.com into {hub_presets.stored(preset)}: go online and run "
                f"`segline weights fetch {preset}`, or copy that folder from another machine and name it as `preset`."
            )
        else:
            help_text = "Write the folder again by KerasHub's `save_to_preset`."
        raise ModelError(f"The preset {preset!r} cannot be loaded ({reason(error)}). {help_text}") from error


def _copy(layer: keras.layers.Layer, arrays: list[np.ndarray]) -> None:
    """Set a layer's weights; a linear layer's kernel [in,out] becomes that of a 1x1 convolution."""
    own = layer.get_weights()
    if [array.size for array in arrays] != [array.size for array in own]:
        shapes = " and ".join(str([list(array.shape) for array in group]) for group in (arrays, own))
        raise ValueError(f"{layer.name}: shapes {shapes}")
    layer.set_weights([array.reshape(like.shape) for array, like in zip(arrays, own, strict=True)])


def _copy_head(logits: keras.layers.Layer, task: Any) -> None:
    """Copy the last layer; that of DeepLabV3 has no bias, which here is 0."""
    head = task.output_conv if hasattr(task, "output_conv") else task.output_segmentation_head
    kernel, *bias = head.get_weights()
    _copy(logits, [kernel, *(bias or [np.zeros(kernel.shape[-1], np.float32)])])


def _channels(value: Any, default: float) -> np.ndarray:
    return np.broadcast_to(np.asarray(default if value is None else value, np.float32), 3).copy()


def _segformer(task: Any) -> Iterator[Pair]:
    encoder = task.backbone.image_encoder
    norms = [layer for layer in encoder.layers if isinstance(layer, keras.layers.LayerNormalization)]
    for index, blocks in enumerate(encoder.layerwise_depths):
        stage = f"{PREFIX}stage{index + 1}"
        embed = encoder.get_layer(f"patch_and_embed_{index}")
        yield from ((f"{stage}_embed_conv", embed.proj), (f"{stage}_embed_norm", embed.norm))
        for block in range(blocks):
            yield from _block(f"{stage}_block{block + 1}", encoder.get_layer(f"hierarchical_encoder_{index}_{block}"))
        yield f"{stage}_norm", norms[index]
        yield f"decoder{index + 1}", task.backbone.mlp_blocks[index]
    convolution, norm, _ = task.backbone.linear_fuse.layers
    yield from (("decoder_fuse_conv", convolution), ("decoder_fuse_norm", norm))


def _block(name: str, block: Any) -> Iterator[Pair]:
    attention, ffn = block.attn, block.mlp
    yield from ((f"{name}_attention_norm", block.norm1), (f"{name}_ffn_norm", block.norm2))
    if attention.sr_ratio > 1:
        yield from ((f"{name}_reduce_conv", attention.sr), (f"{name}_reduce_norm", attention.norm))
    parts = {"query": attention.q, "key": attention.k, "value": attention.v, "project": attention.proj}
    parts |= {"ffn_expand": ffn.fc1, "ffn_mix": ffn.dwconv, "ffn_shrink": ffn.fc2}
    yield from ((f"{name}_{part}", layer) for part, layer in parts.items())


def _deeplab(task: Any) -> Iterator[Pair]:
    backbone = task.backbone
    yield from ((f"{PREFIX}{layer.name}", layer) for layer in backbone.image_encoder.layers if layer.weights)
    (pooling,) = (layer for layer in backbone.layers if hasattr(layer, "aspp_parallel_channels"))
    names = ["1x1", *(f"rate{number}" for number in range(1, len(pooling.dilation_rates) + 1)), "pool", "project"]
    for name, branch in zip(names, [*pooling.aspp_parallel_channels, pooling.projection], strict=True):
        convolution, norm = (layer for layer in branch.layers if layer.weights)
        yield from ((f"aspp_{name}_conv", convolution), (f"aspp_{name}_norm", norm))
    for ours, theirs in {"decoder_low": "decoder", "decoder_fuse": "segmentation_head"}.items():
        if ours == "decoder_fuse" or backbone.low_level_feature_key:
            for part in ("conv", "norm"):
                yield f"{ours}_{part}", backbone.get_layer(f"{theirs}_{part}")
