"""The recipe's section `train`.

Times are seconds unless a name says otherwise.
"""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from models.errors import ModelError
from models.losses import catalog as losses_catalog
from pipeline.config.duration import parse_seconds
from pipeline.config.section import LOCATION, UNFINGERPRINTED, Section
from pipeline.errors import UserError

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _number_or_auto(value: Any) -> Any:
    if value == "auto" or (type(value) is int and value > 0):
        return value
    raise ValueError(f"must be a number of images above 0, or auto: as many as fit the memory. Received: {value!r}.")


class BackboneTraining(Section):
    """How the backbone learns beside the rest of the network."""

    learning_rate_factor: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="its learning rate is train.learning_rate times this"
    )
    frozen_epochs: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        default=0, description="epochs at the beginning in which it stays as it is, its normalisation too"
    )
    frozen_stride: Literal[0, 2, 4, 8, 16] = Field(
        default=0, description="its layers up to this stride always stay as they are, which saves time; 0: none"
    )


class TensorBoardConfig(Section):
    """What TensorBoard shows beyond scalars, pictures and settings. Each of these costs time."""

    histograms: bool = Field(default=False, description="of every weight, at each validation")
    graph: bool = Field(default=False, description="the network's operations")
    inspect: tuple[str, ...] = Field(
        default=(), description="layers whose filters and answers to an image are drawn at each validation"
    )
    profile: tuple[Positive, Positive] | None = Field(
        default=None, description="first and last step, from 1, in which the profiler runs"
    )

    @model_validator(mode="after")
    def _profile_is_a_range(self) -> "TensorBoardConfig":
        if self.profile and self.profile[0] > self.profile[1]:
            raise ValueError(f"`profile` must be [first step, last step]. Received: {list(self.profile)}.")
        return self


class Communication(Section):
    """How several devices add up their gradients."""

    all_reduce: Literal["auto", "ring", "nccl"] = Field(
        default="auto",
        description="by NCCL (GPUs only) or in a ring; auto: NCCL between GPUs",
        json_schema_extra=UNFINGERPRINTED,
    )
    bytes_per_pack: Positive = Field(
        default=25_000_000,  # as PyTorch's DistributedDataParallel, bucket_cap_mb
        description="least size of a message: while one is sent, the gradients of the next are computed",
        json_schema_extra=UNFINGERPRINTED,
    )
    gradients: Literal["float32", "bfloat16"] = Field(
        default="float32", description="what they are rounded to for the way; bfloat16 halves the messages"
    )


