"""Everything that a report shows, read from the artifacts of one run. Imports no library."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.spec import DatasetSpec
from pipeline.config.recipe import described
from pipeline.data.drift import FILE as DRIFT
from pipeline.workspace.layout import Workspace, read_seal
from pipeline.workspace.run_folder import RunFolder

WEIGHTS = "weights.h5"
"""As in pipeline.training.trained_model, which imports TensorFlow."""

SECTIONS = ("data", "ingest", "validate", "input", "model", "train", "evaluate", "export")


@dataclass(frozen=True)
class Artifact:
    """One step's result: its address in the workspace, the digest of its contents, who made it and when."""

    step: str
    uri: str
    digest: str
    run: str
    made: float


@dataclass(frozen=True)
class Material:
    """What a report shows.

    Attributes:
        run, recipe: Names.
        command, code: As they were when the run began.
        spec: The dataset's facts.
        metrics, verdict, speed: What the files of these names of the evaluate step hold.
        history: What train's history.json holds: one mapping for each epoch.
        pictures: What the index of the pictures holds.
        folder: Folder of the pictures.
        settings: The recipe, {"train.epochs": ...}.
        versions: {library: version} of training and evaluation.
        artifacts: Every finished step, in order.
        sizes: {what: bytes} of weights and of what is exported.
        parity: What parity.json of the export holds; None where nothing was exported.
        drift: What drift.json of the run holds; None where no other data was compared with.
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
    versions: Mapping[str, str]
    artifacts: Sequence[Artifact]
    sizes: Mapping[str, int]
    parity: Mapping[str, Any] | None
    formats: Sequence[Mapping[str, Any]]
    drift: Mapping[str, Any] | None = None


def read(workspace: Workspace, run: RunFolder) -> Material:
    """Read what a run has made so far; its evaluate step must be done.

    Raises:
        UserError: It is not.
    """
    evaluate, train = run.artifact("evaluate"), run.artifact("train")
    exported = run.artifact("export") if (run.path / "export").is_dir() else None
    recipe = run.recipe()
    done = [name for name in ("ingest", "validate", "train", "evaluate", "export") if (run.path / name).is_dir()]
    seals = {name: read_seal(run.artifact(name)) for name in done}
    sizes = {"weights": (train / WEIGHTS).stat().st_size}
    if exported:
        sizes["SavedModel"] = sum(
            file.stat().st_size
            for file in (exported / "saved_model").rglob("*")
            if file.is_file() and file.parent.name != "assets.extra"
        )
    formats = exported / "formats.json" if exported else None
    return Material(
        run=run.id,
        recipe=recipe.name,
        command=(run.path / "command.txt").read_text(encoding="utf-8").strip(),
        code=(run.path / "code.txt").read_text(encoding="utf-8").strip(),
        spec=DatasetSpec.read(run.artifact("ingest") / "spec.json"),
        metrics=_json(evaluate / "metrics.json"),
        verdict=_json(evaluate / "verdict.json"),
        speed=_json(evaluate / "speed.json"),
        history=_json(train / "history.json"),
        pictures=_json(evaluate / "pictures" / "index.json"),
        folder=evaluate / "pictures",
        settings=described(recipe, SECTIONS),
        versions={**seals["train"]["fingerprint"]["libraries"], **seals["evaluate"]["fingerprint"]["libraries"]},
        artifacts=[
            Artifact(name, workspace.relative(run.artifact(name)), seal["digest"], seal["run"], seal["made"])
            for name, seal in seals.items()
        ],
        sizes=sizes,
        drift=_json(run.path / DRIFT) if (run.path / DRIFT).is_file() else None,
        parity=_json(exported / "parity.json") if exported else None,
        formats=_json(formats) if formats and formats.is_file() else [],
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
