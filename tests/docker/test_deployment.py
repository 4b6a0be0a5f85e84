"""docker/: the lock files, the image, the manifests. Tests skip if a tool that they need is not installed."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cluster import members
from pipeline.engines import pod, tasks

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


OVERLAYS = sorted(path.parent.name for path in (DOCKER / "kubernetes/overlays").glob("*/kustomization.yaml"))
KINDS = {"one-gpu": "Job", "eight-gpus": "Job", "workers": "JobSet", "nightly": "CronJob"}
"""Overlay -> what it runs; the overlay argo runs nothing itself."""


@functools.cache
def built(overlay: str) -> list[dict[str, Any]]:
    """Return what `kubectl kustomize` makes of an overlay, or of a folder of a test's own."""
    folder = overlay if overlay.startswith("/") else str(DOCKER / "kubernetes/overlays" / overlay)
    shown = subprocess.run([tool("kubectl"), "kustomize", folder], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    return list(yaml.safe_load_all(shown.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, Any]:
    (document,) = (one for one in built(overlay) if one["kind"] == kind)
    return document


def job(overlay: str) -> dict[str, Any]:
    """Return the spec of the Job that an overlay makes, or that its JobSet or CronJob does."""
    spec: dict[str, Any] = of_kind(overlay, KINDS[overlay])["spec"]
    if KINDS[overlay] == "JobSet":
        (replicated,) = spec["replicatedJobs"]
        return dict(replicated["template"]["spec"])
    return dict(spec["jobTemplate"]["spec"] if KINDS[overlay] == "CronJob" else spec)


def container_of(overlay: str) -> dict[str, Any]:
    (container,) = job(overlay)["template"]["spec"]["containers"]
    return dict(container)


def environment_of(overlay: str) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container_of(overlay)["env"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_manifests_fit_the_published_schemas(overlay: str) -> None:
    validator = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate is not installed (segline[deploy])"
    )
    for manifest in built(overlay):
        if manifest["kind"] == "JobSet":  # no part of Kubernetes: its own fields are tested below
            manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": job(overlay)}
        validator.validate(manifest, "1.31", strict=True)


def test_every_overlay_says_what_it_runs() -> None:
    assert set(OVERLAYS) == {*KINDS, "argo"}


@pytest.mark.parametrize("overlay", KINDS)
def test_pods_have_no_needless_rights_and_what_compiled_pipelines_have(overlay: str) -> None:
    spec, container = job(overlay)["template"]["spec"], container_of(overlay)
    assert spec["securityContext"] == pod.POD_SECURITY and spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == pod.CONTAINER_SECURITY and container["volumeMounts"] == pod.MOUNTS
    assert environment_of(overlay).items() >= pod.ENVIRONMENT.items() and container["envFrom"] == pod.SECRETS
    assert spec["terminationGracePeriodSeconds"] == pod.GRACE_SECONDS and "memory" in container["resources"]["limits"]
    if overlay != "eight-gpus":  # whose /dev/shm is larger
        assert spec["volumes"] == pod.VOLUMES
    assert spec["serviceAccountName"] == of_kind(overlay, "ServiceAccount")["metadata"]["name"] == "segline"
    claims = {one["metadata"]["name"]: one["spec"] for one in built(overlay) if one["kind"] == "PersistentVolumeClaim"}
    mounted = [volume["persistentVolumeClaim"] for volume in spec["volumes"] if "persistentVolumeClaim" in volume]
    assert {claim["claimName"] for claim in mounted} == set(claims)
    assert claims["segline-work"]["accessModes"] == ["ReadWriteMany"] and claims["segline-work"]["storageClassName"]
    assert "nightly.yaml" in of_kind(overlay, "ConfigMap")["data"]


@pytest.mark.parametrize("overlay", KINDS)
def test_only_segline_s_pods_reach_each_other(overlay: str) -> None:
    policy = of_kind(overlay, "NetworkPolicy")["spec"]
    labels = job(overlay)["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items() and policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"from": [{"podSelector": policy["podSelector"]}]}]


@pytest.mark.parametrize("overlay", KINDS)
def test_exit_codes_that_cannot_pass_end_a_job_and_preemption_does_not_count(overlay: str) -> None:
    spec = job(overlay)
    preempted, final = spec["podFailurePolicy"]["rules"]
    assert preempted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert final["action"] == "FailJob" and final["onExitCodes"]["containerName"] == container_of(overlay)["name"]
    assert set(tasks.FINAL) <= set(final["onExitCodes"]["values"])
    assert spec["template"]["spec"]["restartPolicy"] == "Never", "as podFailurePolicy asks"
    if KINDS[overlay] != "JobSet":
        assert preempted["action"] == "Ignore" and set(tasks.FINAL) <= set(final["onExitCodes"]["values"])
        return
    # A worker alone cannot be replaced: its Job fails, and the JobSet decides by the Job's reason and message.
    assert preempted["action"] == "FailJob" and spec["backoffLimit"] == 0
    lost, ended = of_kind(overlay, "JobSet")["spec"]["failurePolicy"]["rules"]
    assert lost["action"] == "RestartJobSetAndIgnoreMaxRestarts" and ended["action"] == "FailJobSet"
    assert lost["onJobFailureReasons"] == ended["onJobFailureReasons"] == ["PodFailurePolicy"]
    messages = "Pod a/b has condition DisruptionTarget matching FailJob rule at index 0", "failed with exit code 2"
    (pattern,) = lost["onJobFailureMessagePatterns"]
    assert [bool(re.match(pattern, message)) for message in messages] == [True, False]


@pytest.mark.parametrize("overlay, gpus", [("one-gpu", "1"), ("eight-gpus", "8"), ("workers", "1")])
def test_gpus_memory_between_them_and_tolerations(overlay: str, gpus: str) -> None:
    spec = job(overlay)["template"]["spec"]
    assert container_of(overlay)["resources"]["limits"]["nvidia.com/gpu"] == gpus
    assert container_of(overlay)["image"] == "segline:gpu" and spec["tolerations"] == pod.TOLERATIONS
    (shm,) = (volume["emptyDir"] for volume in spec["volumes"] if volume["name"] == "shm")
    assert shm["medium"] == "Memory"
    assert ("NCCL_DEBUG" in environment_of(overlay)) == (overlay != "one-gpu")


def test_the_job_set_has_fields_of_its_own_schema_only() -> None:
    """The classes are made of JobSet's OpenAPI; a field that they do not know is lost on the way."""
    models = pytest.importorskip(
        "kubeflow_trainer_api.models", reason="kubeflow-trainer-api is not installed (segline[deploy])"
    )
    job_set = of_kind("workers", "JobSet")
    assert models.JobsetV1alpha2JobSet.from_dict(job_set).to_dict() == job_set


def test_the_job_set_names_as_many_workers_as_it_starts() -> None:
    job_set, spec, workers = of_kind("workers", "JobSet"), job("workers"), list[str]()
    assert job_set["spec"]["network"] == {"enableDNSHostnames": True, "publishNotReadyAddresses": True}
    (replicated,) = job_set["spec"]["replicatedJobs"]
    assert replicated["replicas"] == 1
    for index in range(spec["completions"]):
        cluster = members.read({**environment_of("workers"), "JOB_COMPLETION_INDEX": str(index)})
        assert cluster and cluster.index == index and cluster.is_chief == (index == 0)
        workers = list(cluster.workers)
    name = job_set["metadata"]["name"]
    expected = [f"{name}-{replicated['name']}-0-{index}.{name}:2222" for index in range(spec["completions"])]
    assert workers == expected and spec["parallelism"] == spec["completions"] and spec["completionMode"] == "Indexed"
    assert "train.strategy=multi_worker" in container_of("workers")["args"]


@pytest.mark.parametrize("overlay", KINDS)
def test_the_queue_holds_jobs_until_there_is_room(overlay: str, tmp_path: Path) -> None:
    relative = os.path.relpath(DOCKER / "kubernetes", tmp_path)
    text = {"resources": [f"{relative}/overlays/{overlay}"], "components": [f"{relative}/components/queue"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(text))
    queued = of_kind(str(tmp_path), KINDS[overlay])
    head = queued["spec"]["jobTemplate"] if overlay == "nightly" else queued
    assert head["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "segline"


def test_argo_s_account_may_report_and_nothing_else() -> None:
    role, binding = of_kind("argo", "Role"), of_kind("argo", "RoleBinding")
    assert role["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
    ]
    assert [subject["name"] for subject in binding["subjects"]] == ["segline-argo"]


def test_the_recipe_loads_and_fits_the_cronjob() -> None:
    from pipeline.orchestration.recipe_loader import load_recipe

    folder, name = DOCKER / "recipes", "nightly.yaml"
    assert {path.name for path in folder.iterdir()} == {name, "kustomization.yaml"}
    assert set(of_kind("nightly", "ConfigMap")["data"]) == {name}
    schedule, cronjob = load_recipe(str(folder / name)).schedule, of_kind("nightly", "CronJob")["spec"]
    assert schedule and (schedule.cron, schedule.timezone) == (cronjob["schedule"], cronjob["timeZone"])


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