class TrainConfig(Section):
    """How the network is trained."""

    epochs: Annotated[int | float, Field(gt=0)] | None = Field(
        default=None, description="passes over the data; a fraction ends within one; or `budget` instead"
    )
    budget: Annotated[float, BeforeValidator(parse_seconds)] | None = Field(
        default=None,
        description="time instead of `epochs`, in seconds or such as 38m: as many steps as end within it",
    )
    batch_size: Annotated[int | Literal["auto"], BeforeValidator(_number_or_auto)] = Field(
        description="images of a step over all devices together; auto: as many as fit the memory, by trial steps"
    )
    accumulate: Positive = Field(
        default=1, description="parts of a step that a device computes one after the other, to save memory"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(description="at its highest, after the warm-up")
    learning_rate_batch: Positive | None = Field(
        default=None, description="batch size that learning_rate is meant for; it grows in proportion; null: for any"
    )
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop", "lamb", "lion"] = Field(
        default="adamw", description="how gradients change the weights"
    )
    momentum: Fraction = Field(default=0.9, description="of sgd (Nesterov) and rmsprop")
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.0, description="decoupled; not on biases and norms")
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="most length of the gradient of all weights together; null: any"
    )
    ema: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None, description="decay of the moving average of the weights, which is what is kept; null: none"
    )
    schedule: Literal["constant", "cosine", "poly", "step"] = Field(
        default="cosine", description="how the learning rate falls after the warm-up"
    )
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="epochs in which the learning rate rises from 0"
    )
    decay_epochs: tuple[Positive, ...] = Field(default=(), description="epochs after which `schedule: step` decays")
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.1, description="what it decays by")
    begin_with: Path | None = Field(
        default=None,
        description="weights.h5 of an earlier training, for the whole network to begin with; null: none",
        json_schema_extra=LOCATION,
    )
    backbone: BackboneTraining = BackboneTraining()
    loss: dict[str, float | dict[str, Any]] = Field(
        default={"cross_entropy": 1.0}, description="losses that are added up: {name: weight or {weight, parameters}}"
    )
    class_weights: Literal["none", "median_frequency", "sqrt_median_frequency", "enet"] = Field(
        default="none", description="weight of each class in the loss, from its share of the pixels of train"
    )
    logit_adjustment: Fraction = Field(
        default=0.0,
        description="share of log(class weight) added to the logits that the loss sees: at 1 the weights quicken the "
        "learning of rare classes, and the answers keep the data's own frequencies",
    )
    label_smoothing: Fraction = Field(
        default=0.0, description="share of the target probability that is spread over all classes"
    )
    validate_every: Positive = Field(default=1, description="epochs between two measurements on the validation split")
    validate_window: tuple[Positive, Positive] | None = Field(
        default=None,
        description="[height, width]: look at larger validation images window by window, so that memory stays that of "
        "one; null: whole",
    )
    best_by: Literal["miou", "pixel_accuracy", "loss"] = Field(
        default="miou", description="measure of the validation by which the kept weights are chosen"
    )
    patience: Positive | None = Field(
        default=None, description="end after so many measurements without a better one; null: never early"
    )
    pause_epochs: Positive | None = Field(
        default=None,
        description="epochs after which the training pauses and the command ends with exit code 4; without it, or with "
        "more, the same command continues; null: it does not pause",
        json_schema_extra=UNFINGERPRINTED,
    )
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="time between two checkpoints", json_schema_extra=UNFINGERPRINTED
    )
    keep_checkpoints: Positive = Field(
        default=2, description="newest ones that are kept", json_schema_extra=UNFINGERPRINTED
    )
    samples: Annotated[int, Field(ge=0)] = Field(
        default=4, description="validation images shown in TensorBoard", json_schema_extra=UNFINGERPRINTED
    )
    tensorboard: TensorBoardConfig = Field(default=TensorBoardConfig(), json_schema_extra=UNFINGERPRINTED)
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        default="auto", description="auto: every worker that the environment names; there every GPU, or the CPU"
    )
    batch_norm: Literal["sync", "local", "auto"] = Field(
        default="sync",
        description="statistics of the images of all devices, or of each device's own; auto: sync where a device has "
        "fewer than 16 images at once, else local",
    )
    communication: Communication = Communication()
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="time without a sign of life from a worker after which all of them end",
        json_schema_extra=UNFINGERPRINTED,
    )
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32", description="auto: mixed_bfloat16 where the CPU or every GPU computes in it, else float32"
    )
    jit_compile: bool | Literal["auto"] = Field(
        default=False,
        description="compile the step by XLA, on one device; auto: on a GPU, where XLA knows every operation of the "
        "step and all batches have one size",
    )
    steps_per_call: Positive | Literal["auto"] = Field(
        default=1,
        description="steps without a return to Python between them; auto: as many as take a quarter of a second",
        json_schema_extra=UNFINGERPRINTED,
    )
    deterministic: bool = Field(default=False, description="the same weights from two runs, on a GPU too; slower there")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(
        default=0, description="of initial weights, order, augmentation and dropout"
    )

    @field_validator("begin_with")
    @classmethod
    def _home_is_found(cls, path: Path | None) -> Path | None:
        return path and Path(os.path.expanduser(path))  # noqa: PTH111, Path.expanduser raises where there is no home

    @field_validator("loss")
    @classmethod
    def _are_losses(cls, loss: losses_catalog.Terms) -> losses_catalog.Terms:
        try:
            losses_catalog.check(loss)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return loss

    @model_validator(mode="after")
    def _epochs_fit(self) -> "TrainConfig":
        if (self.epochs is None) == (self.budget is None):
            received = "neither" if self.epochs is None else f"epochs {self.epochs:g} and budget {self.budget:g} s"
            raise ValueError(f"set one of `epochs` and `budget`, the other to null. Received: {received}.")
        problems = [] if self.epochs else self._problems_of_a_budget()
        epochs = self.epochs or math.inf
        if self.warmup_epochs > epochs:  # equal: every recipe with one epoch of warm-up can be tried for one epoch
            problems.append(
                f"`warmup_epochs` must be at most `epochs`; set both. Received: {self.warmup_epochs:g} of {epochs:g}."
            )
        if (self.schedule == "step") != bool(self.decay_epochs):
            problems.append(
                "`decay_epochs` say when `schedule: step` decays; set both or neither. "
                f"Received: schedule {self.schedule!r}, decay_epochs {list(self.decay_epochs)}."
            )
        if late := [epoch for epoch in self.decay_epochs if epoch >= epochs]:
            problems.append(f"`decay_epochs` must be less than `epochs`. Received: {late} of {epochs:g}.")
        if self.backbone.frozen_epochs != "all" and self.backbone.frozen_epochs >= epochs:
            problems.append(
                f"`backbone.frozen_epochs` must be less than `epochs`, or 'all'. "
                f"Received: {self.backbone.frozen_epochs} of {epochs:g}."
            )
        if self.logit_adjustment and self.class_weights == "none":
            problems.append(
                "`logit_adjustment` makes up for `class_weights`; set those too, or leave it out. "
                f"Received: {self.logit_adjustment:g} with class_weights 'none'."
            )
        if self.batch_size != "auto" and self.batch_size % self.accumulate:
            problems.append(
                f"`accumulate` must divide `batch_size`. Received: {self.accumulate} parts of {self.batch_size} images."
            )
        if problems:
            raise ValueError(" ".join(problems))
        return self

    def _problems_of_a_budget(self) -> list[str]:
        """Name what does not go with a number of steps that is only known after the first epoch."""
        problems = []
        if self.schedule in ("cosine", "poly") and self.warmup_epochs < 1:
            problems.append(
                f"`budget` sets the number of steps after the first epoch, before which `schedule: {self.schedule}` "
                f"must not fall: set `warmup_epochs` to at least 1. Received: {self.warmup_epochs:g}."
            )
        if self.schedule == "step":
            problems.append("`schedule: step` names epochs, which `budget` does not. Set cosine, poly or constant.")
        if self.backbone.frozen_epochs not in (0, "all"):
            problems.append(
                "`backbone.frozen_epochs` makes the first epochs faster than the others, and `budget` takes its pace "
                f"from the first: set it to 0 or 'all'. Received: {self.backbone.frozen_epochs}."
            )
        return problems

    def files(self) -> dict[str, Path]:
        """Return the file of initial weights, where the recipe names one.

        Raises:
            UserError: There is no such file; a training without it would have the same fingerprint as one from scratch.
        """
        if self.begin_with is None:
            return {}
        if not self.begin_with.is_file():
            raise UserError(
                f"train.begin_with: there is no file {str(self.begin_with)!r}. Name the weights.h5 of a train "
                "step, such as workspace/runs/RUN/train/weights.h5, or leave it out."
            )
        return {"train.begin_with": self.begin_with}

    def total_steps(self, steps: int) -> int | None:
        """Return the steps of the whole training, of `steps` each epoch; None: the budget decides."""
        return None if self.epochs is None else max(1, round(self.epochs * steps))

    @property
    def images(self) -> int:
        """Images of a step over all devices together; where `batch_size` is auto, of the smallest that there can be."""
        return self.accumulate if self.batch_size == "auto" else self.batch_size

    def of_size(self, images: int) -> "TrainConfig":
        """Return the section with this batch size."""
        return self.model_copy(update={"batch_size": images})
