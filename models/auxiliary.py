"""Auxiliary heads: logits that a network gives beside its own while it trains, and that nobody needs afterwards.

A network with such heads returns {"logits": its own, "<head>": others, ...}, all float32 [B,H,W,C]. The loss takes
them all; evaluation, export and prediction take the network without them.
"""

from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

if TYPE_CHECKING:
    import keras

MAIN = "logits"
"""The key of the network's own logits."""

WEIGHT = 0.4
"""What a head's loss weighs against the network's own: PSPNet (Zhao et al. 2017) and DDRNet (Hong et al. 2021)."""

Outputs: TypeAlias = tf.Tensor | dict[str, tf.Tensor]
"""What a network returns: its logits, or these and those of its heads."""


def main(outputs: Outputs) -> tf.Tensor:
    """Give the network's own logits [B,H,W,C]."""
    return outputs[MAIN] if isinstance(outputs, dict) else outputs


def heads(outputs: Outputs) -> dict[str, tf.Tensor]:
    """Give the logits of the auxiliary heads; {} where there are none."""
    if not isinstance(outputs, dict):
        return {}
    return {name: logits for name, logits in outputs.items() if name != MAIN}


def without_heads(model: "keras.Model") -> "keras.Model":
    """Give the network that returns its own logits alone; it shares the layers and lacks the heads' weights."""
    if not isinstance(model.output, dict):
        return model
    from keras import Model

    return Model(model.input, model.output[MAIN], name=model.name)
