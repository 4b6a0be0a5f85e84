"""The sections of a layout and their allowed values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SPLITS = ("train", "val", "test")

ALL_16_BITS = (0.0, 65535.0)
"""Default `image.range`. It equals a pixel's high byte, plus or minus 1."""

Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]
RawId = Annotated[int, Field(ge=0, le=65535)]
Raw = RawId | Colour


class Section(BaseModel):
    """Base class: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Splits(Section):
    """The assignment of images to splits, by one of the first three keys.

    Attributes:
        folders: {split: value of `{split}` in the patterns}.
        lists: {split: text file with one id per line}.
        ratios: {split: share, 0..1}: at random, as a function of the image's id (or group) and `seed` only.
        seed: Seed of `ratios`.
    """

    folders: dict[Literal["train", "val", "test"], str] | None = None
    lists: dict[Literal["train", "val", "test"], str] | None = None
    ratios: dict[Literal["train", "val", "test"], Annotated[float, Field(gt=0, le=1)]] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _is_one_way(self) -> "Splits":
        given = [key for key in ("folders", "lists", "ratios") if getattr(self, key)]
        if len(given) != 1:
            received = ", ".join(given) or "none"
            raise ValueError(f"one of `folders`, `lists`, `ratios` must say it. Received: {received}.")
        if self.ratios and abs(sum(self.ratios.values()) - 1) > 1e-6:
            raise ValueError(f"`ratios` must add up to 1. Received: {sum(self.ratios.values()):g}.")
        return self


class Image(Section):
    """How an image is read.

    Attributes:
        range: Values of a 16-bit or floating-point image that become 0 and 255; the exported model does the same with
            16-bit PNGs.
        exif: "apply" the EXIF orientation of each image and mask, or "ignore" it and use the pixels as stored.
    """

    range: tuple[float, float] = ALL_16_BITS
    exif: Literal["apply", "ignore"] = "apply"

    @field_validator("range")
    @classmethod
    def _goes_up(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError(f"must be [low, high] with low < high. Received: {list(value)}.")
        return value


class Mask(Section):
    """How a mask is read.

    Attributes:
        read: "ids": a pixel is a raw id (grey, palette, or the same in each channel; 1, 8 or 16 bits). "threshold":
            grey values of at least `at` are class 1, others class 0. "colours": a pixel is a colour. "mat": raw ids in
            the variable `key` of a .mat file.
        at: The threshold, 1..255.
        nearest: Map an unlisted colour to the nearest listed one, for JPEGs; otherwise it is an error.
        key: Name of the variable of a .mat file.
        others: Unlisted raw ids or colours are an "error", or become IGNORE ("ignore").
    """

    read: Literal["ids", "threshold", "colours", "mat"]
    at: Annotated[int, Field(ge=1, le=255)] = 128
    nearest: bool = False
    key: str | None = None
    others: Literal["error", "ignore"] = "error"

    @model_validator(mode="after")
    def _key_is_for_mat(self) -> "Mask":
        if (self.read == "mat") != (self.key is not None):
            raise ValueError("`key` goes with `read: mat`, and must be set there.")
        return self


class Class(Section):
    """One class.

    Attributes:
        name: Its name.
        raw: Its values in the masks: an id, a colour [red, green, blue], or a list of either. None: its train id.
        colour: Its colour in displays; None: its colour in the masks, or one of PASCAL VOC's map.
    """

    name: Annotated[str, Field(min_length=1)]
    raw: RawId | list[Raw] | None = None
    colour: Colour | None = None

    def raws(self, read: str) -> list[int | tuple[int, int, int]]:
        """Return `raw` as a list; [1, 2, 3] is a single colour for `read: colours`, else three ids."""
        if self.raw is None:
            return []
        if not isinstance(self.raw, list):
            return [self.raw]
        numbers = [raw for raw in self.raw if isinstance(raw, int)]
        if read == "colours" and len(numbers) == len(self.raw) == 3 and max(numbers) <= 255:
            return [(numbers[0], numbers[1], numbers[2])]
        return list(self.raw)
