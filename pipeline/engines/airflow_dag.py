"""Airflow 3: a DAG, made of the code in dag_template.txt and what is particular to the recipe, as constants."""

import pprint
from pathlib import Path
from string import Template
from typing import Any

from pipeline.config.step_names import EXPORT
from pipeline.engines.pod import GRACE_SECONDS, LABELS, POD_SECURITY, TOLERATIONS, VOLUMES, container, limits
from pipeline.engines.tasks import FINAL, LONGEST_WAIT, RECIPE, SLOT, Pipeline, Task

TEMPLATE = Path(__file__).with_name("dag_template.txt")

CONTAINER = "base"
"""Name of the container whose exit code Airflow's operator takes."""

RUN = "{{ dag.dag_id }}-{{ run_id | replace(':', '') | replace('+', '-') }}"
"""Airflow's own name of the run, without the characters that Segline does not allow in the name of a folder."""


def text(pipeline: Pipeline) -> str:
    """Return the DAG's source. It imports Airflow, and nothing of Segline."""
    constants = "\n".join(_assignment(name, value) for name, value in _constants(pipeline).items())
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(name=pipeline.name, constants=constants)


def _constants(pipeline: Pipeline) -> dict[str, Any]:
    schedule = pipeline.schedule
    return {
        "DAG_ID": pipeline.name,
        "RECIPE": {"local": str(pipeline.file or pipeline.name), "kubernetes": pipeline.recipe_in_container},
        "SETTINGS": {name: value for name, value in pipeline.parameters("").items() if name != RECIPE},
        "CRON": schedule and schedule.cron,
        "TIMEZONE": schedule.timezone if schedule else "UTC",
        "CATCH_UP": schedule is not None and schedule.catch_up == "all",
        "RETRIES": {"attempts": pipeline.retries, "seconds": pipeline.retry_seconds, "longest": LONGEST_WAIT},
        "FINAL": FINAL,
        "GRACE_SECONDS": GRACE_SECONDS,
        "LABELS": LABELS,
        "POD": {
            "serviceAccountName": "segline",
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": POD_SECURITY,
            "volumes": VOLUMES,
        },
        "CONTAINER": {"name": CONTAINER, **container(pipeline.image)},
        "TASKS": {task.step: _task(pipeline, task) for task in pipeline.tasks},
    }


def _task(pipeline: Pipeline, task: Task) -> dict[str, Any]:
    gpus = task.resources.gpus
    return {
        "after": list(task.after),
        "gpus": gpus,
        "resources": limits(task.resources),
        "tolerations": TOLERATIONS if gpus else [],
        "outlet": f"segline_serving_{pipeline.served}" if task.step == EXPORT else f"{pipeline.name}_{task.step}",
        "arguments": pipeline.arguments(task.step, RUN, _reference),
    }


def _reference(name: str) -> str:
    """Return how a task writes the value of a parameter. `slot` is the logical date where nobody sets another."""
    if name == SLOT:  # a run that an asset started has no logical date
        return "{{ params['slot'] or (logical_date or dag_run.run_after).isoformat() }}"
    return f"{{{{ params['{name}'] }}}}"


def _assignment(name: str, value: Any) -> str:
    literal = pprint.pformat(value, width=116 - len(name), sort_dicts=False)
    return f"{name} = {literal}".replace("\n", "\n" + " " * len(f"{name} = "))
