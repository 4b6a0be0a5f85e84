"""`train.jit_compile`: the training step as one program of XLA. Between devices there are messages: only on one."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import tensorflow as tf

from pipeline.cluster.team import Team
from pipeline.errors import UserError
from pipeline.training.train_step import Update

FAILURES = (tf.errors.OpError, ValueError, TypeError, NotImplementedError)
"""What TensorFlow raises for a function that XLA cannot compile."""


def make(
    choice: bool | Literal["auto"],  # noqa: FBT001, the value of the recipe
    make_update: Callable[..., Update],
    strategy: tf.distribute.Strategy,
    batches: Callable[[], Iterator[Any]],
) -> Update:
    """Return the update, compiled by XLA where the recipe and the step allow; say in one line what `auto` chose.

    Args:
        choice: The recipe's.
        make_update: From `jit_compile` to the update.
        strategy: The devices.
        batches: Returns the batches, for their specification.

    Raises:
        UserError: The recipe wants it, and there are several devices.
    """
    replicas = strategy.num_replicas_in_sync
    if choice is True and replicas > 1:
        raise UserError(
            f"train.jit_compile is true, and XLA cannot compile the messages between {replicas} devices. Set it to "
            "'auto' or false, or train.strategy to 'one_device'."
        )
    if choice != "auto":
        return make_update(jit_compile=choice)
    update = make_update(jit_compile=True)
    reason = obstacle(update, batches, replicas)
    if Team(strategy).is_chief:
        print(f"train     jit_compile {f'false: {reason}' if reason else 'true'}", flush=True)
    return make_update(jit_compile=False) if reason else update


def obstacle(update: Update, batches: Callable[[], Iterator[Any]], replicas: int) -> str | None:
    """Return why the step is not compiled; None: it can be and should. Nothing of it runs."""
    if replicas > 1:
        return f"XLA cannot compile the messages between {replicas} devices"
    if not tf.config.list_physical_devices("GPU"):
        return "convolutions on a CPU are slower compiled"
    spec = batches().element_spec  # type: ignore[attr-defined]
    if not all(each.shape.is_fully_defined() for each in tf.nest.flatten(spec)):
        return "the batches differ in size, and each size would be compiled"
    batch = tf.nest.map_structure(lambda each: tf.zeros(each.shape, each.dtype), spec)
    try:
        update.experimental_get_compiler_ir(batch)(stage="hlo")  # type: ignore[attr-defined]
    except FAILURES as error:
        return f"XLA cannot compile the step ({str(error).strip().splitlines()[0][:200]})"
    return None
