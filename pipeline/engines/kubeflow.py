"""Kubeflow Pipelines v2: a PipelineSpec, and its platform's part with volumes and tolerations.

The fields are those of pipeline_spec.proto and kubernetes_executor_config.proto of github.com/kubeflow/pipelines.
Kubeflow tries again after every exit code, so that an error of the user's is tried `retries` times too.
"""

from pipeline.engines.pod import ACCELERATOR, COMMAND, ENVIRONMENT, LABELS, MOUNTS, TOLERATIONS, VOLUMES, Json, label
from pipeline.engines.tasks import RECIPE, SLOT, Pipeline, Resources, Task

RUN = "run"
RUN_ID = "{{$.pipeline_job_uuid}}"
"""Kubeflow's name for its run; it stands alone in a task's parameter, which the task's arguments refer to."""

MAX_BACKOFF_SECONDS = 3600
"""Kubeflow's own limit of a wait between two attempts."""


def documents(pipeline: Pipeline) -> list[Json]:
    """Return the YAML documents, which are uploaded as one file."""
    parameters = pipeline.parameters(pipeline.recipe_in_container)
    definitions = {name: {"parameterType": "STRING"} for name in (*parameters, RUN)}
    spec: Json = {
        "pipelineInfo": {"name": label(pipeline.name), "description": f"Recipe {pipeline.name} of Segline."},
        "schemaVersion": "2.1.0",
        "sdkVersion": "segline",
        "root": {
            "inputDefinitions": {
                "parameters": {
                    name: {**definitions[name], "defaultValue": value, "isOptional": True}
                    for name, value in parameters.items()
                }
            },
            "dag": {"tasks": {task.step: _task(pipeline, task, list(parameters)) for task in pipeline.tasks}},
        },
        "components": {
            _component(task): {
                "executorLabel": _executor(task),
                "inputDefinitions": {"parameters": definitions},
            }
            for task in pipeline.tasks
        },
        "deploymentSpec": {"executors": {_executor(task): _container(pipeline, task) for task in pipeline.tasks}},
    }
    executors = {_executor(task): _platform(task) for task in pipeline.tasks}
    return [spec, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}]


def _task(pipeline: Pipeline, task: Task, parameters: list[str]) -> Json:
    inputs: Json = {name: {"componentInputParameter": name} for name in parameters}
    return {
        "taskInfo": {"name": task.step},
        "componentRef": {"name": _component(task)},
        **({"dependentTasks": list(task.after)} if task.after else {}),
        "inputs": {"parameters": inputs | {RUN: {"runtimeValue": {"constant": RUN_ID}}}},
        "cachingOptions": {},  # none: Segline knows itself what can be reused
        "retryPolicy": {
            "maxRetryCount": pipeline.retries,
            "backoffDuration": f"{pipeline.retry_seconds}s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": f"{MAX_BACKOFF_SECONDS}s",
        },
    }


def _container(pipeline: Pipeline, task: Task) -> Json:
    def reference(name: str) -> str:
        return f"{{{{$.inputs.parameters['{name}']}}}}"

    return {
        "container": {
            "image": pipeline.image,
            "command": COMMAND,
            "args": pipeline.arguments(task.step, f"{label(pipeline.name)}-{reference(RUN)}", reference),
            "env": [{"name": name, "value": value} for name, value in ENVIRONMENT.items()],
            "resources": _resources(task.resources),
        }
    }


def _resources(resources: Resources) -> Json:
    accelerator = {"resourceType": ACCELERATOR, "resourceCount": str(resources.gpus)}
    return {
        "resourceCpuRequest": str(resources.cpu),
        "resourceMemoryRequest": resources.memory,
        "resourceMemoryLimit": resources.memory,
        **({"accelerator": accelerator} if resources.gpus else {}),
    }


def _platform(task: Task) -> Json:
    """Return the volumes of pod.py in Kubeflow's own words, and the tolerations."""
    paths = {mount["name"]: mount["mountPath"] for mount in MOUNTS}
    config: Json = {"podMetadata": {"labels": LABELS}, "pvcMount": [], "configMapAsVolume": [], "emptyDirMounts": []}
    for volume in VOLUMES:
        path = {"mountPath": paths[volume["name"]]}
        if claim := volume.get("persistentVolumeClaim"):
            config["pvcMount"].append({"constant": claim["claimName"], **path})
        elif files := volume.get("configMap"):
            config["configMapAsVolume"].append({"configMapName": files["name"], "optional": True, **path})
        else:
            config["emptyDirMounts"].append({"volumeName": volume["name"], **path, **volume["emptyDir"]})
    return config | ({"tolerations": TOLERATIONS} if task.resources.gpus else {})


def _component(task: Task) -> str:
    return f"comp-{task.step}"


def _executor(task: Task) -> str:
    return f"exec-{task.step}"


assert RUN not in (RECIPE, SLOT)
