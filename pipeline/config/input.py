"""The recipe's section `input`: how records become batches."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.fit import Fit, How, Padding
from pipeline.config.section import UNFINGERPRINTED, Section

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Size = tuple[Positive, Positive]

Copy = Literal["brightness", "gamma", "hue", "central_crop", "flip_left_right", "flip_up_down", "rot90"]


class AugmentConfig(Section):
    """Random changes of a training example, drawn as a function of (seed, epoch, example)."""

    flip: bool = Field(default=False, description="mirror left to right, every second time")
    scale: tuple[float, float] = Field(default=(1.0, 1.0), description="zoom, drawn log-uniformly between these")
    crop: Size | None = Field(default=None, description="cut to this size after zooming; what lies outside is ignored")
    rotate: Annotated[float, Field(ge=0, le=180)] = Field(default=0.0, description="turn by up to this, degrees")
    shear: Annotated[float, Field(ge=0, le=45)] = Field(default=0.0, description="slant by up to this, degrees")
    rare_crops: Fraction = Field(
        default=0.0, description="share of the crops that are laid around a pixel of a class, rare ones more often"
    )
    brightness: Fraction = Field(default=0.0, description="add up to this share of 255")
    contrast: Fraction = Field(default=0.0, description="scale around the mean by 1 +- this")
    saturation: Fraction = Field(default=0.0, description="scale around grey by 1 +- this")
    hue: Fraction = Field(default=0.0, description="turn the colour circle by up to this share")
    gamma: Annotated[float, Field(ge=0, le=4)] = Field(
        default=0.0, description="raise to a power drawn log-uniformly between 1 / (1 + this) and 1 + this"
    )
    blur: Annotated[float, Field(ge=0, le=8)] = Field(
        default=0.0, description="blur by a Gaussian of up to this standard deviation, pixels"
    )
    noise: Fraction = Field(
        default=0.0, description="add Gaussian noise of up to this standard deviation, share of 255"
    )
    cutout: Fraction = Field(
        default=0.0, description="hide a rectangle of up to this share of the height and the width; it is ignored"
    )
    cutmix: Fraction = Field(default=0.0, description="share of the examples with a rectangle of another laid over")
    classmix: Fraction = Field(default=0.0, description="share with half of the classes of another laid over")

    @model_validator(mode="after")
    def _ranges(self) -> "AugmentConfig":
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"`scale` must be [low, high] with 0 < low <= high. Received: [{low}, {high}].")
        if self.cutmix + self.classmix > 1:
            raise ValueError(
                "`cutmix` and `classmix` are shares of the examples and must not add up to more than 1. "
                f"Received: {self.cutmix:g} + {self.classmix:g}."
            )
        if self.rare_crops and self.crop is None:
            raise ValueError("`rare_crops` chooses where to crop, and `crop` is null. Set `crop`, such as [256, 256].")
        return self


class InputConfig(Section):
    """How records become batches."""

    size: Size | None = Field(default=None, description="what the network sees; null: every image as it is")
    fit: How = Field(
        default="resize",
        description="how images come to `size`: resize; resize_pad: keeping their shape; pad: never resized",
    )
    padding: Padding = Field(
        default="constant", description="what lies around a padded image; constant: mean grey, ignored in the mask"
    )
    copies: tuple[Copy, ...] = Field(
        default=(), description="fixed changes; each adds a changed copy of every training image"
    )
    cache: Literal["auto", "memory", "disk", "none"] = Field(
        default="auto",
        description="keep what is decoded; auto: in memory if it fits, else on disk if there is room",
        json_schema_extra=UNFINGERPRINTED,
    )
    cache_budget_gb: Annotated[float, Field(gt=0)] = Field(
        default=4.0, description="what `cache: auto` may take of the memory, GB", json_schema_extra=UNFINGERPRINTED
    )
    augment: AugmentConfig = AugmentConfig()
    augment_on: Literal["host", "device"] = Field(
        default="host", description="where `augment` is computed; device: inside the training step"
    )

    @model_validator(mode="after")
    def _fit_has_its_size(self) -> "InputConfig":
        if self.fit != "resize" and self.size is None:
            raise ValueError(f"`fit: {self.fit}` needs `size`, such as [128, 128]. Received: size null.")
        if self.padding != "constant" and self.fit == "resize":
            raise ValueError(
                f"`padding: {self.padding}` is for `fit: pad` or `fit: resize_pad`. Received: fit {self.fit}."
            )
        repeated = sorted({copy for copy in self.copies if self.copies.count(copy) > 1})
        if repeated:
            raise ValueError(f"`copies` must name each change once. Received twice: {', '.join(repeated)}.")
        return self

    @property
    def fitting(self) -> Fit | None:
        """How an image comes to the size that the network sees, in training, evaluation and serving alike."""
        return None if self.size is None else Fit(self.size, self.fit, self.padding)
