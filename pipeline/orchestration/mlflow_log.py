"""`tracking: mlflow`: the settings, scalars, metrics, report and model of a run in MLflow too, by MLflow's own client.

It follows a step (follow_up.py) and sends what MLflow does not have yet. What it sent stands in runs/<id>/mlflow.json.
A server that does not answer costs a line of the log, not the run: the next step sends the rest.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.recipe import Recipe, described
from pipeline.config.step_names import EVALUATE, EXPORT, TRAIN
from pipeline.console.terminal import wrapped
from pipeline.console.url_secrets import mask, reveal
from pipeline.errors import UserError
from pipeline.orchestration.plan import Context
from pipeline.workspace import json_file
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.seal import read_seal

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILE = "mlflow.json"

AT_ONCE = 100
"""Settings or numbers of a request at most: MLflow takes 100 parameters, and 1000 entries in all."""

ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
"""MLflow reports its use to its makers unless this is set, and needs to be allowed a folder as its store."""


def require(recipe: Recipe) -> None:
    """Raise UserError if a recipe asks for MLflow and it is not installed."""
    if recipe.tracking and find_spec("mlflow") is None:
        raise UserError("tracking: mlflow needs MLflow's client: pip install 'segline[mlflow]'. Or leave it out.")


def update(context: Context) -> None:
    """Send to MLflow what it does not have of a run yet, where the recipe says so; a failure is printed."""
    settings = context.recipe.tracking
    if settings is None:
        return
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    uri = settings.uri and reveal(settings.uri)
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or (context.workspace.root / "mlruns").absolute().as_uri()
    try:
        _Sender(context, uri).send()
    except Exception as error:  # of any kind: of the network, of the server, of MLflow
        reason = mask(f"{type(error).__name__}: {error}".split("\n")[0])
        print(wrapped(f"tracking  warning: MLflow at {mask(uri)} did not take the figures ({reason})."))


@dataclass
class _Sender:
    """Sends the parts of a run, each once, and the report again whenever it may have changed."""

    context: Context
    uri: str
    sent: dict[str, Any] = field(default_factory=dict)

    def send(self) -> None:
        from mlflow import MlflowClient

        client, file = MlflowClient(tracking_uri=self.uri), self.context.run.path / FILE
        known = json_file.read(file) if file.is_file() else {}
        self.sent = known if known.get("uri") == mask(self.uri) else {"uri": mask(self.uri), "parts": {}}
        if "run" not in self.sent:
            self.sent["run"] = self._begin(client)
            write_atomically(file, json.dumps(self.sent, indent=2))
        for step, send in _PARTS.items():
            if not (self.context.run.path / step).is_dir():
                continue
            artifact = self.context.run.artifact(step)
            if self.sent["parts"].get(step) != artifact.name:
                send(client, self.sent["run"], artifact)
                self.sent["parts"][step] = artifact.name
            write_atomically(file, json.dumps(self.sent, indent=2))
        for report in sorted(self.context.run.path.glob("report.*")):
            client.log_artifact(self.sent["run"], str(report), "report")
        client.set_terminated(self.sent["run"])

    def _begin(self, client: "MlflowClient") -> str:
        """Make MLflow's run with the recipe's settings; return its id."""
        from mlflow.entities import Param

        recipe, run = self.context.recipe, self.context.run
        name = (recipe.tracking and recipe.tracking.experiment) or recipe.name
        experiment = client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else client.create_experiment(name)
        code = (run.path / "code.txt").read_text(encoding="utf-8").strip()
        tags = {"segline.run": run.id, "segline.recipe": recipe.name, "segline.code": code}
        made: str = client.create_run(number, run_name=run.id, tags=tags).info.run_id
        settings = described(recipe, ("data", "input", "model", "train", "evaluate"))
        for part in _in_parts(Param(_key(key), str(value)[:6000]) for key, value in settings.items()):
            client.log_batch(made, params=part)
        client.log_artifact(made, str(run.path / "recipe.yaml"), "recipe")
        return made


def _send_scalars(client: "MlflowClient", run: str, artifact: Path) -> None:
    lines = (json.loads(line) for line in (artifact / "scalars.jsonl").read_text(encoding="utf-8").splitlines())
    made = round(read_seal(artifact)["made"] * 1000)
    _log(client, run, ((key, value, line["step"]) for line in lines for key, value in line.items()), made)


def _send_metrics(client: "MlflowClient", run: str, artifact: Path) -> None:
    from pipeline.evaluation import metric_names

    figures = metric_names.flat(json_file.read(artifact / "metrics.json"))
    made = round(read_seal(artifact)["made"] * 1000)
    _log(client, run, ((f"evaluate/{key}", value, 0) for key, value in figures.items() if value is not None), made)


def _send_model(client: "MlflowClient", run: str, artifact: Path) -> None:
    client.log_artifacts(run, str(artifact / "saved_model"), "model")


def _log(client: "MlflowClient", run: str, numbers: Iterable[tuple[str, float, int]], made: int) -> None:
    from mlflow.entities import Metric

    metrics = (Metric(_key(key), float(value), made, int(step)) for key, value, step in numbers if key != "step")
    for part in _in_parts(metrics):
        client.log_batch(run, metrics=part)


def _in_parts(entries: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(entries)
    while part := list(islice(left, AT_ONCE)):
        yield part


def _key(name: str) -> str:
    """Return a name as MLflow allows it."""
    return re.sub(r"[^\w\-./ :]", "_", name)[:250]


_PARTS: Mapping[str, Callable[["MlflowClient", str, Path], None]] = {
    TRAIN: _send_scalars,
    EVALUATE: _send_metrics,
    EXPORT: _send_model,
}
"""What is sent of the artifact of a step."""
