"""The recipe's section `export`: what is served."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import LOCATION, NAME, Section, Url

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class ExportConfig(Section):
    """What is served."""

    name: Annotated[str, Field(pattern=f"^{NAME}$")] | None = Field(
        default=None, description="folder under serving/; null: the recipe's name"
    )
    url: Url | None = Field(
        default=None,
        description="upload what is served to here too, such as s3://bucket/models",
        json_schema_extra=LOCATION,
    )
    parity_images: Positive = Field(default=8, description="images on which the export must repeat the evaluation")
    outputs: tuple[Literal["argmax", "probabilities", "confidence"], ...] = Field(
        default=("argmax", "probabilities"), description="what the SavedModel answers; argmax is always there"
    )
    formats: tuple[Literal["litert_float32", "litert_float16", "litert_int8", "onnx"], ...] = Field(
        default=(), description="further files: only the network, for one image of one size"
    )
    max_drop: Fraction = Field(default=0.02, description="mIoU that one of `formats` may lose")
    format_images: Positive | None = Field(default=None, description="images that measure `formats`; null: the split")
    max_pixels: Positive = Field(default=1 << 24, description="an image file of more pixels is refused when served")
    intended_use: str | None = Field(default=None, description="for the model card, in your own words")

    @model_validator(mode="after")
    def _outputs_are_told_apart(self) -> "ExportConfig":
        for key in ("outputs", "formats"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"`{key}` must name each once. Received: {list(values)}.")
        if "argmax" not in self.outputs:
            raise ValueError(f"`outputs` must hold argmax, the class map. Received: {list(self.outputs)}.")
        return self
