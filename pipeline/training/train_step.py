"""One training step under a strategy: the same weights from one device or many, from one part or many."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from models.losses.total import DEFAULT, Total
from pipeline.config.train import Communication
from pipeline.errors import UserError
from pipeline.training.gradients import Gradients
from pipeline.training.moving_average import MovingAverage

if TYPE_CHECKING:
    from models.losses.catalog import Terms
    from models.optimizers import Groups

Batch = Mapping[str, tf.Tensor]
"""image uint8 or float32 [B,H,W,3] in 0..255, label [B,H,W] with 255 ignored; optional weight [B,H,W] >= 0."""

Figures = dict[str, tf.Tensor]
"""Float32 scalars of the global batch: loss before the step; loss/<part>, which sum to it, if there are several;
gradient_norm of the summed gradient before clipping; weight_norm after the step; loss_scale before the step, where
losses are scaled; finite: 0 if loss, gradient or weights are not finite."""

LEAST_LOSS_SCALE = 2.0**-10
"""Each step whose gradient is not finite halves the scale, and 2000 others double it. A gradient that is not finite
below this scale has another cause than overflow: from 2**15, the initial scale, it takes 26 such steps."""

SUMMING = "_all_reduce_sum_gradients"
"""Method of Keras's optimisers that sums gradients over replicas (3.15)."""

Update = Callable[[Batch], Figures]
"""Update the weights by one step."""


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
    communication: Communication | None = None,
    jit_compile: bool = False,
) -> Update:
    """Compile the step. The model's trainable variables are read at its first call.

    A replica's loss is its weighted sum over the sum of weights of *all* replicas and parts, and gradients are summed.
    So ignored pixels, class weights and batches that differ between replicas count as they would on one device.

    Args:
        model: Built under `strategy.scope()`. Its regularisation losses are added once.
        optimizer: Built for the model's trainable variables, under the same scope.
        strategy: Devices; the batches are distributed over them.
        loss: The losses that are summed; see models.losses.
        class_weights: Float [C] >= 0, weight of each class in all of them.
        logit_adjustment: In 0..1, see models.losses.total.
        label_smoothing: Share of the truth, in 0..1, spread over all classes.
        accumulate: Parts of a replica's share of the batch; their gradients are summed before the weights change. The
            loss is that of the whole batch; batch normalisation uses each part's own statistics.
        clip_norm: The gradient of all weights together is scaled down to at most this norm.
        average: Updated after each step.
        prepare: Applied on each device to its share of a batch first; see input.batches.device_augmentation.
        communication: How the devices sum their gradients; None: as by default.
        jit_compile: Compile the step by XLA; on one device only.

    Raises:
        UserError: There are several devices, and this Keras sums gradients in a way that is not known.
    """
    total = Total(loss, class_weights=class_weights, logit_adjustment=logit_adjustment, label_smoothing=label_smoothing)
    replicas = strategy.num_replicas_in_sync
    gradients = Gradients(
        model, total, optimizer.scale_loss, replicas=replicas, parts=accumulate, communication=communication
    )
    on_replica = _make_replica_step(model, optimizer, gradients, replicas, clip_norm, prepare)

    @tf.function(reduce_retracing=True, jit_compile=jit_compile or None)
    def update(batch: Batch) -> Figures:
        results = strategy.run(on_replica, args=(batch,))
        figures = {name: strategy.experimental_local_results(value)[0] for name, value in results.items()}
        if average is not None:
            average.update()
        return {**figures, "finite": _is_finite(figures)}

    return update


def _make_replica_step(
    model: "keras.Model",
    optimizer: "keras.optimizers.Optimizer | Groups",
    gradients: Gradients,
    replicas: int,
    clip_norm: float | None,
    prepare: Callable[[Batch], Batch],
) -> Update:
    """Return the step of one replica, which updates the weights and returns the figures of the global batch."""
    scaled = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    _sum_no_more(optimizer, replicas)

    def on_replica(batch: Batch) -> Figures:
        losses, summed = gradients(prepare(batch))
        scale = optimizer.scale_loss(1.0)
        norm = tf.linalg.global_norm(summed) / scale
        if clip_norm is not None:
            factor = clip_norm / tf.maximum(norm, clip_norm)
            summed = [gradient * factor for gradient in summed]
        optimizer.apply(summed, model.trainable_variables)
        squares = [tf.nn.l2_loss(variable) for variable in model.trainable_variables]
        norms = {"gradient_norm": norm, "weight_norm": tf.sqrt(2 * tf.add_n(squares))}
        if scaled:
            norms["loss_scale"] = scale
        own = _own_statistics(model) if replicas > 1 else []
        figures = losses | {name: value / replicas for name, value in norms.items()}
        figures, totals = _sum_over_replicas(figures, [tf.convert_to_tensor(variable) for variable in own])
        for variable, total in zip(own, totals, strict=True):
            variable.assign(total / replicas)
        return figures

    return on_replica


def _is_finite(figures: Figures) -> tf.Tensor:
    # Gradients that overflow are expected under loss scaling, which skips such a step.
    may_overflow = figures["loss_scale"] >= LEAST_LOSS_SCALE if "loss_scale" in figures else False
    finite = {name: tf.math.is_finite(value) for name, value in figures.items()}
    return tf.cast(finite["loss"] & finite["weight_norm"] & (finite["gradient_norm"] | may_overflow), tf.float32)


def _own_statistics(model: "keras.Model") -> list["keras.Variable"]:
    """Return the moving statistics that each replica has from its own images (`train.batch_norm: local`).

    All replicas continue with their means, so that every worker validates and stores the same. A mean of moving
    averages is the moving average of the means: how often it is taken changes nothing.
    """
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    own = [norm for norm in norms if norm.trainable and not norm.synchronized]
    return [variable for norm in own for variable in (norm.moving_mean, norm.moving_variance)]


def _sum_over_replicas(figures: Figures, arrays: list[tf.Tensor]) -> tuple[Figures, list[tf.Tensor]]:
    """Sum each figure, and float32 [N] arrays, over all replicas, in one collective operation."""
    replica = tf.distribute.get_replica_context()
    parts = [tf.stack(list(figures.values())), *arrays]
    joined = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(parts, axis=0))
    values, *totals = tf.split(joined, [part.shape[0] for part in parts])
    return dict(zip(figures, tf.unstack(values), strict=True)), totals


def _sum_no_more(optimizer: Any, replicas: int) -> None:
    """Keep an optimiser from summing gradients over replicas: they are summed before, to know their norm.

    Raises:
        UserError: It has no such method; it would sum them twice.
    """
    for inner in _inner_optimizers(optimizer):
        if replicas > 1 and not hasattr(inner, SUMMING):
            raise UserError(
                f"Keras {keras.__version__} sums the gradients of several devices in a way that Segline does not know "
                f"(its optimisers have no `{SUMMING}`): they would be summed twice. Install the version of "
                "constraints.txt, or set train.strategy to 'one_device'."
            )
        setattr(inner, SUMMING, _unchanged)


def _inner_optimizers(optimizer: Any) -> list["keras.optimizers.Optimizer"]:
    """Return the optimisers that change the variables, without their wrappers."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return list(getattr(inner, "optimizers", [inner]))


def _unchanged(pairs: Any) -> Any:
    return pairs
