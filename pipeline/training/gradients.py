"""The gradient of a global batch: over replicas, and over the parts in which a replica computes its share."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from models.losses.total import Parts, Total, combine

if TYPE_CHECKING:
    import keras

Sum = list[tf.Tensor]
"""A gradient: one tensor for each trainable variable."""


class Gradients:
    """Computes loss and gradient in a replica context.

    The sums of weights by which losses are divided are known when all parts and replicas are done. So the gradient of
    each loss is summed for itself, undivided, and divided at the end: with several losses, in several parts, the way
    back through the network is gone once for each loss.

    Args:
        model: Its trainable variables are looked up at each call, while a graph is made.
        compute: The losses.
        scale: Scales a loss against underflow.
        replicas: Devices.
        parts: Parts of a replica's share, in which it is cut along the batch.
    """

    def __init__(
        self, model: "keras.Model", compute: Total, scale: Callable[[Any], Any], *, replicas: int, parts: int
    ) -> None:
        self._model, self._compute, self._scale = model, compute, scale
        self._replicas, self._parts = replicas, parts

    def __call__(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Sum]:
        """Give this replica's share of the loss and of its parts, and the scaled gradient summed over all replicas."""
        replica = tf.distribute.get_replica_context()
        share, gradient = self._whole(batch) if self._parts == 1 else self._in_parts(batch)
        return share, list(replica.all_reduce(tf.distribute.ReduceOp.SUM, gradient))

    def _whole(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Sum]:
        with tf.GradientTape() as tape:
            parts = self._forward(batch)
            # A batch in which no pixel counts has loss 0 and changes nothing.
            share = self._with_penalty(combine(parts, _weights(parts)))
            scaled = self._scale(share["loss"])
        return share, self._gradient(tape, scaled)

    def _in_parts(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Sum]:
        sums: Parts = {}
        gradients: dict[str, Sum] = {}
        for part in _cut(batch, self._parts):
            with tf.GradientTape(persistent=True) as tape:
                parts = self._forward(part)
                scaled = {name: self._scale(_mean(*found)) for name, (_, found) in parts.items()}
            for name, found in parts.items():
                _, (_, weight) = found
                own = [one * weight for one in self._gradient(tape, scaled[name])]
                gradients[name] = _add(gradients.get(name), own)
                sums[name] = _add_sums(sums.get(name), found)
            del tape
        weights = _weights(sums)
        with tf.GradientTape() as tape:
            share = self._with_penalty(combine(sums, weights))
            penalty = self._scale(share.get("loss/l2", tf.zeros([])))
        gradient = self._gradient(tape, penalty)
        for (name, (factor, _)), weight in zip(sums.items(), weights, strict=True):
            gradient = _add(gradient, [one * tf.math.divide_no_nan(factor, weight) for one in gradients[name]])
        return share, gradient

    def _forward(self, batch: Mapping[str, tf.Tensor]) -> Parts:
        outputs = self._model(tf.cast(batch["image"], tf.float32), training=True)
        return self._compute(outputs, batch["label"], batch.get("weight"))

    def _gradient(self, tape: tf.GradientTape, target: tf.Tensor) -> Sum:
        """Zeros for a variable that has no part in it, such as those of an auxiliary head in the main loss."""
        variables = self._model.trainable_variables
        found = tape.gradient(target, variables)
        return [tf.zeros(one.shape) if each is None else each for each, one in zip(found, variables, strict=True)]

    def _with_penalty(self, share: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Add this replica's share of the regularisation losses: each replica computes them whole."""
        if not self._model.losses:
            return share
        penalty = tf.add_n(self._model.losses) / self._replicas
        parts = share if len(share) > 1 else {"loss": share["loss"], "loss/data": share["loss"]}
        return {**parts, "loss": share["loss"] + penalty, "loss/l2": penalty}


def _mean(total: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Bring a part's sum into float16's range, whether it counts pixels or regions, for the way back."""
    return tf.math.divide_no_nan(total, tf.stop_gradient(weight))


def _weights(parts: Parts) -> Sequence[tf.Tensor]:
    """Sum of weights of each loss over all replicas."""
    replica = tf.distribute.get_replica_context()
    own = tf.stack([weight for _, (_, weight) in parts.values()])
    found: Sequence[tf.Tensor] = tf.unstack(replica.all_reduce(tf.distribute.ReduceOp.SUM, own))
    return found


def _cut(batch: Mapping[str, tf.Tensor], parts: int) -> list[dict[str, tf.Tensor]]:
    split = {name: tf.split(value, parts) for name, value in batch.items() if name in ("image", "label", "weight")}
    return [{name: pieces[index] for name, pieces in split.items()} for index in range(parts)]


def _add(first: Sum | None, second: Sum) -> Sum:
    return second if first is None else [one + other for one, other in zip(first, second, strict=True)]


def _add_sums(first: Any, second: Any) -> Any:
    if first is None:
        return second
    factor, (total, weight) = first
    _, (more, heavier) = second
    return factor, (total + more, weight + heavier)
