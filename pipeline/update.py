"""One step of training under a strategy: the same weights from one device as from many."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from models import losses

if TYPE_CHECKING:
    import keras

Batch = Mapping[str, tf.Tensor]
"""image uint8 or float32 [B,H,W,3] in 0..255, label [B,H,W] with 255 ignored."""

Update = Callable[[Batch], tf.Tensor]
"""Changes the weights by one step and gives the loss of the global batch before it, a float32 scalar."""


def make_update(
    model: "keras.Model",
    optimizer: "keras.optimizers.Optimizer",
    strategy: tf.distribute.Strategy,
    *,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Update:
    """Compile the step.

    The loss of a replica is its own weighted sum over the sum of weights of *all* replicas; gradients are summed. So
    ignored pixels, class weights and batches that differ between replicas count as they would on one device.

    Args:
        model: Built under `strategy.scope()`.
        optimizer: Built for the model's trainable variables, under the same scope.
        strategy: Devices; what the step is called with is distributed over them.
        class_weights: See losses.cross_entropy.
        label_smoothing: See losses.cross_entropy.
    """
    trainable = model.trainable_variables

    def on_replica(batch: Batch) -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        with tf.GradientTape() as tape:
            logits = model(tf.cast(batch["image"], tf.float32), training=True)
            total, weight = losses.cross_entropy(logits, batch["label"], class_weights, label_smoothing)
            # A batch in which no pixel counts has loss 0 and changes nothing.
            loss = tf.math.divide_no_nan(total, replica.all_reduce(tf.distribute.ReduceOp.SUM, weight))
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, trainable), trainable)  # sums the gradients of the replicas
        return loss

    @tf.function(reduce_retracing=True)
    def update(batch: Batch) -> tf.Tensor:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, args=(batch,)), axis=None)

    return update
