"""docker/: the lock files, the image, the manifests. Tests skip if a tool that they need is not installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
DOCKER = PROJECT / "docker"


def tool(name: str) -> str:
    """Return the path of a program, beside Python or on the PATH; skip the test without it."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not path:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.mark.parametrize("flavor", ["cpu", "gpu"])
def test_the_lock_files_pin_what_setup_py_requires(flavor: str) -> None:
    block = re.search(r"REQUIRES = \[(.*?)\n\]", (PROJECT / "setup.py").read_text(), re.DOTALL)
    assert block
    required = {name.lower().replace("_", "-") for name in re.findall(r'^ +"([\w.-]+)', block.group(1), re.MULTILINE)}
    text = (DOCKER / f"requirements-{flavor}.lock").read_text()
    pinned = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    assert len(required) > 10
    assert required <= pinned, f"./run lock, for {', '.join(sorted(required - pinned))}"
    assert text.count("--hash=sha256:") >= len(pinned)
    assert ("nvidia-cudnn-cu12" in pinned) == (flavor == "gpu")


def test_the_dockerfile_passes_hadolint() -> None:
    subprocess.run([tool("hadolint"), str(DOCKER / "Dockerfile")], check=True)


def test_every_image_runs_as_an_unprivileged_user_and_pins_its_base() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(stages) <= {"${PYTHON_IMAGE}", *re.findall(r" AS (\S+)", text)}
    assert re.search(r"PYTHON_IMAGE=\S+:3\.\d+\.\d+-", text)
    for target in ("gpu", "cpu"):
        body = text.split(f"AS {target}\n")[1].split("\nFROM")[0]
        assert "USER 10001:10001" in body
    assert text.rstrip().endswith("USER 10001:10001"), "`docker build` makes the last stage"


def test_a_run_in_an_image_records_the_commit_of_its_build(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.workspace import run_folder

    monkeypatch.setenv("SEGLINE_REVISION", "0123abc")
    assert run_folder.code_version() == "git 0123abc"
    assert "ENV SEGLINE_REVISION=$REVISION" in (DOCKER / "Dockerfile").read_text()


def test_the_compose_file_fits_the_published_schema() -> None:
    """check-jsonschema includes the schema of the Compose Specification."""
    subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")], check=True
    )


def test_compose_services_have_no_needless_rights() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert {"trainer", "scheduler", "worker-0", "worker-1", "tensorboard", "serving"} == set(services)
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert ":" in service["image"].rpartition("/")[2], name


def manifests() -> list[Path]:
    return sorted((DOCKER / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.name)
def test_the_manifests_fit_the_published_schemas(path: Path) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (segline[deploy])"
    )
    for manifest in yaml.safe_load_all(path.read_text()):
        validator.validate(manifest, "1.31", strict=True)


def pod(kind: str) -> dict:  # type: ignore[type-arg]
    documents = [document for path in manifests() for document in yaml.safe_load_all(path.read_text())]
    spec = next(document for document in documents if document["kind"] == kind)["spec"]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]


@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_pods_have_no_needless_rights(kind: str) -> None:
    spec = pod(kind)
    assert spec["securityContext"]["runAsNonRoot"] and spec["automountServiceAccountToken"] is False
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_the_training_job_names_as_many_workers_as_it_starts() -> None:
    documents = list(yaml.safe_load_all((DOCKER / "kubernetes" / "training.yaml").read_text()))
    service, job = documents
    (container,) = pod("Job")["containers"]
    workers = next(entry["value"] for entry in container["env"] if entry["name"] == "SEGLINE_WORKERS").split(",")
    assert len(workers) == job["spec"]["completions"] == job["spec"]["parallelism"]
    names = [f"{job['metadata']['name']}-{index}.{service['metadata']['name']}" for index in range(len(workers))]
    assert [worker.split(":")[0] for worker in workers] == names


@pytest.mark.parametrize("path", sorted((DOCKER / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_the_recipes_load_and_fit_the_cronjob(path: Path) -> None:
    from pipeline.orchestration.recipe_loader import load_recipe

    schedule = load_recipe(str(path)).schedule
    cronjob = yaml.safe_load((DOCKER / "kubernetes" / "cronjob.yaml").read_text())["spec"]
    assert schedule and (schedule.cron, schedule.timezone) == (cronjob["schedule"], cronjob["timeZone"])


def test_the_dag_has_a_task_for_every_step() -> None:
    from pipeline.config.step_names import STEP_NAMES

    source = (DOCKER / "airflow" / "segline_nightly.py").read_text()
    assert f"STEPS = {STEP_NAMES}".replace("'", '"') in source


@pytest.mark.slow
def test_airflow_runs_the_dag() -> None:
    """Takes 2 minutes with an installed Airflow; `docker/airflow/check.sh` installs one."""
    airflow = os.environ.get("SEGLINE_TEST_AIRFLOW")
    if not airflow:
        pytest.skip("SEGLINE_TEST_AIRFLOW names no `airflow` command")
    environment = {**os.environ, "AIRFLOW": airflow, "PYTHON": sys.executable}
    shown = subprocess.run([DOCKER / "airflow" / "check.sh"], env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-1000:]


@pytest.mark.slow
def test_the_image_is_built_and_runs_a_recipe() -> None:
    """Takes some 10 minutes and 6 GB; needs buildah and the Python image that the variable names."""
    base = os.environ.get("SEGLINE_TEST_PYTHON_IMAGE")
    if not base:
        pytest.skip("SEGLINE_TEST_PYTHON_IMAGE names no image to build from")
    environment = {**os.environ, "BUILDAH": tool("buildah"), "PYTHON_IMAGE": base}
    shown = subprocess.run([DOCKER / "check.sh"], env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-4000:]
