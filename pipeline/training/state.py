"""The state of a training besides its variables: JSON values that a checkpoint stores."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.training.validation import Validation

Entry = dict[str, Any]
"""An epoch in history.json: epoch (from 1), loss (mean over its steps), lr (of its last step), seconds, images_per_s,
data_wait (share of the time, 0..1), miou, pixel_accuracy, val_loss, per_class_iou; None where not measured."""


@dataclass
class State:
    """The state of a training.

    Attributes:
        epoch, step: Epochs done, and steps done of the next one. If these are all its steps, its validation is next.
        losses: Sum of the losses of these steps.
        counted, images, seconds, waited: Timed steps among them, their images, their duration and the part of it spent
            waiting for data, both in seconds. Calls that compile are not timed: the first of a process, and the first
            with an unfrozen backbone.
        elapsed: Seconds of the timed steps with the logs between them.
        history: One entry for each epoch done.
        best: {"epoch", "by", "value", "file"} of the best weights; {} before the first validation.
        stopped: Whether the training stopped early, without improvement.
        total: Steps of the whole training; None: a budget decides at the end of the first epoch.
        spent: Seconds of the budget that earlier processes spent, until `total` is known.
    """

    epoch: int = 0
    step: int = 0
    losses: float = 0.0
    counted: int = 0
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    elapsed: float = 0.0
    history: list[Entry] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False
    total: int | None = None
    spent: float = 0.0

    def done(self, steps: int) -> int:
        """Return the steps done of the whole training, of `steps` each epoch; the last epoch may have fewer."""
        done = self.epoch * steps + self.step
        return done if self.total is None else min(done, self.total)

    @property
    def miou(self) -> float | None:
        """The mIoU of the last validation."""
        return next((entry["miou"] for entry in reversed(self.history) if entry["miou"] is not None), None)

    @property
    def stale(self) -> int:
        """Number of validations since the best one."""
        since = self.history[self.best["epoch"] :] if self.best else []
        return sum(entry["miou"] is not None for entry in since)

    def count(self, steps: int, images: int, *, seconds: float, waited: float) -> None:
        """Add timed steps, their images, their duration and the part of it spent waiting for data, in seconds."""
        self.counted += steps
        self.images += images
        self.seconds += seconds
        self.waited += waited

    def end_epoch(self, rate: float, validation: Validation | None) -> Entry:
        """Start the next epoch; return the entry added to the history. `rate` is that of the epoch's last step."""
        entry = {
            "epoch": self.epoch + 1,
            "loss": self.losses / self.step,
            "lr": rate,
            "seconds": self.seconds,
            "images_per_s": self.images / self.seconds if self.seconds else None,
            "data_wait": self.waited / self.seconds if self.seconds else None,
            "miou": validation.miou if validation else None,
            "pixel_accuracy": validation.pixel_accuracy if validation else None,
            "val_loss": validation.loss if validation else None,
            "per_class_iou": dict(validation.per_class_iou) if validation else None,
        }
        self.history.append(entry)
        self.epoch += 1
        self.step, self.losses = 0, 0.0
        self.counted, self.images, self.seconds, self.waited, self.elapsed = 0, 0, 0.0, 0.0, 0.0
        return entry
