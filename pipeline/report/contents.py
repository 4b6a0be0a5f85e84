"""The data of a report, read from the artifacts of one run. Imports no library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.spec import DatasetSpec
from pipeline.config.recipe import described
from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, STEP_NAMES, TRAIN, VALIDATE
from pipeline.console.url_secrets import mask
from pipeline.data import drift
from pipeline.workspace import json_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import read_seal

WEIGHTS = "weights.h5"
"""As in pipeline.training.trained_model, which cannot be imported here: it imports TensorFlow."""

SECTIONS = ("data", "ingest", "validate", "input", "model", "train", "evaluate", "export")


@dataclass(frozen=True)
class Artifact:
    """One step's artifact: its path in the workspace, its digest, the run that made it, and when (seconds)."""

    step: str
    uri: str
    digest: str
    run: str
    made: float


@dataclass(frozen=True)
class Material:
    """The data of a report.

    Attributes:
        run, recipe: Names.
        command, code: The command of the run, and the version of the code.
        spec: The dataset.
        metrics, speed: Contents of the files of these names of the evaluate step.
        verdict: Contents of verdict.json of the gate; empty before it.
        history: Content of train's history.json: one mapping for each epoch.
        pictures: Content of the index of the pictures.
        folder: Folder of the pictures.
        settings, yaml: The recipe, as {"train.epochs": ...}, and as the file that runs it again.
        statistics: Content of validate's statistics.json; {} where validate is not part of the run.
        versions: {library: version} of training and evaluation.
        artifacts: Artifacts of the finished steps, in order.
        sizes: {name: bytes} of the weights and the exported model.
        parity: Content of the export's parity.json; None where nothing was exported.
        drift: Content of the run's drift.json; None where the data were compared with no other.
        formats: A row for each exported format, from the export's formats.json.
    """

    run: str
    recipe: str
    command: str
    code: str
    spec: DatasetSpec
    metrics: Mapping[str, Any]
    verdict: Mapping[str, Any]
    speed: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    pictures: Mapping[str, Any]
    folder: Path
    settings: Mapping[str, Any]
    yaml: str
    statistics: Mapping[str, Any]
    versions: Mapping[str, str]
    artifacts: Sequence[Artifact]
    sizes: Mapping[str, int]
    parity: Mapping[str, Any] | None
    formats: Sequence[Mapping[str, Any]]
    drift: Mapping[str, Any] | None = None


def read(workspace: Workspace, run: RunFolder) -> Material:
    """Read the data of a run; the steps after evaluate may be missing.

    Raises:
        UserError: The evaluate step is not done.
    """
    evaluate, train = run.artifact(EVALUATE), run.artifact(TRAIN)
    recipe = run.recipe()
    folders = {name: run.artifact(name) for name in STEP_NAMES if (run.path / name).is_dir()}
    seals = {name: read_seal(folder) for name, folder in folders.items()}
    sizes = {"weights": (train / WEIGHTS).stat().st_size}
    if exported := folders.get(EXPORT):
        files = [path for path in (exported / "saved_model").rglob("*") if path.is_file()]
        sizes["SavedModel"] = sum(path.stat().st_size for path in files if path.parent.name != "assets.extra")
    formats = exported / "formats.json" if exported else None
    return Material(
        run=run.id,
        recipe=recipe.name,
        command=(run.path / "command.txt").read_text(encoding="utf-8").strip(),
        code=(run.path / "code.txt").read_text(encoding="utf-8").strip(),
        spec=DatasetSpec.read(run.artifact(INGEST) / "spec.json"),
        metrics=json_file.read(evaluate / "metrics.json"),
        verdict=json_file.read(folders[GATE] / "verdict.json") if GATE in folders else {},
        speed=json_file.read(evaluate / "speed.json"),
        history=json_file.read(train / "history.json"),
        pictures=json_file.read(evaluate / "pictures" / "index.json"),
        folder=evaluate / "pictures",
        settings=described(recipe, SECTIONS),
        yaml=mask((run.path / "recipe.yaml").read_text(encoding="utf-8")),
        statistics=json_file.read(folders[VALIDATE] / "statistics.json") if VALIDATE in folders else {},
        versions={**seals[TRAIN]["fingerprint"]["libraries"], **seals[EVALUATE]["fingerprint"]["libraries"]},
        artifacts=[
            Artifact(name, workspace.relative(folders[name]), seal["digest"], seal["run"], seal["made"])
            for name, seal in seals.items()
        ],
        sizes=sizes,
        drift=json_file.read(run.path / drift.FILE) if (run.path / drift.FILE).is_file() else None,
        parity=json_file.read(exported / "parity.json") if exported else None,
        formats=json_file.read(formats) if formats and formats.is_file() else [],
    )
