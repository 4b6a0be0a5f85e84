"""The recipe: every setting of a run, typed, frozen, with no unknown key.

Lengths are pixels, sizes are (height, width), times are seconds unless a name says otherwise.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from models import catalog
from models.errors import ModelError
from pipeline.config.data import DataConfig
from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.export import ExportConfig
from pipeline.config.ingest import IngestConfig
from pipeline.config.input import InputConfig
from pipeline.config.model import ModelConfig
from pipeline.config.schedule import ScheduleConfig
from pipeline.config.section import NAME, Section
from pipeline.config.tracking import TrackingConfig, from_name
from pipeline.config.train import BackboneTraining, TrainConfig
from pipeline.config.validate import ValidateConfig


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

    tracking: Annotated[TrackingConfig | None, BeforeValidator(from_name)] = Field(
        default=None, description="where figures go too, such as mlflow; null: nowhere"
    )

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
        if self.train.backbone != BackboneTraining() and not catalog.has_backbone(self.model.name):
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
                    catalog.check_size(self.model.name, self.model.options, size)
            except ModelError as error:
                problems.append(f"`{key}`: {error}")
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @model_validator(mode="after")
    def _normalisation_sees_enough(self) -> "Recipe":
        least, train = catalog.min_batch_size(self.model.name), self.train
        if train.batch_size != "auto" and train.batch_size < least * train.accumulate:
            raise ValueError(
                f"`train.batch_size`: model {self.model.name!r} normalises one pixel of each image together with those "
                f"of others, and needs at least {least} images at once (train.batch_size / train.accumulate). "
                f"Received: {train.batch_size}{f' / {train.accumulate}' if train.accumulate > 1 else ''}."
            )
        return self

    @property
    def serving_name(self) -> str:
        """Folder under serving/ that the model goes to."""
        return self.export.name or self.name

    def section(self, name: str) -> Section:
        """Return the section that the recipe file calls `name`."""
        section: Section = getattr(self, "validate_" if name == "validate" else name)
        return section

    def only(self, names: tuple[str, ...]) -> "Recipe":
        """Return a recipe that holds these sections only; reading another one raises AttributeError."""
        view = self.model_copy()
        fields = {"validate_" if name == "validate" else name for name in names}
        object.__setattr__(view, "__dict__", {key: value for key, value in self.__dict__.items() if key in fields})
        return view

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, in the order and with the keys of a recipe file."""
        return self.model_dump(mode="json")


def settings(recipe: Recipe, sections: tuple[str, ...], step: str = "") -> dict[str, Any]:
    """Flatten sections to {"train.epochs": 40, ...}, without the fields that do not count for the result of `step`."""
    flat: dict[str, Any] = {}
    for name in sections:
        section = recipe.section(name)
        _flatten(name, section.model_dump(mode="json", exclude=section.uncounted(step)), flat)
    return flat


def described(recipe: Recipe, sections: tuple[str, ...]) -> dict[str, Any]:
    """Return `settings` and the file of initial weights, by which people tell one training from another."""
    initial = recipe.train.begin_with if "train" in sections else None
    return settings(recipe, sections) | ({"train.begin_with": str(initial)} if initial else {})


def hyper_parameters(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that decide what is learned: of the data's view, the network and its training."""
    return {
        key: value
        for key, value in described(recipe, ("input", "model", "train")).items()
        if not key.startswith(_OF_THE_MACHINE)
    }


_OF_THE_MACHINE = ("input.augment_on", "train.strategy", "train.deterministic", "train.communication")
"""Settings that say where and how a training computes; they are fingerprinted, as devices round differently."""


def _flatten(prefix: str, value: Any, flat: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}", inner, flat)
    else:
        flat[prefix] = value
