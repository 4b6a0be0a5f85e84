"""Trial steps of a training in a separate process, which measures their memory.

A process whose GPU ran out of memory is of no further use, and memory once taken is not returned. So the training
itself runs in a process without trials.
"""

import signal
from contextlib import AbstractContextManager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ModelError
from pipeline.cluster import heartbeat
from pipeline.config.recipe import Recipe
from pipeline.console.quiet import quiet
from pipeline.errors import UserError
from pipeline.host import machine

if TYPE_CHECKING:
    import tensorflow as tf

STEPS = 2
"""Measured steps, after one that compiles."""

SPARE = 8
"""On a GPU a share fits if 1/8 more images do: memory becomes fragmented during a training."""


class Trial(AbstractContextManager["Trial"]):
    """The trial process, seen from the parent; leaving the block kills it.

    Args:
        config: Its sections input, model and train are used.
        inputs: Input folders of the train step.
        most: Images of the split.

    Attributes:
        on_gpu: Whether the process computes on a GPU.

    Raises:
        UserError, ModelError: The network cannot be built.
    """

    def __init__(self, config: Recipe, inputs: dict[str, Path], *, most: int) -> None:
        context = get_context("spawn")  # a fork would inherit this process's TensorFlow
        self._unit, self._most = config.train.accumulate, most
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(end, config, inputs), daemon=True)
        self._process.start()
        end.close()
        self.on_gpu = bool(self._receive())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def peak(self, images: int) -> int | None:
        """Return the peak memory of the process, in bytes, in a step with `images` images; None: they do not fit."""
        spare = images // SPARE // self._unit * self._unit if self.on_gpu else 0
        with suppress(BrokenPipeError):  # the process has ended: `_receive` finds out why
            self._pipe.send(min(images + spare, self._most // self._unit * self._unit))
        return self._receive()

    def _receive(self) -> int | None:
        """Wait for a result. None: the step did not fit, or the kernel or the GPU's driver killed the process."""
        try:
            result: int | Exception | None = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            if (self._process.exitcode or 0) < 0:
                return None
            raise RuntimeError("The trial steps of train.batch_size auto failed; the traceback is above.") from None
        heartbeat.send()
        if isinstance(result, Exception):
            raise result
        return result


def _serve(pipe: Connection, config: Recipe, inputs: dict[str, Path]) -> None:
    """Run trial steps in the child process, with the numbers of images that it receives, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then kills this process
    try:
        _try_steps(pipe, config, inputs)
    except (UserError, ModelError) as error:
        pipe.send(error)
    except EOFError:
        pass


def is_out_of_memory(error: "tf.errors.OpError", *, after_a_fit: bool) -> bool:
    """Return whether a step failed for lack of memory.

    The GPU's libraries report it in many ways: a convolution without room for its workspace is "No algorithm worked!",
    a NotFoundError; a handle that cannot be created is an InternalError. After a smaller share that fitted, these mean
    memory.

    Args:
        error: The step's error.
        after_a_fit: Whether a smaller share fitted before.
    """
    import tensorflow as tf

    vague = (tf.errors.NotFoundError, tf.errors.InternalError, tf.errors.UnknownError)
    return isinstance(error, tf.errors.ResourceExhaustedError) or (after_a_fit and isinstance(error, vague))


def _try_steps(pipe: Connection, config: Recipe, inputs: dict[str, Path]) -> None:
    with quiet():
        import tensorflow as tf

        from pipeline.cluster import devices
        from pipeline.training.recipe_job import make_batches, make_job

    def with_batch_size(images: int) -> Recipe:
        """Return the recipe for this batch size, without a cache of decoded images."""
        input_ = config.input.model_copy(update={"cache": "none"})
        return config.model_copy(update={"input": input_, "train": config.train.of_size(images)})

    strategy = devices.local_strategy("one_device")
    gpu = "GPU:0" if tf.config.list_physical_devices("GPU") else None
    job = make_job(with_batch_size(config.train.accumulate), inputs, 1, strategy)
    frozen = config.train.backbone.frozen_epochs
    run_steps = job.step_runner(0 if frozen == "all" else frozen)  # a backbone that is frozen at first is trained too
    pipe.send(bool(gpu))
    fitted = False
    while True:
        images = pipe.recv()
        batches = make_batches(with_batch_size(images), inputs, strategy)(0, 0)
        try:
            run_steps(batches, 1)
            tf.config.experimental.reset_memory_stats(gpu) if gpu else machine.reset_peak_memory()
            run_steps(batches, STEPS)
        except tf.errors.OpError as error:
            if not is_out_of_memory(error, after_a_fit=bool(gpu) and fitted):
                raise
            pipe.send(None)
            return
        fitted = True
        pipe.send(tf.config.experimental.get_memory_info(gpu)["peak"] if gpu else machine.peak_memory())
