"""The recipe: every setting of a run, typed, frozen, with no unknown key.

Lengths are pixels, sizes are (height, width), times are seconds unless a name says otherwise.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from datasets import catalog as datasets_catalog
from datasets.errors import DatasetError
from models import catalog as models_catalog
from models.errors import ModelError

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Size = tuple[Positive, Positive]
Severity = Literal["error", "warning", "ignore"]

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
"""What may name a recipe, a run, a served model: it becomes the name of a folder."""

PLACE: dict[str, Any] = {"fingerprinted": "contents"}
"""Marks a field that says where something lies. What lies there is fingerprinted, the place itself is not."""

PACE: dict[str, Any] = {"fingerprinted": "no"}
"""Marks a field that changes how fast a step is, and nothing of its result."""


class Section(BaseModel):
    """Base of all sections: immutable, and a key that is not listed is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def modules(self) -> tuple[str, ...]:
        """Give the project's modules that this section chooses by name; their source belongs to the fingerprint."""
        return ()

    def files(self) -> dict[str, Path]:
        """Give the files that this section names, by key; their contents belong to the fingerprint."""
        return {}


class DataConfig(Section):
    """Which dataset, and where its raw files lie."""

    name: str = Field(description="a dataset: one of the folders under datasets/")
    config: str | None = Field(default=None, description="the builder's configuration; null: its first")
    manual_dir: Path = Field(description="folder with the raw files", json_schema_extra=PLACE)
    allow_partial: bool = Field(default=False, description="accept a split smaller than the published one")

    @field_validator("name")
    @classmethod
    def _is_a_dataset(cls, name: str) -> str:
        try:
            datasets_catalog.check(name)
        except DatasetError as error:
            raise ValueError(str(error)) from None
        return name

    def modules(self) -> tuple[str, ...]:
        """See Section."""
        return (f"datasets.{self.name}.{self.name}_dataset_builder",)


class IngestConfig(Section):
    """How raw files become records."""

    on_bad_input: Literal["error", "quarantine"] = Field(default="error", description="bad files: stop, or leave out")
    num_shards: Positive | None = Field(default=None, description="TFRecord files of each split; null: by size")


class ValidateConfig(Section):
    """How grave each anomaly of the data is. An error stops the run, a warning is shown."""

    class_absent_from_train: Severity = "error"
    split_missing: Severity = "warning"
    same_image_in_two_splits: Severity = "error"
    all_void_mask: Severity = "warning"


class AugmentConfig(Section):
    """Random changes of a training example, drawn as a function of (seed, epoch, example)."""

    flip: bool = Field(default=False, description="mirror left to right, every second time")
    scale: tuple[float, float] = Field(default=(1.0, 1.0), description="zoom, drawn log-uniformly between these")
    crop: Size | None = Field(default=None, description="cut to this size after zooming; what lies outside is ignored")
    brightness: Fraction = Field(default=0.0, description="add up to this share of 255")
    contrast: Fraction = Field(default=0.0, description="scale around the mean by 1 +- this")
    saturation: Fraction = Field(default=0.0, description="scale around grey by 1 +- this")
    hue: Fraction = Field(default=0.0, description="turn the colour circle by up to this share")

    @model_validator(mode="after")
    def _scale_is_a_range(self) -> "AugmentConfig":
        low, high = self.scale
        if not 0 < low <= high:
            raise ValueError(f"`scale` must be [low, high] with 0 < low <= high. Received: [{low}, {high}].")
        return self


class InputConfig(Section):
    """How records become batches."""

    size: Size | None = Field(default=None, description="resize every image to this; null: as it is")
    cache: Literal["auto", "memory", "none"] = Field(
        default="auto", description="keep what is decoded; auto: if it fits", json_schema_extra=PACE
    )
    cache_budget_gb: Annotated[float, Field(gt=0)] = Field(
        default=4.0, description="what `cache: auto` may take, GB", json_schema_extra=PACE
    )
    augment: AugmentConfig = AugmentConfig()


class ModelConfig(Section):
    """Which network. Its own parameters are those of the file's `build` function."""

    name: str = Field(description="a model: one of the files under models/")
    options: dict[str, Any] = Field(default_factory=dict, description="parameters of the model's `build`")

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


class TrainConfig(Section):
    """How the weights are found."""

    epochs: Positive
    batch_size: Positive = Field(description="images of a step over all devices together")
    learning_rate: Annotated[float, Field(gt=0)]
    optimizer: Literal["adamw", "adam", "sgd", "rmsprop"] = "adamw"
    momentum: Fraction = Field(default=0.9, description="of sgd (Nesterov) and rmsprop")
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.0, description="decoupled; not on biases and norms")
    schedule: Literal["constant", "cosine", "poly"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0.0
    class_weights: Literal["none", "median_frequency", "sqrt_median_frequency", "enet"] = "none"
    label_smoothing: Fraction = 0.0
    validate_every: Positive = Field(default=1, description="epochs between two measurements on the validation split")
    checkpoint_seconds: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="time between two checkpoints", json_schema_extra=PACE
    )
    samples: Annotated[int, Field(ge=0)] = Field(default=4, description="validation images shown in TensorBoard")
    strategy: Literal["auto", "one_device", "mirrored"] = Field(
        default="auto", description="auto: every GPU, or the CPU"
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _warmup_ends(self) -> "TrainConfig":
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"`warmup_epochs` must be less than `epochs`. Received: {self.warmup_epochs:g} of {self.epochs}."
            )
        return self


class EvaluateConfig(Section):
    """What is measured, and what the gate asks."""

    split: str = "val"
    min_miou: Fraction | None = Field(default=None, description="the gate: at least this mIoU; null: any")
    max_miou_drop: Fraction | None = Field(default=0.02, description="the gate: at most this under the served model")
    overlays: Annotated[int, Field(ge=0)] = Field(default=3, description="pictures each of the best, median and worst")


class ExportConfig(Section):
    """What is served."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")] | None = Field(
        default=None, description="folder under serving/; null: the recipe's name"
    )
    parity_images: Positive = Field(default=8, description="images on which the export must repeat the evaluation")


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


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, flat)
    else:
        flat[prefix] = value
