"""The sections of a layout and their allowed values."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from datasets import foreign_text

SPLITS = ("train", "val", "test")

ALL_16_BITS = (0.0, 65535.0)  # Default `image.range`. It equals a pixel's high byte, plus or minus 1

Byte = Annotated[int, Field(ge=0, le=255)]
Band = Annotated[int, Field(ge=1)]
Colour = tuple[Byte, Byte, Byte]
RawId = Annotated[int, Field(ge=0, le=65535)]
Raw = RawId | Colour


def _is_band(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


class Section(BaseModel):
    """Base class: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class Splits(Section):
    """The assignment of images to splits, by one of the first three keys.

    Attributes:
        folders: {split: value of `{split}` in the patterns}.
        lists: {split: text file with one id per line}; with `{group}` in its name, a file for each group.
        ratios: {split: share, 0..1}: at random, as a function of the image's id (or group) and `seed` only.
        seed: Seed of `ratios`.
        by: With `ratios` and a `{group}`, whole groups are drawn ("group"), or the images of each ("image").
    """

    folders: dict[Literal["train", "val", "test"], str] | None = None
    lists: dict[Literal["train", "val", "test"], str] | None = None
    ratios: dict[Literal["train", "val", "test"], Annotated[float, Field(gt=0, le=1)]] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    by: Literal["group", "image"] = "group"

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
        exif: "apply" the EXIF orientation of each image and mask, or "ignore" it and use the pixels as stored. Where it
            is left out it is applied, and a pair of which sizes cannot tell how the mask lies is a bad file.
        bands: Numbers, from 1 as in GDAL, of the bands that are seen as red, green and blue, or of the one that is
            grey. None: the colours of the file; then a TIFF of other bands is a bad file.
    """

    range: tuple[float, float] = ALL_16_BITS
    exif: Literal["apply", "ignore"] = "apply"
    bands: tuple[Band] | tuple[Band, Band, Band] | None = None

    @field_validator("range")
    @classmethod
    def _goes_up(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] >= value[1]:
            raise ValueError(f"must be [low, high] with low < high. Received: {list(value)}.")
        return value

    @field_validator("bands", mode="before")
    @classmethod
    def _are_one_or_three(cls, value: Any) -> Any:
        if value is None or (isinstance(value, (list, tuple)) and len(value) in (1, 3) and all(map(_is_band, value))):
            return value
        raise ValueError(f"must be three band numbers, or one, counted from 1, such as [1, 2, 3]. Received: {value!r}.")


class Mask(Section):
    """How a mask is read.

    Attributes:
        read: "ids": a pixel is a raw id (grey, palette, or the same in each channel; 1, 8 or 16 bits). "threshold":
            grey values of at least `at` are class 1, others class 0. "colours": a pixel is a colour. "mat": raw ids in
            the variable `key` of a .mat file.
        at: The threshold, 1..255.
        nearest: Map an unlisted colour to the nearest listed one, for JPEGs; otherwise it is an error.
        key: Name of the variable of a .mat file.
        others: Unlisted raw ids or colours are an "error", become IGNORE ("ignore"), or are the class of this name.
        palette: For "ids", "compare" the palettes of the masks: where they give an id several colours, those of the
            fewer masks are bad files. "ignore": only the indices count.
        union: Several masks of one image, of two classes, are united: a pixel is of the second where any of them says
            so. Otherwise such an image is bad. They match the patterns with one id, or are numbered: a_mask, a_mask_1.
    """

    read: Literal["ids", "threshold", "colours", "mat"]
    at: Annotated[int, Field(ge=1, le=255)] = 128
    nearest: bool = False
    key: str | None = None
    others: Annotated[str, Field(min_length=1)] = "error"
    palette: Literal["compare", "ignore"] = "compare"
    union: bool = False

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
        labels: Its labels in the files of `annotations`; None: its name.
        colour: Its colour in displays; None: its colour in the masks, or one of PASCAL VOC's map.
    """

    name: Annotated[str, Field(min_length=1)]
    raw: RawId | list[Raw] | None = None
    labels: list[str] | None = None
    colour: Colour | None = None

    @field_validator("name")
    @classmethod
    def _is_visible(cls, name: str) -> str:
        if why := foreign_text.fault(name):
            raise ValueError(
                f"{why}. A class of another label has `labels`, or `raw`. Received: {foreign_text.escape(name)}."
            )
        return name

    @property
    def labels_or_name(self) -> list[str]:
        """The labels of the class in the files of `annotations`."""
        return [self.name] if self.labels is None else self.labels

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
