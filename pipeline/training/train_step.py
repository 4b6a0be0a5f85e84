"""One step of training under a strategy: the same weights from one device as from many, from one part as from many."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from models.losses.total import DEFAULT, Total
from pipeline.training.gradients import Gradients
from pipeline.training.moving_average import MovingAverage

if TYPE_CHECKING:
    from models.losses.catalog import Terms
    from models.optimizers import Groups

Batch = Mapping[str, tf.Tensor]
"""image uint8 or float32 [B,H,W,3] in 0..255, label [B,H,W] with 255 ignored; if there, weight [B,H,W] >= 0."""

Figures = dict[str, tf.Tensor]
"""Of the global batch, float32 scalars: loss before the step; loss/<part>, which add up to it, if there are several;
gradient_norm of the summed gradient before clipping; weight_norm after the step; where losses are scaled, loss_scale
before the step; finite: 0 if the step went wrong."""

LEAST_LOSS_SCALE = 2.0**-10
"""Each step whose gradient is no number halves the scale, and 2000 others double it. Below this, overflow is not why:
from 2**15, where it begins, it takes 26 such steps."""

Update = Callable[[Batch], Figures]
"""Changes the weights by one step."""


def make_update(
    model: "keras.Model",
    optimizer: "keras.optimizers.Optimizer | Groups",
    strategy: tf.distribute.Strategy,
    *,
    loss: "Terms" = DEFAULT,
    class_weights: Sequence[float] | None = None,
    logit_adjustment: float = 0.0,
    label_smoothing: float = 0.0,
    accumulate: int = 1,
    clip_norm: float | None = None,
    average: MovingAverage | None = None,
    prepare: Callable[[Batch], Batch] = lambda batch: batch,
) -> Update:
    """Compile the step. What of the model is trainable is seen at the first call.

    A loss of a replica is its own weighted sum over the sum of weights of *all* replicas and parts; gradients are
    summed. So ignored pixels, class weights and batches that differ between replicas count as they would on one device.

    Args:
        model: Built under `strategy.scope()`. Its regularisation losses are added once.
        optimizer: Built for the model's trainable variables, under the same scope.
        strategy: Devices; what the step is called with is distributed over them.
        loss: Which losses are added up; see models.losses.
        class_weights: Weight of each class in all of them.
        logit_adjustment: How far they steer learning only, and not the answers; see models.losses.total.
        label_smoothing: Share of the truth that is spread over all classes.
        accumulate: Parts that a replica's share of the batch is cut into; their gradients are added up before the
            weights change. The loss is that of the whole batch; batch normalisation sees each part for itself.
        clip_norm: Longer gradients, over all weights together, are shortened to this length.
        average: Follows the weights.
        prepare: What is done on each device to its share of a batch before anything else; see input.on_device.
    """
    replicas = strategy.num_replicas_in_sync
    compute = Total(
        loss, class_weights=class_weights, logit_adjustment=logit_adjustment, label_smoothing=label_smoothing
    )
    gradients = Gradients(model, compute, optimizer.scale_loss, replicas=replicas, parts=accumulate)
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    for inner in _alone(optimizer):
        # They are summed before, to know their length: the optimiser must not sum them once more.
        inner._all_reduce_sum_gradients = _as_they_are

    def on_replica(batch: Batch) -> Figures:
        found, summed = gradients(prepare(batch))
        scale = optimizer.scale_loss(1.0)
        norm = tf.linalg.global_norm(summed) / scale
        if clip_norm is not None:
            factor = clip_norm / tf.maximum(norm, clip_norm)
            summed = [gradient * factor for gradient in summed]
        optimizer.apply(summed, model.trainable_variables)
        squares = [tf.nn.l2_loss(variable) for variable in model.trainable_variables]
        more = {"gradient_norm": norm, "weight_norm": tf.sqrt(2 * tf.add_n(squares))}
        if scaled:
            more["loss_scale"] = scale
        return _summed(found | {name: value / replicas for name, value in more.items()})

    @tf.function(reduce_retracing=True)
    def update(batch: Batch) -> Figures:
        everywhere = strategy.run(on_replica, args=(batch,))
        figures = {name: strategy.experimental_local_results(value)[0] for name, value in everywhere.items()}
        if average is not None:
            average.follow()
        # Gradients that overflow are what loss scaling is made for: it leaves such a step out.
        may_overflow = figures["loss_scale"] >= LEAST_LOSS_SCALE if scaled else False
        finite = {name: tf.math.is_finite(value) for name, value in figures.items()}
        right = finite["loss"] & finite["weight_norm"] & (finite["gradient_norm"] | may_overflow)
        return {**figures, "finite": tf.cast(right, tf.float32)}

    return update


def _summed(figures: Figures) -> Figures:
    """Add up each figure over all replicas, in one message."""
    replica = tf.distribute.get_replica_context()
    values = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.stack(list(figures.values())))
    return dict(zip(figures, tf.unstack(values), strict=True))


def _alone(optimizer: Any) -> list["keras.optimizers.Optimizer"]:
    """Give the optimisers that change the variables, without what wraps them."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(inner, "optimizers", [inner]))


def _as_they_are(pairs: Any) -> Any:
    return pairs
