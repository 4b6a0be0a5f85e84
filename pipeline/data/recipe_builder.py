"""From a recipe to the builder of its dataset: `check` surveys with it, `ingest` writes with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import catalog
from pipeline.config.recipe import Recipe

if TYPE_CHECKING:
    from datasets.segmentation_builder import SegmentationBuilder  # imports TFDS and Beam


def builder(config: Recipe, data_dir: Path, **kept: Any) -> "SegmentationBuilder":
    """Make the dataset's builder with all that the recipe says of it.

    Args:
        config: Its sections data and ingest.
        data_dir: Where the records go, if any are written.
        kept: What the builder keeps finished shards in: `cache` and `report`.

    Raises:
        DatasetError: The layout cannot be read.
    """
    made: SegmentationBuilder = catalog.builder(
        config.data.name,
        config.data.layout_file,
        config=config.data.config,
        data_dir=data_dir,
        on_bad_input=config.ingest.on_bad_input,
        allow_partial=config.data.allow_partial,
        holdout_groups=config.data.holdout_groups,
        max_pixels=config.data.max_pixels,
        min_shards=config.ingest.min_shards,
        **kept,
    )
    return made
