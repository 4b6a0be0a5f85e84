"""Trial steps of a training in a process of their own, which tells how much memory they take.

A GPU that ran out of memory once leaves a process that is of no more use, and what took much memory keeps it. So the
training itself goes on in a process that has tried nothing.
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
"""Steps that are measured, after one that compiles."""

SPARE = 8
"""On a GPU a share fits where one with an eighth more images does: memory becomes ragged while a training goes on."""


class Trial(AbstractContextManager["Trial"]):
    """The process, from the side of who asks; leaving the block ends it.

    Args:
        config: Its sections input, model and train.
        inputs: As of the train step.
        most: Images that there are.

    Attributes:
        on_gpu: Whether it computes on a GPU.

    Raises:
        UserError, ModelError: The network cannot be built.
    """

    def __init__(self, config: Recipe, inputs: dict[str, Path], *, most: int) -> None:
        context = get_context("spawn")  # a fork would go on with this process's TensorFlow
        self._unit, self._most = config.train.accumulate, most
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_answer, args=(end, config, inputs), daemon=True)
        self._process.start()
        end.close()
        self.on_gpu = bool(self._heard())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def peak(self, images: int) -> int | None:
        """Give the most bytes that the process takes in a step with so many images; None: they do not fit."""
        spare = images // SPARE // self._unit * self._unit if self.on_gpu else 0
        with suppress(BrokenPipeError):  # it has ended: what it says is heard below
            self._pipe.send(min(images + spare, self._most // self._unit * self._unit))
        return self._heard()

    def _heard(self) -> int | None:
        """Wait for an answer. None: what asked for too much was ended, by the kernel or by the GPU's driver."""
        try:
            answer: int | Exception | None = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            if (self._process.exitcode or 0) < 0:
                return None
            raise RuntimeError("The trial steps of train.batch_size auto failed; the traceback is above.") from None
        heartbeat.beat()
        if isinstance(answer, Exception):
            raise answer
        return answer


def _answer(pipe: Connection, config: Recipe, inputs: dict[str, Path]) -> None:
    """Be the process: do steps with as many images as are asked for, until nobody asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks, and who asks ends this process
    try:
        _try_steps(pipe, config, inputs)
    except (UserError, ModelError) as error:
        pipe.send(error)
    except EOFError:
        pass


def is_out_of_memory(error: "tf.errors.OpError", *, after_one_that_fitted: bool) -> bool:
    """Whether a step failed for want of memory.

    A GPU's libraries say so in many ways: a convolution that finds no room to work in is "No algorithm worked!", of the
    kind NotFound, a handle that cannot be made is Internal. After a smaller share that fitted, these mean memory.
    """
    import tensorflow as tf

    vague = (tf.errors.NotFoundError, tf.errors.InternalError, tf.errors.UnknownError)
    return isinstance(error, tf.errors.ResourceExhaustedError) or (after_one_that_fitted and isinstance(error, vague))


def _try_steps(pipe: Connection, config: Recipe, inputs: dict[str, Path]) -> None:
    with quiet():
        import tensorflow as tf

        from pipeline.cluster import devices
        from pipeline.training.recipe_job import batches_of, make_job

    def of(images: int) -> Recipe:
        """The recipe for so many images, nothing kept: they are decoded anew."""
        input_ = config.input.model_copy(update={"cache": "none"})
        return config.model_copy(update={"input": input_, "train": config.train.of_size(images)})

    strategy = devices.of("one_device")
    gpu = "GPU:0" if tf.config.list_physical_devices("GPU") else None
    job = make_job(of(config.train.accumulate), inputs, 1, strategy)
    take = job.take(config.train.epochs - 1)  # by then the backbone learns too
    pipe.send(bool(gpu))
    fitted = False
    while True:
        images = pipe.recv()
        batches = batches_of(of(images), inputs, strategy)(0, 0)
        try:
            take(batches, 1)
            tf.config.experimental.reset_memory_stats(gpu) if gpu else machine.reset_peak_memory()
            take(batches, STEPS)
        except tf.errors.OpError as error:
            if not is_out_of_memory(error, after_one_that_fitted=bool(gpu) and fitted):
                raise
            pipe.send(None)
            return
        fitted = True
        pipe.send(tf.config.experimental.get_memory_info(gpu)["peak"] if gpu else machine.peak_memory())
