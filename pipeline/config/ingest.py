"""The recipe's section `ingest`: how raw files become records."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import UNFINGERPRINTED, Section

Positive = Annotated[int, Field(gt=0)]


class IngestConfig(Section):
    """How raw files become records."""

    on_bad_input: Literal["error", "quarantine"] = Field(default="error", description="bad files: stop, or leave out")
    num_shards: Positive | None = Field(default=None, description="TFRecord files of each split; null: by size")
    min_shards: Positive = Field(default=1, description="by size, but at least so many: one a training host")
    runner: Literal["in_process", "multi_processing", "portable"] = Field(
        default="in_process",
        description="where Beam runs; portable: as beam_options say",
        json_schema_extra=UNFINGERPRINTED,
    )
    workers: Positive | None = Field(
        default=None, description="processes of multi_processing; null: one a core", json_schema_extra=UNFINGERPRINTED
    )
    beam_options: tuple[str, ...] = Field(
        default=(), description="Beam's own, such as --runner=FlinkRunner", json_schema_extra=UNFINGERPRINTED
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
