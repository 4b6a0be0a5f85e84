"""The gradient of a global batch, summed over replicas and over the parts of each replica's share."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from models.losses.total import Parts, Total, combine
from pipeline.config.train import Communication

if TYPE_CHECKING:
    import keras

Gradient = list[tf.Tensor]
"""One tensor for each trainable variable."""


class Gradients:
    """Computes the loss and its gradient, in a replica context.

    The weights by which losses are divided are summed over all parts and replicas, and so known only after the last
    part. Therefore the gradient of each loss is summed separately, undivided, and divided at the end: several losses in
    several parts need one backward pass for each loss.

    Args:
        model: Its trainable variables are read at each call, during tracing.
        compute: The losses.
        scale: Scales a loss so that 16-bit gradients do not underflow.
        replicas: Number of devices.
        parts: Number of parts into which a replica's share is split along the batch.
        communication: How the replicas sum their gradients; None: as by default.
    """

    def __init__(
        self,
        model: "keras.Model",
        compute: Total,
        scale: Callable[[Any], Any],
        *,
        replicas: int,
        parts: int,
        communication: Communication | None = None,
    ) -> None:
        self._model, self._compute, self._scale = model, compute, scale
        self._replicas, self._parts, self._communication = replicas, parts, communication or Communication()

    def __call__(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Gradient]:
        """Compute this replica's share of the loss, and the scaled gradient summed over all replicas.

        Args:
            batch: image uint8 or float32 [B,H,W,3] in 0..255, label [B,H,W] with 255 ignored, optional weight [B,H,W].

        Returns:
            Float32 scalars: loss, loss/<part> if there are several; and one tensor for each trainable variable.
        """
        share, gradient = self._whole(batch) if self._parts == 1 else self._in_parts(batch)
        return share, self._sum(gradient)

    def _whole(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Gradient]:
        with tf.GradientTape() as tape:
            parts = self._forward(batch)
            # A batch of ignored pixels only has loss 0 and gradient 0.
            share = self._with_penalty(combine(parts, _weights(parts)))
            scaled = self._scale(share["loss"])
        return share, self._gradient(tape, scaled)

    def _in_parts(self, batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], Gradient]:
        sums: Parts = {}
        gradients: dict[str, Gradient] = {}
        for part in _cut(batch, self._parts):
            with tf.GradientTape(persistent=True) as tape:
                parts = self._forward(part)
                scaled = {name: self._scale(_mean(*pair)) for name, (_, pair) in parts.items()}
            for name, (_, (_, weight)) in parts.items():
                own = [one * weight for one in self._gradient(tape, scaled[name])]
                gradients[name] = _add(gradients.get(name), own)
                sums[name] = _add_sums(sums.get(name), parts[name])
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

    def _sum(self, gradient: Gradient) -> Gradient:
        """Sum over all replicas, in packs from the last layer to the first: the order of the backward pass."""
        dtype = self._communication.gradients if self._replicas > 1 else "float32"
        options = tf.distribute.experimental.CommunicationOptions(
            bytes_per_pack=self._communication.bytes_per_pack, implementation=self._communication.all_reduce
        )
        replica = tf.distribute.get_replica_context()
        sent = [tf.cast(one, dtype) for one in gradient]
        received = replica.all_reduce(tf.distribute.ReduceOp.SUM, sent, options)
        return [tf.cast(total, one.dtype) for total, one in zip(received, gradient, strict=True)]

    def _gradient(self, tape: tf.GradientTape, target: tf.Tensor) -> Gradient:
        """Compute a gradient, with zeros for variables that the target does not depend on, such as another head's."""
        variables = self._model.trainable_variables
        gradient = tape.gradient(target, variables)
        return [tf.zeros(one.shape) if each is None else each for each, one in zip(gradient, variables, strict=True)]

    def _with_penalty(self, share: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Add this replica's share of the regularisation losses, of which each replica computes the whole."""
        if not self._model.losses:
            return share
        penalty = tf.add_n(self._model.losses) / self._replicas
        parts = share if len(share) > 1 else {"loss": share["loss"], "loss/data": share["loss"]}
        return {**parts, "loss": share["loss"] + penalty, "loss/l2": penalty}


def _mean(total: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Return the mean, which is in float16's range for the backward pass, be the loss over pixels or regions."""
    return tf.math.divide_no_nan(total, tf.stop_gradient(weight))


def _weights(parts: Parts) -> Sequence[tf.Tensor]:
    """Return the sum of weights of each loss over all replicas."""
    replica = tf.distribute.get_replica_context()
    own = tf.stack([weight for _, (_, weight) in parts.values()])
    total: Sequence[tf.Tensor] = tf.unstack(replica.all_reduce(tf.distribute.ReduceOp.SUM, own))
    return total


def _cut(batch: Mapping[str, tf.Tensor], parts: int) -> list[dict[str, tf.Tensor]]:
    split = {name: tf.split(value, parts) for name, value in batch.items() if name in ("image", "label", "weight")}
    return [{name: pieces[index] for name, pieces in split.items()} for index in range(parts)]


def _add(first: Gradient | None, second: Gradient) -> Gradient:
    return second if first is None else [one + other for one, other in zip(first, second, strict=True)]


def _add_sums(first: Any, second: Any) -> Any:
    if first is None:
        return second
    factor, (total, weight) = first
    _, (more, heavier) = second
    return factor, (total + more, weight + heavier)
