"""Where a training stands, apart from its variables: plain values that a checkpoint keeps."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.training.validation import Validation

Entry = dict[str, Any]
"""One epoch of history.json: epoch (from 1), loss (mean over its steps), lr (of its last step), seconds, images_per_s,
data_wait (share of the time, 0..1), miou, pixel_accuracy, val_loss, per_class_iou; None where not measured."""


@dataclass
class State:
    """Where a training stands.

    Attributes:
        epoch, step: Epochs done, and steps done of the next one. All steps of it: only its validation is outstanding.
        losses: Sum of the losses of these steps.
        counted, images, seconds, waited: How many of them, of how many images, and what they took; a call that
            compiles, the first of a sitting or of a backbone that begins to learn, is left out.
        history: One entry for each epoch done.
        best: {"epoch", "by", "value", "file"} of the best weights; {} before the first validation.
        stopped: Whether the training ended early, as nothing became better.
    """

    epoch: int = 0
    step: int = 0
    losses: float = 0.0
    counted: int = 0
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    history: list[Entry] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False

    @property
    def miou(self) -> float | None:
        """The newest mIoU."""
        return next((entry["miou"] for entry in reversed(self.history) if entry["miou"] is not None), None)

    @property
    def stale(self) -> int:
        """Measurements since the best one."""
        since = self.history[self.best["epoch"] :] if self.best else []
        return sum(entry["miou"] is not None for entry in since)

    def count(self, steps: int, images: int, *, seconds: float, waited: float) -> None:
        """Note some steps, their images, the seconds they took, and how many of them they waited for data."""
        self.counted += steps
        self.images += images
        self.seconds += seconds
        self.waited += waited

    def end_epoch(self, rate: float, found: Validation | None) -> Entry:
        """Move to the next epoch; give the entry that was added to the history."""
        entry = {
            "epoch": self.epoch + 1,
            "loss": self.losses / self.step,
            "lr": rate,
            "seconds": self.seconds,
            "images_per_s": self.images / self.seconds if self.seconds else None,
            "data_wait": self.waited / self.seconds if self.seconds else None,
            "miou": found.miou if found else None,
            "pixel_accuracy": found.pixel_accuracy if found else None,
            "val_loss": found.loss if found else None,
            "per_class_iou": dict(found.per_class_iou) if found else None,
        }
        self.history.append(entry)
        self.epoch += 1
        self.step, self.losses = 0, 0.0
        self.counted, self.images, self.seconds, self.waited = 0, 0, 0.0, 0.0
        return entry
