"""The recipe's section `validate`: how grave an anomaly or a drift of the data is."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import UNFINGERPRINTED, Section

Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=1)]
Levels = Annotated[float, Field(ge=0, le=255)]
Severity = Literal["error", "warning", "ignore"]


class DriftConfig(Section):
    """How far new data may lie from those of the served model. A limit that is null is not looked at."""

    severity: Severity = Field(default="warning", description="of what lies beyond a limit; an error stops the run")
    groups: Severity = Field(default="warning", description="of groups that are new or have vanished")
    class_share: Share | None = Field(default=0.05, description="change of a class's share of the labelled pixels")
    class_factor: Factor | None = Field(default=2.0, description="factor by which that share grows or shrinks")
    rare: Share = Field(default=0.001, description="below this share before and now, a class's factor says nothing")
    ignored_share: Share | None = Field(default=0.05, description="change of the share of ignored pixels")
    brightness: Levels | None = Field(default=12.0, description="change of the mean over red, green, blue, of 255")
    contrast: Levels | None = Field(default=12.0, description="change of the standard deviation, of 255")
    new_sizes: Share | None = Field(default=0.1, description="share of images of a size that was not there before")
    images_factor: Factor | None = Field(default=2.0, description="factor by which the number of images changes")


class ValidateConfig(Section):
    """How grave each anomaly of the data is. An error stops the run, a warning is shown."""

    class_absent_from_train: Severity = Field(
        default="error", description="a class of another split, in no mask of train"
    )
    class_absent_from_evaluation: Severity = Field(
        default="warning", description="a class of train, in no mask of val or test"
    )
    class_absent_from_all: Severity = Field(default="warning", description="a class in no mask of any split")
    split_missing: Severity = Field(default="warning", description="a published split without an image")
    same_image_in_two_splits: Severity = Field(default="error", description="an image, byte for byte, in two splits")
    all_void_mask: Severity = Field(default="warning", description="a mask of ignored pixels only")
    nearly_one_colour: Severity = Field(default="warning", description="a split whose images are nearly one colour")
    drift: DriftConfig = Field(default=DriftConfig(), json_schema_extra=UNFINGERPRINTED)
