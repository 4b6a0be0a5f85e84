"""docker/: the lock files, the image, the manifests. What needs a tool that is not here is skipped, with the reason."""

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
    """Path of a program, beside Python or on the PATH."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("flavor", ["cpu", "gpu"])
def test_the_lock_files_pin_what_setup_py_asks_for(flavor: str) -> None:
    block = re.search(r"REQUIRES = \[(.*?)\n\]", (PROJECT / "setup.py").read_text(), re.DOTALL)
    assert block
    asked = {name.lower().replace("_", "-") for name in re.findall(r'^ +"([\w.-]+)', block.group(1), re.MULTILINE)}
    text = (DOCKER / f"requirements-{flavor}.lock").read_text()
    pinned = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    assert len(asked) > 10
    assert asked <= pinned, f"./run lock, for {', '.join(sorted(asked - pinned))}"
    assert text.count("--hash=sha256:") >= len(pinned)
    assert ("nvidia-cudnn-cu12" in pinned) == (flavor == "gpu")


def test_the_dockerfile_is_clean() -> None:
    subprocess.run([tool("hadolint"), str(DOCKER / "Dockerfile")], check=True)


def test_every_image_runs_as_nobody_in_particular_and_pins_what_it_is_made_from() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert set(stages) <= {"${PYTHON_IMAGE}", *re.findall(r" AS (\S+)", text)}
    assert re.search(r"PYTHON_IMAGE=\S+:3\.\d+\.\d+-", text)
    for target in ("gpu", "cpu"):
        body = text.split(f"AS {target}\n")[1].split("\nFROM")[0]
        assert "USER 10001:10001" in body
    assert text.rstrip().endswith("USER 10001:10001"), "the last stage is what `docker build` makes"


def test_a_run_in_an_image_names_the_commit_that_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.workspace import run_folder

    monkeypatch.setenv("SEGLINE_REVISION", "0123abc")
    assert run_folder.code_version() == "git 0123abc"
    assert "ENV SEGLINE_REVISION=$REVISION" in (DOCKER / "Dockerfile").read_text()


def test_compose_is_what_docker_publishes() -> None:
    """check-jsonschema brings the schema of the Compose Specification."""
    subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DOCKER / "compose.yaml")], check=True
    )


def test_compose_services_are_held_tight() -> None:
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    assert {"trainer", "scheduler", "worker-0", "worker-1", "tensorboard", "serving"} == set(services)
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert ":" in service["image"].rpartition("/")[2], name


def manifests() -> list[Path]:
    return sorted((DOCKER / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.name)
def test_the_manifests_are_what_kubernetes_publishes(path: Path) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (segline[deploy])"
    )
    for manifest in yaml.safe_load_all(path.read_text()):
        validator.validate(manifest, "1.31", strict=True)


def pod(kind: str) -> dict:  # type: ignore[type-arg]
    found = [found for path in manifests() for found in yaml.safe_load_all(path.read_text())]
    spec = next(manifest for manifest in found if manifest["kind"] == kind)["spec"]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]["spec"]


@pytest.mark.parametrize("kind", ["CronJob", "Job"])
def test_pods_have_no_more_rights_than_they_need(kind: str) -> None:
    found = pod(kind)
    assert found["securityContext"]["runAsNonRoot"] and found["automountServiceAccountToken"] is False
    (container,) = found["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in found["volumes"]}


def test_the_training_job_names_as_many_workers_as_it_starts() -> None:
    documents = list(yaml.safe_load_all((DOCKER / "kubernetes" / "training.yaml").read_text()))
    service, job = documents
    (container,) = pod("Job")["containers"]
    workers = next(entry["value"] for entry in container["env"] if entry["name"] == "SEGLINE_WORKERS").split(",")
    assert len(workers) == job["spec"]["completions"] == job["spec"]["parallelism"]
    names = [f"{job['metadata']['name']}-{index}.{service['metadata']['name']}" for index in range(len(workers))]
    assert [worker.split(":")[0] for worker in workers] == names


@pytest.mark.parametrize("path", sorted((DOCKER / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_the_recipes_are_right_and_go_with_the_cronjob(path: Path) -> None:
    from pipeline.config import recipe_file

    schedule = recipe_file.load(str(path)).schedule
    cronjob = yaml.safe_load((DOCKER / "kubernetes" / "cronjob.yaml").read_text())["spec"]
    assert schedule and (schedule.cron, schedule.timezone) == (cronjob["schedule"], cronjob["timeZone"])


@pytest.mark.slow
def test_airflow_runs_the_dag() -> None:
    """Takes 2 minutes with an Airflow that is there; `docker/airflow/check.sh` installs one."""
    airflow = os.environ.get("SEGLINE_TEST_AIRFLOW")
    if not airflow:
        pytest.skip("SEGLINE_TEST_AIRFLOW names no `airflow` command")
    environment = {**os.environ, "AIRFLOW": airflow, "PYTHON": sys.executable}
    shown = subprocess.run([DOCKER / "airflow" / "check.sh"], env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-1000:]


@pytest.mark.slow
def test_the_image_is_built_and_runs_a_recipe() -> None:
    """Takes some 10 minutes and 6 GB; needs buildah, and a Python image under the name that is given."""
    base = os.environ.get("SEGLINE_TEST_PYTHON_IMAGE")
    if not base:
        pytest.skip("SEGLINE_TEST_PYTHON_IMAGE names no image to build from")
    environment = {**os.environ, "BUILDAH": tool("buildah"), "PYTHON_IMAGE": base}
    shown = subprocess.run([DOCKER / "check.sh"], env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-4000:]
