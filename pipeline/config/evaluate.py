"""The recipe's evaluate section: what is measured, how, and what the gate asks."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import PACE, Section
from pipeline.evaluation.protocols.registry import NAMES as PROTOCOLS

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class EvaluateConfig(Section):
    """What is measured, how, and what the gate asks."""

    split: str = "val"
    protocols: tuple[Literal[PROTOCOLS], ...] | None = Field(  # type: ignore[valid-type]
        default=None, description="official protocols; null: boundaries and the dataset's own"
    )
    inference: Literal["whole", "sliding", "tiles"] = Field(
        default="whole",
        description="the whole image; windows, overlaps averaged, whose memory grows with the width; tiles, overlaps "
        "cut in the middle, with the memory of one. Validation has train.validate_window; the parity check and the "
        "served model look at whole images",
    )
    window: tuple[Positive, Positive] | None = Field(default=None, description="of sliding and tiles")
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.5, description="share of a window seen again")
    scales: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1.0,), description="zooms that are averaged")
    flip: bool = Field(default=False, description="average with the mirror image")
    gate: dict[str, Fraction] = Field(
        default_factory=dict, description='the gate: {miou: 0.5, "iou/Car": 0.4, "slice/<group>/miou": 0.3, ...}'
    )
    min_miou: Fraction | None = Field(default=None, description="the gate: short for gate: {miou: ...}; null: any")
    max_miou_drop: Fraction | None = Field(default=0.02, description="the gate: at most this under the served model")
    refuse_significant_drop: bool = Field(
        default=True, description="the gate: mIoU not under the served model's by more than noise (paired bootstrap)"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(default=0.95, description="of the intervals")
    resamples: Positive = Field(default=1000, description="of the images, for the intervals")
    overlays: Annotated[int, Field(ge=0)] = Field(default=3, description="pictures each of the best, median and worst")
    confusions: Annotated[int, Field(ge=0)] = Field(default=6, description="pairs of classes shown with a crop")
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        default="auto",
        description="auto: every worker that the environment names; there every GPU, or the CPU",
        json_schema_extra=PACE,
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="time that a worker waits for another one's image, or for the first one to sum up and draw, "
        "before all of them end",
        json_schema_extra=PACE,
    )

    @property
    def demands(self) -> dict[str, float]:
        """Least (or greatest) value of each figure that the gate asks for."""
        return ({} if self.min_miou is None else {"miou": self.min_miou}) | self.gate

    @model_validator(mode="after")
    def _fits_together(self) -> "EvaluateConfig":
        if (self.window is None) != (self.inference == "whole"):
            raise ValueError(
                "`window` must be set for inference sliding and tiles, and for no other. Received: "
                f"inference {self.inference}, window {list(self.window) if self.window else None}."
            )
        if self.min_miou is not None and "miou" in self.gate:
            raise ValueError("`min_miou` and `gate: {miou: ...}` say the same thing. Set one of them.")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise ValueError(f"`scales` must be different zooms, at least one. Received: {list(self.scales)}.")
        return self
