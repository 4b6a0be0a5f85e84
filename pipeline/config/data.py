"""The recipe's section `data`: which dataset, and where its raw files lie."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from datasets import catalog
from datasets.errors import DatasetError
from datasets.spec import DatasetSpec
from pipeline.config.section import LOCATION, Section, Url

Positive = Annotated[int, Field(gt=0)]


class DataConfig(Section):
    """Which dataset, and where its raw files lie."""

    name: str = Field(description="a dataset: one of the folders under datasets/")
    config: str | None = Field(default=None, description="the builder's configuration; null: its first")
    manual_dir: Path = Field(description="folder with the raw files", json_schema_extra=LOCATION)
    url: Url | None = Field(
        default=None,
        description="where the raw files are kept, such as s3://bucket/camvid; manual_dir is then a local copy",
        json_schema_extra=LOCATION,
    )
    layout: Path | None = Field(
        default=None,
        description="YAML that describes image_folder; null: manual_dir/segline.yaml",
        json_schema_extra=LOCATION,
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
            catalog.check(name)
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
        takes = catalog.takes_layout(self.name)
        if self.layout is not None and not takes:
            raise ValueError(f"`layout` describes a folder of your own; {self.name} has none. Leave it out.")
        if self.config is not None and not takes:
            try:
                catalog.spec(self.name, self.config)
            except DatasetError as error:
                raise ValueError(str(error)) from None
        return self

    @property
    def layout_file(self) -> Path | None:
        """The YAML file that describes the data; None for a dataset that needs none."""
        if not catalog.takes_layout(self.name):
            return None
        return (self.layout or self.manual_dir / "segline.yaml").expanduser()

    def spec(self) -> DatasetSpec:
        """Return the facts of the dataset.

        Raises:
            DatasetError: The layout is missing or wrong.
        """
        return catalog.spec(self.name, self.config, self.layout_file)

    def modules(self) -> tuple[str, ...]:
        """Return the module of the dataset's builder."""
        return (f"datasets.{self.name}.{self.name}_dataset_builder",)

    def files(self) -> dict[str, Path]:
        """Return the layout, where there is one."""
        return {"data.layout": self.layout_file} if self.layout_file and self.layout_file.is_file() else {}
