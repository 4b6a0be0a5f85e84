"""The recipe: every setting of a run, typed, frozen, with no unknown key.

Lengths are pixels, sizes are (height, width), times are seconds unless a name says otherwise.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from datasets import catalog as datasets_catalog
from datasets.errors import DatasetError
from datasets.spec import DatasetSpec
from models import catalog as models_catalog
from models.errors import ModelError
from pipeline.config.drift import DriftConfig
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.export import ExportConfig as ExportConfig
from pipeline.config.input import AugmentConfig as AugmentConfig
from pipeline.config.input import InputConfig as InputConfig
from pipeline.config.input import Size as Size
from pipeline.config.schedule import ScheduleConfig
from pipeline.config.section import NAME as NAME
from pipeline.config.section import PACE, PLACE, Section
from pipeline.config.train import BackboneTraining
from pipeline.config.train import TrainConfig as TrainConfig

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Severity = Literal["error", "warning", "ignore"]


class DataConfig(Section):
    """Which dataset, and where its raw files lie."""

    name: str = Field(description="a dataset: one of the folders under datasets/")
    config: str | None = Field(default=None, description="the builder's configuration; null: its first")
    manual_dir: Path = Field(description="folder with the raw files", json_schema_extra=PLACE)
    url: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9]+://.+",
        description="where the raw files are kept, such as s3://bucket/camvid; manual_dir is then a local copy",
        json_schema_extra=PLACE,
    )
    layout: Path | None = Field(
        default=None,
        description="YAML that describes image_folder; null: manual_dir/segline.yaml",
        json_schema_extra=PLACE,
    )
    allow_partial: bool = Field(default=False, description="accept a split smaller than the published one")
    holdout_groups: tuple[str, ...] = Field(
        default=(), description="groups of train that are left out of it and make up val instead, such as a drive"
    )
    max_pixels: Positive = Field(default=100_000_000, description="an image or mask of more pixels is bad")

    @field_validator("name")
    @classmethod
    def _is_a_dataset(cls, name: str) -> str:
        try:
            datasets_catalog.check(name)
        except DatasetError as error:
            raise ValueError(str(error)) from None
        return name

    @field_validator("manual_dir", mode="before")
    @classmethod
    def _is_local(cls, folder: Any) -> Any:
        if "://" in str(folder):
            raise ValueError(f"must be a local folder; {str(folder)!r} goes to `data.url`, and is copied to this one.")
        return folder

    @model_validator(mode="after")
    def _layout_and_config_fit(self) -> "DataConfig":
        takes = datasets_catalog.takes_layout(self.name)
        if self.layout is not None and not takes:
            raise ValueError(f"`layout` describes a folder of your own; {self.name} has none. Leave it out.")
        if self.config is not None and not takes:
            try:
                datasets_catalog.spec(self.name, self.config)
            except DatasetError as error:
                raise ValueError(str(error)) from None
        return self

    @property
    def layout_file(self) -> Path | None:
        """The YAML file that describes the data; None for a dataset that needs none."""
        if not datasets_catalog.takes_layout(self.name):
            return None
        return (self.layout or self.manual_dir / "segline.yaml").expanduser()

    def spec(self) -> DatasetSpec:
        """Give the facts of the data.

        Raises:
            DatasetError: The layout is missing or wrong.
        """
        return datasets_catalog.spec(self.name, self.config, self.layout_file)

    def modules(self) -> tuple[str, ...]:
        """See Section."""
        return (f"datasets.{self.name}.{self.name}_dataset_builder",)

    def files(self) -> dict[str, Path]:
        """See Section."""
        return {"data.layout": self.layout_file} if self.layout_file and self.layout_file.is_file() else {}


class IngestConfig(Section):
    """How raw files become records."""

    on_bad_input: Literal["error", "quarantine"] = Field(default="error", description="bad files: stop, or leave out")
    num_shards: Positive | None = Field(default=None, description="TFRecord files of each split; null: by size")
    min_shards: Positive = Field(default=1, description="by size, but at least so many: one a training host")
    runner: Literal["in_process", "multi_processing", "portable"] = Field(
        default="in_process", description="where Beam runs; portable: as beam_options say", json_schema_extra=PACE
    )
    workers: Positive | None = Field(
        default=None, description="processes of multi_processing; null: one a core", json_schema_extra=PACE
    )
    beam_options: tuple[str, ...] = Field(
        default=(), description="Beam's own, such as --runner=FlinkRunner", json_schema_extra=PACE
    )

    @model_validator(mode="after")
    def _runner_has_its_options(self) -> "IngestConfig":
        if self.workers is not None and self.runner != "multi_processing":
            raise ValueError(f"`workers` is for `runner: multi_processing`. Received: runner {self.runner}.")
        if bool(self.beam_options) != (self.runner == "portable"):
            raise ValueError(
                "`beam_options` and `runner: portable` go together, as in [--runner=FlinkRunner, --flink_master=HOST]. "
                f"Received: runner {self.runner}, beam_options {list(self.beam_options)}."
            )
        return self


class ValidateConfig(Section):
    """How grave each anomaly of the data is. An error stops the run, a warning is shown."""

    class_absent_from_train: Severity = "error"
    split_missing: Severity = "warning"
    same_image_in_two_splits: Severity = "error"
    all_void_mask: Severity = "warning"
    nearly_one_colour: Severity = "warning"
    drift: DriftConfig = Field(default=DriftConfig(), json_schema_extra=PACE)


class ModelConfig(Section):
    """Which network. Its own parameters are those of the file's `build` function."""

    name: str = Field(description="a model: one of the files under models/")
    options: dict[str, Any] = Field(default_factory=dict, description="parameters of the model's `build`")

    @field_validator("options")
    @classmethod
    def _home_is_found(cls, options: dict[str, Any]) -> dict[str, Any]:
        """A path, of weights, may begin with `~` like that of the data."""
        return {
            key: os.path.expanduser(value) if isinstance(value, str) else value  # noqa: PTH111, `random` is no path
            for key, value in options.items()
        }

    @model_validator(mode="after")
    def _is_a_model(self) -> "ModelConfig":
        try:
            models_catalog.check(self.name, self.options)
        except ModelError as error:
            raise ValueError(str(error)) from None
        return self

    def modules(self) -> tuple[str, ...]:
        """See Section."""
        return (f"models.{self.name}",)

    def files(self) -> dict[str, Path]:
        """See Section. A file of weights is one, for a model that takes such."""
        paths = {key: Path(value) for key, value in self.options.items() if isinstance(value, str)}
        return {f"model.options.{key}": path for key, path in paths.items() if path.is_file()}


