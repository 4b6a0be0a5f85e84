"""A DAG for Airflow 3: the steps of a recipe, one task each, all of one run.

Copy it into Airflow's folder of DAGs, and set in the workers' environment:
    SEGLINE             command of Segline, in an environment of its own (default: segline)
    SEGLINE_RECIPE      a recipe's name or file (default: demo)
    SEGLINE_WORKSPACE   absolute path that every worker sees
    SEGLINE_RAW         folder with the raw files; leave it out where the recipe names it

Airflow decides when and where; what was done stands in Segline's store. A task that is run again reuses what is done,
so that retries, cleared tasks and backfills cost nothing twice.
"""

import os
import shlex
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

STEPS = ("ingest", "validate", "train", "evaluate", "export")

CANNOT_PASS = {2: "something the user has to put right", 3: "the gate did not pass"}
"""Exit codes of Segline after which another attempt would end the same way."""


class SeglineStep(BaseOperator):
    """Runs `segline step`; its result is folders in the workspace, and nothing passes through Airflow."""

    template_fields = ("run_name",)

    def __init__(self, *, step: str, run_name: str, **arguments: Any) -> None:
        super().__init__(task_id=step, **arguments)
        self.step, self.run_name = step, run_name
        self._process = SubprocessHook()

    def execute(self, context: Any) -> None:
        """Run the step and wait for it."""
        command = [*shlex.split(os.environ.get("SEGLINE", "segline")), "step", self.step]
        command += [os.environ.get("SEGLINE_RECIPE", "demo"), "--run", self.run_name]
        if raw := os.environ.get("SEGLINE_RAW"):
            command += ["--set", f"data.manual_dir={raw}"]
        code = self._process.run_command(command, env={**os.environ}).exit_code
        if code in CANNOT_PASS:
            raise AirflowFailException(f"exit code {code}: {CANNOT_PASS[code]}")
        if code:
            raise AirflowException(f"exit code {code}")

    def on_kill(self) -> None:
        """Pass on that the task is to end: a training writes its checkpoint and goes on from it next time."""
        self._process.send_sigterm()


with DAG(
    dag_id="segline_nightly",
    schedule="30 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
    tags=["segline"],
    doc_md=__doc__,
):
    before = None
    for name in STEPS:
        # Airflow's own name of the run, without the signs that Segline does not take into a folder's name.
        task = SeglineStep(step=name, run_name="{{ run_id | replace(':', '') | replace('+', '-') }}")
        if before is not None:
            before >> task
        before = task
