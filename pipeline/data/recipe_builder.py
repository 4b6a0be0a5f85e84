"""The dataset builder of a recipe: `check` surveys the raw files with it, `ingest` writes the records."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import catalog
from pipeline.config.recipe import Recipe

if TYPE_CHECKING:
    from datasets.segmentation_builder import SegmentationBuilder  # imports TFDS and Beam


def builder(config: Recipe, data_dir: Path, **options: Any) -> "SegmentationBuilder":
    """Make the builder of the recipe's dataset.

    Args:
        config: The recipe, with its sections data and ingest.
        data_dir: Folder of the records, if any are written.
        options: Further options of the builder, such as `cache` and `report`.

    Raises:
        DatasetError: The layout cannot be read.
    """
    dataset_builder: SegmentationBuilder = catalog.builder(
        config.data.name,
        config.data.layout_file,
        config=config.data.config,
        data_dir=data_dir,
        on_bad_input=config.ingest.on_bad_input,
        allow_partial=config.data.allow_partial,
        holdout_groups=config.data.holdout_groups,
        max_pixels=config.data.max_pixels,
        min_shards=config.ingest.min_shards,
        **options,
    )
    return dataset_builder
