"""`tracking: mlflow`: what MLflow's own client reads back."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.recipe import Recipe
from pipeline.orchestration import mlflow_log
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.plan import Context
from pipeline.workspace.run_folder import RunFolder
from tests.pipeline.finished import Finished


@pytest.fixture
def context(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Run `one` of a finished workspace, whose recipe asks for MLflow."""
    for name in ("MLFLOW_TRACKING_URI", *mlflow_log.ENVIRONMENT):
        monkeypatch.setenv(name, "")  # so that monkeypatch undoes what `update` sets
        monkeypatch.delenv(name)
    workspace = finished.copy(tmp_path / "work")
    run = RunFolder(workspace.run("one"))
    (run.artifact("train") / "scalars.jsonl").write_text('{"step": 3, "train/loss": 0.5, "val/iou/Car (x)": 0.25}\n')
    (run.path / "report.html").write_text("<p>report</p>")
    recipe = Recipe.model_validate({**run.recipe().as_dict(), "tracking": "mlflow"})
    store: Any = None
    return Context(workspace, recipe, run, store)


def test_no_step_depends_on_it(context: Context) -> None:
    assert all("tracking" not in step.sections for step in STEPS)
    assert context.recipe.tracking is not None and context.recipe.tracking.to == "mlflow"


def test_settings_scalars_metrics_report_and_model_are_sent_once(context: Context) -> None:
    pytest.importorskip("mlflow", reason="the extra `mlflow` brings it")
    from mlflow import MlflowClient

    mlflow_log.update(context)
    mlflow_log.update(context)
    client = MlflowClient(tracking_uri=(context.workspace.root / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("net")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    metrics = json.loads((context.run.artifact("evaluate") / "metrics.json").read_text())
    assert run.info.run_name == "one" and run.info.status == "FINISHED" and run.data.tags["segline.run"] == "one"
    assert run.data.params["train.learning_rate"] == "0.001" and run.data.params["model.name"] == "fast"
    assert run.data.metrics["train/loss"] == 0.5 and run.data.metrics["val/iou/Car _x_"] == 0.25
    assert run.data.metrics["evaluate/miou"] == pytest.approx(metrics["miou"])
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "train/loss")] == [(3, 0.5)]
    assert [one.path for one in client.list_artifacts(run.info.run_id, "report")] == ["report/report.html"]
    assert "model/saved_model.pb" in [one.path for one in client.list_artifacts(run.info.run_id, "model")]


def test_a_run_whose_figures_did_not_arrive_is_not_made_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra `mlflow` brings it")
    from mlflow import MlflowClient

    def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_log, "_PARTS", dict.fromkeys(mlflow_log._PARTS, fail))
        mlflow_log.update(context)
    mlflow_log.update(context)
    client = MlflowClient(tracking_uri=(context.workspace.root / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("net")
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 1


def test_a_server_that_does_not_answer_costs_a_line_and_not_the_run(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise ConnectionError("no answer from http://ann:secret@host")

    monkeypatch.setattr(mlflow_log._Sender, "send", fail)
    mlflow_log.update(context)
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("tracking warning: MLflow at file://") and "no answer" in shown and "secret" not in shown
