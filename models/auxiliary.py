"""Auxiliary heads: additional logits that a network returns for the training loss only.

A network with such heads returns {"logits": its main logits, "<head>": auxiliary logits, ...}, all float32 [B,H,W,C].
The loss uses all of them; evaluation, export and prediction use the network without the heads.
"""

from typing import TYPE_CHECKING, TypeAlias

import tensorflow as tf

if TYPE_CHECKING:
    import keras

MAIN = "logits"
"""Key of the main logits."""

WEIGHT = 0.4
"""Weight of a head's loss; that of the main logits is 1. As in PSPNet (Zhao et al. 2017), DDRNet (Hong et al. 2021)."""

Outputs: TypeAlias = tf.Tensor | dict[str, tf.Tensor]
"""Outputs of a network: its logits, or a dictionary of these and those of its heads."""


def main(outputs: Outputs) -> tf.Tensor:
    """Return the main logits [B,H,W,C]."""
    return outputs[MAIN] if isinstance(outputs, dict) else outputs


def heads(outputs: Outputs) -> dict[str, tf.Tensor]:
    """Return the logits [B,H,W,C] of each auxiliary head by name; {} if there are none."""
    if not isinstance(outputs, dict):
        return {}
    return {name: logits for name, logits in outputs.items() if name != MAIN}


def without_heads(model: "keras.Model") -> "keras.Model":
    """Return the network with the main logits as its only output. It shares its layers with `model`."""
    if not isinstance(model.output, dict):
        return model
    from keras import Model

    return Model(model.input, model.output[MAIN], name=model.name)