class Recipe(Section):
    """One run's settings. A step sees only the sections that its line in graph.py lists."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Annotated[str, Field(pattern=f"^{NAME}$")] = Field(description="default: the file's name")
    data: DataConfig
    ingest: IngestConfig = IngestConfig()
    validate_: ValidateConfig = Field(default=ValidateConfig(), alias="validate")
    input: InputConfig = InputConfig()
    model: ModelConfig
    train: TrainConfig
    evaluate: EvaluateConfig = EvaluateConfig()
    export: ExportConfig = ExportConfig()
    schedule: ScheduleConfig | None = Field(default=None, description="when `segline run-due` runs it")

    @model_validator(mode="after")
    def _windows_are_of_the_image(self) -> "Recipe":
        if self.evaluate.window and self.input.size:
            raise ValueError(
                f"`evaluate.inference` {self.evaluate.inference} looks at windows of the image as it is, and "
                "`input.size` has every image resized. Set `input.size` to null, or inference to whole."
            )
        if self.train.validate_window and self.input.size:
            raise ValueError(
                "`train.validate_window` looks at windows of the image as it is, and `input.size` has every image "
                "resized. Set one of them to null."
            )
        return self

    @model_validator(mode="after")
    def _backbone_is_there(self) -> "Recipe":
        if self.train.backbone != BackboneTraining() and not models_catalog.has_backbone(self.model.name):
            raise ValueError(
                f"`train.backbone` is set, and model {self.model.name!r} has no backbone: its layers all learn alike. "
                "Remove `train.backbone`, or choose a model with a backbone."
            )
        return self

    @model_validator(mode="after")
    def _network_sees_enough(self) -> "Recipe":
        sizes = {
            "input.size": self.input.size,
            "input.augment.crop": self.input.augment.crop,
            "train.validate_window": self.train.validate_window,
            "evaluate.window": self.evaluate.window,
        }
        problems = []
        for key, size in sizes.items():
            try:
                if size:
                    models_catalog.check_size(self.model.name, self.model.options, size)
            except ModelError as error:
                problems.append(f"`{key}`: {error}")
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @model_validator(mode="after")
    def _normalisation_sees_enough(self) -> "Recipe":
        least, train = models_catalog.least_batch(self.model.name), self.train
        if train.batch_size != "auto" and train.batch_size < least * train.accumulate:
            raise ValueError(
                f"`train.batch_size`: model {self.model.name!r} normalises one pixel of each image together with those "
                f"of others, and needs at least {least} images at once (train.batch_size / train.accumulate). "
                f"Received: {train.batch_size}{f' / {train.accumulate}' if train.accumulate > 1 else ''}."
            )
        return self

    def section(self, name: str) -> Section:
        """Give the section that the recipe file calls `name`."""
        section: Section = getattr(self, "validate_" if name == "validate" else name)
        return section

    def only(self, names: tuple[str, ...]) -> "Recipe":
        """Give a recipe that holds these sections alone; reading another one raises AttributeError."""
        view = self.model_copy()
        fields = {"validate_" if name == "validate" else name for name in names}
        object.__setattr__(view, "__dict__", {key: value for key, value in self.__dict__.items() if key in fields})
        return view

    def as_dict(self) -> dict[str, Any]:
        """Give the recipe as plain values, in the order and with the keys of a recipe file."""
        return self.model_dump(mode="json")


def settings(recipe: Recipe, names: tuple[str, ...]) -> dict[str, Any]:
    """Flatten sections to {"train.epochs": 40, ...}, without the fields marked PLACE or PACE."""
    flat: dict[str, Any] = {}
    for name in names:
        section = recipe.section(name)
        marked = {key for key, field in type(section).model_fields.items() if field.json_schema_extra in (PLACE, PACE)}
        _flatten(name, section.model_dump(mode="json", exclude=marked), flat)
    return flat


def described(recipe: Recipe, names: tuple[str, ...]) -> dict[str, Any]:
    """Give `settings`, and the file that a training begins with, by which people tell it from others."""
    begun = recipe.train.begin_with if "train" in names else None
    return settings(recipe, names) | ({"train.begin_with": str(begun)} if begun else {})


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, flat)
    else:
        flat[prefix] = value
