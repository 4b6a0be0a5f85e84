"""The images in which `segline suspects` searches. Imports no TensorFlow, so that a wrong split is reported at once."""

from pipeline.config.step_names import INGEST, TRAIN
from pipeline.input import records
from pipeline.workspace.run_folder import RunFolder


def count_images(run: RunFolder, splits: tuple[str, ...]) -> dict[str, int]:
    """Return the number of images of each split that `suspects.find` would search.

    Raises:
        UserError: The run has not trained yet, or a split does not exist.
    """
    run.artifact(TRAIN)
    folder = run.artifact(INGEST) / "records"
    for split in splits:
        records.require(folder, split, "--split")
    return {split: records.splits(folder)[split] for split in splits}
