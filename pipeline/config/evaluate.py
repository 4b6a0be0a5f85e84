"""The recipe's evaluate section: what is measured, how, and what the gate asks."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.typed_values import did_you_mean
from pipeline.config.section import UNFINGERPRINTED, VERDICT_ONLY, Section

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]

PROTOCOLS = Path(__file__).parents[1] / "evaluation" / "protocols"
"""Folder of the evaluation protocols, one in each file."""

NO_PROTOCOLS = ("__init__", "protocol", "registry")
"""Files there that are no protocol."""


def protocol_names() -> tuple[str, ...]:
    """Return the names of all evaluation protocols, sorted; imports none of them.

    >>> "camvid" in protocol_names()
    True
    """
    return tuple(sorted(path.stem for path in PROTOCOLS.glob("*.py") if path.stem not in NO_PROTOCOLS))


class EvaluateConfig(Section):
    """What is measured, how, and what the gate asks."""

    split: str = Field(default="val", description="split that is measured: val, test or train")
    protocols: tuple[str, ...] | None = Field(
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
        default_factory=dict,
        description='the gate: {miou: 0.5, "iou/Car": 0.4, "slice/<group>/miou": 0.3, ...}',
        json_schema_extra=VERDICT_ONLY,
    )
    min_miou: Fraction | None = Field(
        default=None, description="the gate: short for gate: {miou: ...}; null: any", json_schema_extra=VERDICT_ONLY
    )
    max_miou_drop: Fraction | None = Field(
        default=0.02, description="the gate: at most this under the served model", json_schema_extra=VERDICT_ONLY
    )
    refuse_significant_drop: bool = Field(
        default=True,
        description="the gate: mIoU not under the served model's by more than noise (sign-flip test)",
        json_schema_extra=VERDICT_ONLY,
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(default=0.95, description="of the intervals")
    resamples: Positive = Field(
        default=1000,
        description="the gate: random swaps of the two models' answers, image by image, that its sign-flip test makes; "
        "few images need fewer",
        json_schema_extra=VERDICT_ONLY,
    )
    overlays: Annotated[int, Field(ge=0)] = Field(default=3, description="pictures each of the best, median and worst")
    confusions: Annotated[int, Field(ge=0)] = Field(default=6, description="pairs of classes shown with a crop")
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = Field(
        default="auto",
        description="auto: every worker that the environment names; there every GPU, or the CPU",
        json_schema_extra=UNFINGERPRINTED,
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=600.0,
        description="time that a worker waits for another one's image, or for the first one to sum up and draw, "
        "before all of them end",
        json_schema_extra=UNFINGERPRINTED,
    )

    @field_validator("protocols")
    @classmethod
    def _are_protocols(cls, protocols: tuple[str, ...] | None) -> tuple[str, ...] | None:
        known = protocol_names()
        unknown = [name for name in protocols or () if name not in known]
        if unknown:
            problems = " ".join(f"There is no protocol {name!r}.{did_you_mean(name, known)}" for name in unknown)
            raise ValueError(f"{problems} Protocols: {', '.join(known)}.")
        return protocols

    @property
    def demands(self) -> dict[str, float]:
        """Bound of each metric that the gate demands, by the name of the metric."""
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

    def modules(self) -> tuple[str, ...]:
        """Return the modules of the protocols: of all of them where the dataset decides which are used."""
        names = protocol_names() if self.protocols is None else self.protocols
        return tuple(f"pipeline.evaluation.protocols.{name}" for name in names)
