#!/bin/sh
# Compile a recipe to a DAG and run it once on sample data with `airflow dags test`, in an environment of its own:
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

export PYTHONPATH="$clone" SEGLINE="$python -P -m pipeline" SEGLINE_WORKSPACE="$work/workspace"
# The slot of 2026-07-05 in Berlin reads the folder of its day.
$SEGLINE sample camvid --out "$work/raw/2026-07-05" --count 14 --seed 3
cp "$clone/tests/tiny.yaml" "$work/tiny.yaml"
cat >>"$work/tiny.yaml" <<END
schedule: {cron: "30 2 * * *", timezone: Europe/Berlin, set: {data.manual_dir: $work/raw/%Y-%m-%d}}
END
$SEGLINE compile --to airflow "$work/tiny.yaml" --set train.epochs=1 --out "$work/dags/tiny.py"

# Airflow has its own packages and must not see ours; the DAG only calls the command.
export AIRFLOW_HOME="$work/home" AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER="$work/dags"
export SEGLINE="env PYTHONPATH=$clone $SEGLINE"
unset PYTHONPATH
"$AIRFLOW" db migrate >/dev/null 2>&1
"$AIRFLOW" pools set segline_gpu 1 "one slot for each GPU" >/dev/null 2>&1
"$AIRFLOW" dags test tiny 2026-07-05T00:30:00+00:00 >"$work/log" 2>&1 || { tail -60 "$work/log"; exit 1; }
grep -E "Marking run .* successful|DagRun .*success" "$work/log" | tail -1
$SEGLINE status
test -f "$work/workspace/serving/tiny/1/saved_model.pb"
grep -h "manual_dir: .*/raw/2026-07-05" "$work"/workspace/runs/*/recipe.yaml
