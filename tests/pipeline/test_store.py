"""The store: several processes at once, an older and a newer file."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store import VERSION, Store

PROJECT = Path(__file__).parents[2]
WRITE = """
import sys
from pathlib import Path
from pipeline.store import Store
store = Store(Path(sys.argv[1]))
run = sys.argv[2]
store.begin_run(run, "recipe", "command", "code", "running")
for number in range(40):
    execution = store.begin(run, "ingest", "why", "key", "{}")
    store.link(execution, "input", "raw", "raw", "/raw", "digest")
    store.link(execution, "output", "ingest", "ingest", f"artifacts/{run}/{number}", "digest")
    store.end(execution, "done")
store.end_run(run, "done")
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(path), f"run{number}"], cwd=PROJECT) for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    store = Store(path)
    assert sorted(run["id"] for run in store.runs(9)) == ["run0", "run1", "run2", "run3"]
    assert all(len(store.executions(f"run{number}")) == 40 for number in range(4))
    artifact = store.artifact("artifacts/run2/39")
    assert artifact
    producer = store.producer(artifact["id"])
    assert producer and producer["run"] == "run2"
    assert [row["uri"] for row in store.inputs(producer["id"])] == ["/raw"]
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_fingerprint_of_the_same_recipe_is_preferred(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    for recipe in ("mine", "other"):
        store.begin_run(recipe, recipe, "", "", "running")
        store.end(store.begin(recipe, "train", "", "", f'{{"of": "{recipe}"}}'), "done")
    failed = store.begin("mine", "train", "", "", '{"of": "failed"}')
    store.end(failed, "failed")
    assert store.last_fingerprint("train", "mine") == {"of": "mine"}
    assert store.last_fingerprint("train", "third") == {"of": "other"}
    assert store.last_fingerprint("export", "mine") is None


def test_a_store_of_a_newer_segline_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(sqlite3.DatabaseError, match="newer Segline"):
        Store(path)
