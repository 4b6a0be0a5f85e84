#!/bin/sh
# Run the DAG once on sample data with `airflow dags test`, in an environment of its own:
#   docker/airflow/check.sh                              installs Airflow into a temporary folder (some minutes)
#   AIRFLOW=/opt/airflow/bin/airflow docker/airflow/check.sh     uses an installed one
# PYTHON is a Python with Segline's libraries (default: the clone's .venv).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
clone=$(dirname -- "$(dirname -- "$here")")
python=${PYTHON:-$clone/.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -z "${AIRFLOW:-}" ]; then
    python3 -m venv "$work/airflow"
    "$work/airflow/bin/pip" install --quiet --disable-pip-version-check 'apache-airflow>=3,<4'
    AIRFLOW=$work/airflow/bin/airflow
fi

export PYTHONPATH="$clone" SEGLINE="$python -P -m pipeline"
$SEGLINE sample camvid --out "$work/camvid" --count 14 --seed 3
export SEGLINE_RECIPE="$clone/tests/tiny.yaml" SEGLINE_RAW="$work/camvid" SEGLINE_WORKSPACE="$work/workspace"

# Airflow has its own packages and must not see ours; the DAG only calls the command.
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$here"
export SEGLINE="env PYTHONPATH=$clone $SEGLINE"
unset PYTHONPATH
"$AIRFLOW" db migrate >/dev/null 2>&1
"$AIRFLOW" dags test segline_nightly 2026-07-05 >"$work/log" 2>&1 || { tail -60 "$work/log"; exit 1; }
grep -E "Marking run .* successful|DagRun .*success" "$work/log" | tail -1
$SEGLINE status
test -f "$work/workspace/serving/tiny/1/saved_model.pb"
