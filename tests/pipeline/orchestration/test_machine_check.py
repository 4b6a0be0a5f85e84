"""What `segline check` and `--dry-run` ask of the machine, without TensorFlow."""

import pytest

from pipeline.__main__ import main
from pipeline.config.recipe import Recipe
from pipeline.orchestration import machine_check, mlflow_log
from tests.pipeline.finished import Finished


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_check.machine, "gpus", lambda: None)


def changed(recipe: Recipe, section: str, **values: object) -> Recipe:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=values)})


def test_gpus_that_are_not_there_are_missed_by_the_steps_that_need_them(tiny_recipe: Recipe) -> None:
    for section, step in (("train", "train"), ("evaluate", "evaluate")):
        recipe = changed(tiny_recipe, section, strategy="mirrored")
        (problem,) = machine_check.problems(recipe, {step})
        assert problem.startswith(f"{section}.strategy is 'mirrored' and TensorFlow finds no GPU here (")
        assert machine_check.problems(recipe, {"ingest", "export"}) == []


def test_nccl_and_workers_that_are_not_there_are_missed(tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    communication = tiny_recipe.train.communication.model_copy(update={"all_reduce": "nccl"})
    recipe = changed(changed(tiny_recipe, "train", communication=communication), "evaluate", strategy="multi_worker")
    problems = "\n".join(machine_check.problems(recipe, {"train", "evaluate"}))
    assert "train.communication.all_reduce is 'nccl'" in problems
    assert "evaluate.strategy is 'multi_worker'" in problems


def test_other_workers_are_not_asked(tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLINE_WORKERS", "127.0.0.1:1,127.0.0.1:2")  # nothing listens there
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert machine_check.problems(tiny_recipe, {"train"}) == []


def test_a_tracker_that_is_not_installed_is_missed(tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.model_validate({**tiny_recipe.as_dict(), "tracking": "mlflow"})
    monkeypatch.setattr(mlflow_log, "find_spec", lambda name: None)
    (problem,) = machine_check.problems(recipe, ())
    assert "pip install 'segline[mlflow]'" in problem


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize(("setting", "code"), [("train.strategy=mirrored", 2), ("train.strategy=auto", 0)])
def test_a_dry_run_asks_for_the_devices_of_steps_that_would_run(
    setting: str, code: int, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(finished.workspace.root), "--dry-run"]
    assert main(["run", str(finished.recipe), *place, "--set", setting]) == code
    shown = capsys.readouterr()
    assert ("finds no GPU here" in shown.err) == bool(code) and "train" in shown.out
