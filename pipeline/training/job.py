"""What is to be trained, and how: all that the training loop needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.cluster.team import Team
from pipeline.training.moving_average import MovingAverage
from pipeline.training.step_loops import Take
from pipeline.training.train_step import Batch
from pipeline.training.validation import Validation

if TYPE_CHECKING:
    import keras

    from models.optimizers import Groups


@dataclass(frozen=True)
class Job:
    """What is to be trained, and how.

    Attributes:
        model, optimizer: Both built, under the strategy's scope.
        take: From an epoch, from 0, to what does its steps (see pipeline.training.step_loops).
        batches: From (epoch, step), both from 0, to the endless batches from there on, shared out over the devices.
        learning_rate: From the number of steps done to the rate of the next one.
        validate: Measures the model; calls its argument between batches. None: there is nothing to measure on.
        epochs, steps: Epochs of the training; steps of an epoch.
        batch_size: Images of a step over all devices.
        validate_every: Epochs between two validations; the last epoch always has one.
        checkpoint_seconds: Most time between two checkpoints; the end of an epoch always has one.
        steps_per_call: Steps without a look at interruptions, checkpoints and losses.
        best_by: What of a validation says which weights are kept.
        patience: Validations without a better one after which the training ends; None: it does not.
        average: What is measured and kept instead of the model's own weights.
        team: The workers that train together; None: this process trains alone.
        beat: Called at every sign of life.
        names: From keys of examples to their ids.
        settings: What TensorBoard tells this training by.
        begun: What the network was given of an earlier training, in words; "": nothing.
        graph: Makes the network's graph for TensorBoard, a serialised tf.GraphDef.
        histograms: Whether each validation tells how the weights are spread.
        profile: First and last step, from 1, in which TensorFlow's profiler runs.
    """

    model: "keras.Model"
    optimizer: "keras.optimizers.Optimizer | Groups"
    take: Callable[[int], Take]
    batches: Callable[[int, int], Iterator[Batch]]
    learning_rate: Callable[[int], Any]
    validate: Callable[[Callable[[], None]], Validation] | None
    epochs: int
    steps: int
    batch_size: int
    validate_every: int = 1
    checkpoint_seconds: float = 60.0
    steps_per_call: int = 1
    best_by: Literal["miou", "pixel_accuracy", "loss"] = "miou"
    patience: int | None = None
    average: MovingAverage | None = None
    team: Team | None = None
    beat: Callable[[], None] = field(default=lambda: None)
    names: Callable[[np.ndarray], Sequence[str]] = field(default=lambda keys: [str(key) for key in keys])
    settings: Mapping[str, Any] = field(default_factory=dict)
    begun: str = ""
    graph: Callable[[], bytes] | None = None
    histograms: bool = False
    profile: tuple[int, int] | None = None
