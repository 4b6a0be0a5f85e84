"""`segline compile`: what Kubeflow, Argo and Airflow get, and that each one's own library reads it.

Kubeflow and Airflow pin libraries that TensorFlow does not go with, so that each has an environment of its own.
"""

import ast
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.__main__ import main
from pipeline.cli.operations_commands import ENGINES
from pipeline.config.step_names import STEP_NAMES
from pipeline.engines import pod, tasks
from pipeline.engines.compilation import WRITERS, compile_pipeline
from pipeline.lineage import history
from pipeline.orchestration.graph import STEPS
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder

PROJECT = Path(__file__).parents[3]
SET = ["train.epochs=3", "data.manual_dir=/data/camvid"]
AFTER = {
    "ingest": [],
    "validate": ["ingest"],
    "train": ["ingest", "validate"],
    "evaluate": ["ingest", "train"],
    "gate": ["evaluate"],
    "export": ["ingest", "train", "evaluate", "gate"],
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The nightly recipe, with a folder for each slot."""
    path = tmp_path / "Night_ly.yaml"
    text = (PROJECT / "docker/recipes/nightly.yaml").read_text()
    path.write_text(text.replace("schedule:\n", "schedule:\n  set: {train.seed: '%d'}\n  retries: 5\n"))
    return path


def compiled(recipe: Path | str, engine: str) -> str:
    resources = ["train=16,64Gi,8", "gate=1,1Gi,0"]
    return compile_pipeline(
        tasks.pipeline_of(str(recipe), SET, image="registry/segline:1", resources=resources), engine
    )


def documents(recipe: Path | str, engine: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(compiled(recipe, engine)))


def constants(source: str) -> dict[str, Any]:
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    found = {}
    for node in nodes:
        assert isinstance(node.targets[0], ast.Name)
        try:
            found[node.targets[0].id] = ast.literal_eval(node.value)
        except ValueError:  # a call
            continue
    return found


def arguments(step: str, recipe: str, run: str, reference: str, *, slot: str | None = None) -> list[str]:
    settings = [f"train.epochs={reference % 'train_epochs'}", f"data.manual_dir={reference % 'data_manual_dir'}"]
    words = ["step", step, recipe, "--run", run, "--set", settings[0], "--set", settings[1]]
    return [*words, "--slot", slot or reference % "slot"]


def test_the_graph_says_what_comes_before_each_step() -> None:
    assert {step.name: list(step.predecessors) for step in STEPS} == AFTER


def test_argo_runs_each_step_after_what_it_needs(recipe: Path) -> None:
    template, cron = documents(recipe, "argo")
    entry, *steps = template["spec"]["templates"]
    dag = {task["name"]: task.get("depends", "").split(" && ") for task in entry["dag"]["tasks"]}
    assert {name: [one for one in before if one] for name, before in dag.items()} == AFTER
    assert [step["name"] for step in steps] == list(STEP_NAMES)
    defaults = {entry["name"]: entry["value"] for entry in template["spec"]["arguments"]["parameters"]}
    assert defaults == {
        "recipe": "/recipes/Night_ly.yaml",
        "train_epochs": "3",
        "data_manual_dir": "/data/camvid",
        "slot": "",
    }
    for step in steps:
        expected = arguments(
            step["name"], "{{workflow.parameters.recipe}}", "{{workflow.name}}", "{{workflow.parameters.%s}}"
        )
        assert step["container"]["args"] == expected
        retry = step["retryStrategy"]
        assert (retry["limit"], retry["retryPolicy"]) == ("5", "Always")
        assert retry["expression"] == "lastRetry.status == 'Error' || !(asInt(lastRetry.exitCode) in [2, 3, 4])"
        assert "maxDuration" not in retry["backoff"], "it counts from the start of the first attempt"
    limits = {step["name"]: step["container"]["resources"]["limits"] for step in steps}
    assert limits["train"] == {"memory": "64Gi", "nvidia.com/gpu": "8"} and limits["gate"] == {"memory": "1Gi"}
    assert [step["name"] for step in steps if "tolerations" in step] == ["train", "evaluate"]
    assert cron["spec"]["schedules"] == ["30 2 * * *"] and cron["spec"]["timezone"] == "Europe/Berlin"
    assert cron["spec"]["workflowSpec"] == {
        "workflowTemplateRef": {"name": template["metadata"]["name"]},
        "arguments": {"parameters": [{"name": "slot", "value": "{{workflow.scheduledTime}}"}]},
    }


def test_kubeflow_runs_each_step_after_what_it_needs(recipe: Path) -> None:
    spec, platform = documents(recipe, "kfp")
    dag = spec["root"]["dag"]["tasks"]
    assert {name: task.get("dependentTasks", []) for name, task in dag.items()} == AFTER
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert {name: one["defaultValue"] for name, one in parameters.items()} == {
        "recipe": "/recipes/Night_ly.yaml",
        "train_epochs": "3",
        "data_manual_dir": "/data/camvid",
        "slot": "",
    }
    executors = spec["deploymentSpec"]["executors"]
    for name, task in dag.items():
        executor = spec["components"][task["componentRef"]["name"]]["executorLabel"]
        container = executors[executor]["container"]
        reference = "{{$.inputs.parameters['%s']}}"
        run = f"night-ly-{reference % 'run'}"
        assert container["args"] == arguments(name, reference % "recipe", run, reference)
        assert task["inputs"]["parameters"]["run"] == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
        assert container["image"] == "registry/segline:1" and task["retryPolicy"]["maxRetryCount"] == 5
        mounts = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][executor]
        assert [(one["constant"], one["mountPath"]) for one in mounts["pvcMount"]] == [
            ("segline-data", "/data"),
            ("segline-work", "/work"),
        ]
    train = executors["exec-train"]["container"]["resources"]
    assert train["accelerator"] == {"resourceType": "nvidia.com/gpu", "resourceCount": "8"}
    assert (
        train["resourceMemoryLimit"] == "64Gi" and "accelerator" not in executors["exec-gate"]["container"]["resources"]
    )


def test_airflow_gets_the_steps_and_the_logical_date(recipe: Path) -> None:
    values = constants(compiled(recipe, "airflow"))
    assert {name: task["after"] for name, task in values["TASKS"].items()} == AFTER
    assert {name: task["gpus"] for name, task in values["TASKS"].items() if task["gpus"]} == {"train": 8, "evaluate": 1}
    assert values["RECIPE"] == {"local": str(recipe), "kubernetes": "/recipes/Night_ly.yaml"}
    assert values["SETTINGS"] == {"train_epochs": "3", "data_manual_dir": "/data/camvid", "slot": ""}
    assert (values["CRON"], values["TIMEZONE"], values["FINAL"]) == ("30 2 * * *", "Europe/Berlin", (2, 3, 4))
    assert values["TASKS"]["export"]["outlet"] == "segline_serving_Night_ly"
    run = "{{ dag.dag_id }}-{{ run_id | replace(':', '') | replace('+', '-') }}"
    slot = "{{ params['slot'] or (logical_date or dag_run.run_after).isoformat() }}"
    expected = arguments("train", "{{ params['recipe'] }}", run, "{{ params['%s'] }}", slot=slot)
    assert values["TASKS"]["train"]["arguments"] == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_a_recipe_without_a_schedule_has_no_slot(engine: str) -> None:
    text = compiled("demo", engine)
    assert "--slot" not in text and "CronWorkflow" not in text
    assert set(ENGINES) == set(WRITERS)


def test_faulty_resources_are_named_together(capsys: pytest.CaptureFixture[str]) -> None:
    faulty = ["--resources", "trian=8,32Gi,1", "--resources", "train=8,32,1", "--resources", "gate=0,1Gi,0"]
    assert main(["compile", "demo", "--to", "kfp", *faulty]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "'trian=8,32Gi,1' names no step. Steps: ingest" in shown
    assert "'train=8,32,1' is not STEP=CPU,MEMORY,GPUS" in shown and "'gate=0,1Gi,0' is not" in shown


def test_a_file_is_written_and_a_wrong_setting_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "demo.yaml"
    assert main(["compile", "demo", "--to", "argo", "--set", "train.epochs=2", "--out", str(out)]) == 0
    assert "value: demo" in out.read_text() and capsys.readouterr().out == f"{out}: 6 tasks\n"
    assert main(["compile", "demo", "--to", "argo", "--set", "train.epochs=-2"]) == 2
    assert "train.epochs" in capsys.readouterr().err


def test_containers_start_the_image_s_own_program() -> None:
    dockerfile = (PROJECT / "docker/Dockerfile").read_text()
    assert f"ENTRYPOINT {json.dumps(pod.COMMAND)}" in dockerfile
    assert f"SEGLINE_WORKSPACE={pod.ENVIRONMENT['SEGLINE_WORKSPACE']}" in dockerfile


def commands(engine: str, document: dict[str, Any]) -> list[list[str]]:
    """Return what each container of a pipeline is given, in the order of the steps."""
    if engine == "argo":
        return [template["container"]["args"] for template in document["spec"]["templates"][1:]]
    return [executor["container"]["args"] for executor in document["deploymentSpec"]["executors"].values()]


@pytest.mark.parametrize(
    "engine, run, reference",
    [
        ("argo", "{{workflow.name}}", "{{workflow.parameters.%s}}"),
        ("kfp", "{{$.inputs.parameters['run']}}", "{{$.inputs.parameters['%s']}}"),
    ],
)
def test_the_commands_of_a_pipeline_make_and_serve_a_model(
    finished: Any,
    small_steps: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    run: str,
    reference: str,
) -> None:
    """In an engine each is a container; here they follow each other, with parameters as the engine fills them in."""
    monkeypatch.setenv("SEGLINE_WORKSPACE", str(tmp_path / "work"))
    pipeline = tasks.pipeline_of(str(finished.recipe), ["train.epochs=2"], image="segline:gpu", resources=[])
    (document, *_) = yaml.safe_load_all(compile_pipeline(pipeline, engine))
    values = {run: "run-1", reference % "recipe": str(finished.recipe), reference % "train_epochs": "3"}
    for words in commands(engine, document):
        for name, value in values.items():
            words = [word.replace(name, value) for word in words]
        assert main(words) == 0, words
    workspace = Workspace(tmp_path / "work")
    (made,) = history.runs(workspace)
    assert list(made.artifacts) == [*STEP_NAMES] and made.served == ["serving/net/1"] and "run-1" in made.id
    assert RunFolder(workspace.run(made.id)).recipe().train.epochs == 3


def test_argo_s_own_models_take_every_field(recipe: Path) -> None:
    """Hera's models are made of the schema that Argo publishes; a field that they do not know is lost on the way."""
    models = pytest.importorskip("hera.workflows.models", reason="hera is not installed (segline[deploy])")
    for document in documents(recipe, "argo"):
        read = getattr(models, document["kind"]).model_validate(document)
        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == document


def test_kubeflow_s_messages_take_every_field(recipe: Path) -> None:
    """kfp-pipeline-spec holds the messages of the engine; an unknown field is an error."""
    message = pytest.importorskip(
        "kfp.pipeline_spec.pipeline_spec_pb2", reason="kfp-pipeline-spec is not installed (segline[deploy])"
    )
    from google.protobuf import json_format

    spec = json_format.ParseDict(documents(recipe, "kfp")[0], message.PipelineSpec())
    assert list(spec.root.dag.tasks["gate"].dependent_tasks) == ["evaluate"]


LOAD = """
import sys, yaml
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2
pipeline = components.load_component_from_file(sys.argv[1])
assert list(pipeline.component_spec.inputs) == ["recipe", "train_epochs", "data_manual_dir", "slot"]
_, platform = yaml.safe_load_all(open(sys.argv[1]))
for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
    json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
print(pipeline.name)
"""


@pytest.mark.slow
def test_kfp_loads_the_pipeline(recipe: Path, tmp_path: Path) -> None:
    python = os.environ.get("SEGLINE_TEST_KFP")
    if not python:
        pytest.skip("SEGLINE_TEST_KFP names no Python with kfp and kfp-kubernetes")
    file = tmp_path / "pipeline.yaml"
    file.write_text(compiled(recipe, "kfp"))
    shown = subprocess.run([python, "-c", LOAD, str(file)], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and shown.stdout.strip() == "night-ly", shown.stderr


PARSE = """
import os, runpy, sys
from types import SimpleNamespace as Some
from airflow.sdk.exceptions import AirflowException, AirflowFailException
code = runpy.run_path(sys.argv[1])
tasks, kind = code["tasks"], {"local": "SeglineProcess", "kubernetes": "SeglinePod"}[code["ON"]]
assert {type(task).__name__ for task in tasks.values()} == {kind}
assert {name for name, task in tasks.items() if task.pool == "segline_gpu"} == {"train", "evaluate"}
assert tasks["train"].pool_slots == 8 and tasks["gate"].upstream_task_ids == {"evaluate"}
assert [asset.name for asset in tasks["export"].outlets] == ["segline_serving_Night_ly"]
assert tasks["train"].task_group.group_id == "segline" and tasks["train"].dag.params["train_epochs"] == "3"
if kind == "SeglinePod":
    made = tasks["train"].build_pod_request_obj()
    (container,) = made.spec.containers
    assert container.resources.limits["nvidia.com/gpu"] == "8" and container.args == tasks["train"].arguments
    assert made.spec.service_account_name == "segline" and made.spec.security_context.run_as_non_root
    ended = Some(exit_code=3, message=None, reason="Error")
    status = Some(name="base", state=Some(terminated=ended, waiting=None), last_state=None)
    lost = Some(status=Some(phase="Failed", container_statuses=[status]), metadata=Some(name="a", namespace="b"))
    lost.spec = Some(containers=[Some(name="base")])
    train = tasks["train"]
    train.log_events_on_failure = False
    train.process_pod_deletion = train.patch_already_checked = train.is_istio_enabled = lambda *_, **__: None
    for number, error in ((3, AirflowFailException), (1, AirflowException)):
        ended.exit_code = number
        try:
            train.cleanup(lost, lost)
        except AirflowException as raised:
            assert type(raised) is error, (number, raised)
"""

KUBERNETES = {
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "users": [{"name": "u", "user": {}}],
    "current-context": "c",
}


@pytest.mark.slow
@pytest.mark.parametrize("on", ["local", "kubernetes"])
def test_airflow_parses_the_dag(recipe: Path, tmp_path: Path, on: str) -> None:
    airflow = os.environ.get("SEGLINE_TEST_AIRFLOW")
    if not airflow:
        pytest.skip("SEGLINE_TEST_AIRFLOW names no `airflow` command")
    (tmp_path / "dag.py").write_text(compiled(recipe, "airflow"))
    (tmp_path / "kube.json").write_text(json.dumps(KUBERNETES))
    environment = {"AIRFLOW_HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "kube.json"), "SEGLINE_ON": on}
    python = Path(airflow).with_name("python")
    if on == "kubernetes" and subprocess.run([python, "-c", "import airflow.providers.cncf.kubernetes"]).returncode:
        pytest.skip("the provider cncf.kubernetes is not installed there")
    shown = subprocess.run(
        [python, "-c", PARSE, str(tmp_path / "dag.py")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout[-2000:] + shown.stderr[-2000:]
