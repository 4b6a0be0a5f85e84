"""A DAG for Airflow 3: a task for each step of a recipe, all in one run.

Copy it into Airflow's folder of DAGs, and set in the workers' environment:
    SEGLINE             command of Segline, in an environment of its own (default: segline)
    SEGLINE_RECIPE      a recipe's name or file (default: demo)
    SEGLINE_WORKSPACE   absolute path that every worker sees
    SEGLINE_RAW         folder with the raw files; not needed if the recipe names it

Airflow decides when and where; Segline's store records what was done. A task that runs again reuses what is done, so
that retries, cleared tasks and backfills repeat no work.
"""

import os
import shlex
from datetime import timedelta
from typing import Any

import pendulum
from airflow.providers.standard.hooks.subprocess import SubprocessHook
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

STEPS = ("ingest", "validate", "train", "evaluate", "gate", "export")

CANNOT_PASS = {2: "an error that the user must correct", 3: "the gate did not pass"}
"""Exit codes of Segline after which another attempt would end the same way."""


class SeglineStep(BaseOperator):
    """Runs `segline step`. Its results are folders in the workspace; nothing passes through Airflow."""

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
        """Pass on the request to stop: a training writes a checkpoint, from which the next attempt resumes."""
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
        # Airflow's own name of the run, without the characters that Segline does not allow in the name of a folder.
        task = SeglineStep(step=name, run_name="{{ run_id | replace(':', '') | replace('+', '-') }}")
        if before is not None:
            before >> task
        before = task
