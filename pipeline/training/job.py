"""A training job: everything that the training loop needs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from datasets.spec import DatasetSpec
from models.fit import Fit
from pipeline.cluster.team import Team
from pipeline.training.budget import Budget
from pipeline.training.moving_average import MovingAverage
from pipeline.training.step_loops import RunSteps
from pipeline.training.train_step import Batch
from pipeline.training.validation import Validation

if TYPE_CHECKING:
    import keras

    from models.optimizers import Groups


@dataclass(frozen=True)
class Display:
    """What TensorBoard shows of a training besides scalars. No result depends on it.

    Attributes:
        spec: Names and colours of the classes.
        settings: The recipe's settings for the HParams page, {"train.epochs": 40, ...}.
        samples: Number of validation images to show.
        layers: Layers whose filters and activations are drawn.
        fit: How an image is resized or padded for the network; None: not at all.
        graph_size: Height and width of the images for which the network's graph is traced; None: no graph.
        histograms: Whether each validation adds histograms of the weights.
    """

    spec: DatasetSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    samples: int = 0
    layers: Sequence[str] = ()
    fit: Fit | None = None
    graph_size: tuple[int | None, int | None] | None = None
    histograms: bool = False


@dataclass(frozen=True)
class Job:
    """A training job.

    Attributes:
        model, optimizer: Both built, under the strategy's scope.
        step_runner: From an epoch, from 0, to the function that runs its steps (see pipeline.training.step_loops).
        batches: From (epoch, step), both from 0, to the endless batches from there on, distributed over the devices.
        learning_rate: From the number of steps done to the rate of the next one.
        validate: Measures the model; calls its argument after each batch. None: there is no validation split.
        total: Steps of the training; None: `budget` decides.
        steps: Steps of an epoch.
        batch_size: Images of a step over all devices.
        display: What TensorBoard shows.
        budget: The time that the training has; None: any.
        set_total: Tells the learning rate the steps of the training.
        validate_every: Epochs between two validations; the last epoch always has one.
        pause: Epochs after which the training pauses; None: it does not.
        checkpoint_seconds: Longest time between two checkpoints; each epoch ends with one.
        steps_per_call: Steps between two checks for interruptions and checkpoints; auto: by their duration.
        best_by: The metric that decides which weights are kept.
        patience: Validations without improvement after which the training stops; None: it does not.
        average: Validated and kept instead of the model's own weights.
        team: The workers that train together; None: a single process.
        heartbeat: Called after each step, validation batch and checkpoint.
        image_ids: From keys of examples to their ids.
        loaded_weights: Which weights came from an earlier training, for the terminal; "": none.
        profile: First and last step, from 1, that TensorFlow's profiler records.
    """

    model: "keras.Model"
    optimizer: "keras.optimizers.Optimizer | Groups"
    step_runner: Callable[[int], RunSteps]
    batches: Callable[[int, int], Iterator[Batch]]
    learning_rate: Callable[[int], Any]
    validate: Callable[[Callable[[], None]], Validation] | None
    total: int | None
    steps: int
    batch_size: int
    display: Display
    budget: Budget | None = None
    set_total: Callable[[int], object] = field(default=lambda total: None)
    validate_every: int = 1
    pause: int | None = None
    checkpoint_seconds: float = 60.0
    steps_per_call: int | Literal["auto"] = 1
    best_by: Literal["miou", "pixel_accuracy", "loss"] = "miou"
    patience: int | None = None
    average: MovingAverage | None = None
    team: Team | None = None
    heartbeat: Callable[[], None] = field(default=lambda: None)
    image_ids: Callable[[np.ndarray], Sequence[str]] = field(default=lambda keys: [str(key) for key in keys])
    loaded_weights: str = ""
    profile: tuple[int, int] | None = None
