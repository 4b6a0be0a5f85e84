"""Argo Workflows: a WorkflowTemplate, and a CronWorkflow that starts it where the recipe has a schedule.

The fields are those of argoproj.io/v1alpha1 (api/jsonschema/schema.json of argo-workflows, version 3.6 and later).
"""

from pipeline.engines.pod import (
    GRACE_SECONDS,
    LABELS,
    POD_SECURITY,
    TOLERATIONS,
    VOLUMES,
    Json,
    container,
    label,
    limits,
)
from pipeline.engines.tasks import FINAL, SLOT, Pipeline, Task

API = "argoproj.io/v1alpha1"
ENTRY = "steps"
SCHEDULED_TIME = "{{workflow.scheduledTime}}"
"""Argo's name for the moment of a CronWorkflow's run, in RFC 3339."""


def documents(pipeline: Pipeline) -> list[Json]:
    """Return the YAML documents for `kubectl apply` or `argo template create`."""
    name = label(pipeline.name)
    dag = [
        {"name": task.step, "template": task.step} | ({"depends": " && ".join(task.after)} if task.after else {})
        for task in pipeline.tasks
    ]
    parameters = pipeline.parameters(pipeline.recipe_in_container)
    spec: Json = {
        "entrypoint": ENTRY,
        "serviceAccountName": "segline-argo",
        "arguments": {"parameters": [{"name": key, "value": value} for key, value in parameters.items()]},
        "podMetadata": {"labels": LABELS},
        "securityContext": POD_SECURITY,
        "podSpecPatch": f'{{"terminationGracePeriodSeconds": {GRACE_SECONDS}}}',
        "volumes": VOLUMES,
        "templates": [{"name": ENTRY, "dag": {"tasks": dag}}, *(_template(pipeline, task) for task in pipeline.tasks)],
    }
    return [{**_head("WorkflowTemplate", name), "spec": spec}, *_scheduled(pipeline, name)]


def _template(pipeline: Pipeline, task: Task) -> Json:
    final = ", ".join(map(str, FINAL))
    arguments = pipeline.arguments(task.step, "{{workflow.name}}", "{{{{workflow.parameters.{}}}}}".format)
    return {
        "name": task.step,
        "retryStrategy": {
            "limit": str(pipeline.retries),
            "retryPolicy": "Always",  # a lost or preempted pod is an error, which has no exit code
            "expression": f"lastRetry.status == 'Error' || !(asInt(lastRetry.exitCode) in [{final}])",
            # Without maxDuration, which counts from the first attempt's start: no long training would be tried again.
            "backoff": {"duration": f"{pipeline.retry_seconds}s", "factor": "2"},
        },
        **({"tolerations": TOLERATIONS} if task.resources.gpus else {}),
        "container": {**container(pipeline.image), "args": arguments, "resources": limits(task.resources)},
    }


def _scheduled(pipeline: Pipeline, name: str) -> list[Json]:
    schedule = pipeline.schedule
    if schedule is None:
        return []
    arguments = {"arguments": {"parameters": [{"name": SLOT, "value": SCHEDULED_TIME}]}} if pipeline.has_slot else {}
    spec = {
        "schedules": [schedule.cron],
        "timezone": schedule.timezone,
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": int(schedule.grace_seconds),
        "workflowSpec": {"workflowTemplateRef": {"name": name}, **arguments},
    }
    return [{**_head("CronWorkflow", name), "spec": spec}]


def _head(kind: str, name: str) -> Json:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "labels": LABELS}}
