"""Validate: records -> statistics, class weights, and anomalies of the dataset as a whole.

statistics.json, statistics.pb   pixels and images of each class, sizes, mean and standard deviation, by split
schema.pb                        the schema that every record satisfies
weights.json                     weights of the classes in the loss, by `train.class_weights`
anomalies.json                   warnings; an error stops the run
"""

from collections.abc import Mapping
from pathlib import Path

from datasets.spec import DatasetSpec
from pipeline.config.recipe import Recipe
from pipeline.config.step_names import INGEST
from pipeline.console.progress import Progress
from pipeline.console.terminal import wrapped
from pipeline.data import anomalies, class_weights, statistics, statistics_protos
from pipeline.data.statistics import SplitStatistics
from pipeline.errors import UserError
from pipeline.input import records
from pipeline.workspace import json_file

NAME = 18


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Measure and judge the records of `inputs[INGEST]`.

    Raises:
        UserError: There is an anomaly whose severity is "error"; the text names every anomaly.
    """
    spec = DatasetSpec.read(inputs[INGEST] / "spec.json")
    data = inputs[INGEST] / "records"
    with Progress("validate", sum(records.splits(data).values())) as progress:
        splits = statistics.measure(data, spec.num_classes, counted=progress.add)
    print("\n".join(_summary(splits, spec)))
    problems = anomalies.find(splits, spec, config.validate_)
    if any(one.severity == "error" for one in problems):
        raise UserError(anomalies.refusal(problems))
    if problems:
        print(wrapped("\n".join(anomalies.lines_of(problems))))
    facts = {name: split.as_dict() for name, split in splits.items()}
    json_file.write(out / "statistics.json", {"classes": list(spec.classes), "splits": facts})
    (out / "statistics.pb").write_bytes(statistics_protos.statistics(splits, spec))
    (out / "schema.pb").write_bytes(statistics_protos.schema(spec))
    json_file.write(out / "weights.json", class_weights.all_kinds(splits[records.TRAIN]))
    json_file.write(out / "anomalies.json", [one.as_dict() for one in problems])


def _summary(splits: Mapping[str, SplitStatistics], spec: DatasetSpec) -> list[str]:
    """Return the table of classes: share of the labelled pixels, and number of images that show the class."""
    lines = [
        f"{'validate':<9} shares of the labelled pixels, and images that show the class",
        f"  {'class':<{NAME}}" + "".join(f"{name[:8]:>11} {'images':>7}" for name in splits),
    ]
    for index, name in enumerate(spec.classes):
        cells = (f"{split.shares[index]:>11.2%} {split.images_with_class[index]:>7}" for split in splits.values())
        lines.append(f"  {name[:NAME]:<{NAME}}" + "".join(cells))
    return lines
