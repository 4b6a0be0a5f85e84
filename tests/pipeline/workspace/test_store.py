"""The store: concurrent and killed processes, older and newer schemas."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.workspace.schema import MIGRATIONS
from pipeline.workspace.store import VERSION, Store

PROJECT = Path(__file__).parents[3]
WRITE = """
import sys
from pathlib import Path
from pipeline.workspace.store import Store
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


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
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


def test_a_store_of_a_newer_segline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(UserError, match="newer Segline"):
        Store(path)


KILLED = """
import os, signal, sys, threading, time, random
from pathlib import Path
from pipeline.workspace.store import Store
random.seed(int(sys.argv[2]))
threading.Timer(random.uniform(0.05, 0.5), os.kill, (os.getpid(), signal.SIGKILL)).start()
store = Store(Path(sys.argv[1]))
for number in range(10**6):
    run = f"{sys.argv[2]}-{number}"
    store.begin_run(run, "recipe", "command", "code", "running")
    execution = store.begin(run, "train", "why", "key", "{}")
    store.link(execution, "input", "raw", "raw", "/raw", "digest")
    store.finish(execution, "train", f"artifacts/train/{run}", "digest", {"miou": 0.5})
    store.end_run(run, "done")
"""


def test_processes_killed_at_random_leave_a_sound_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    for wave in range(2):
        writers = [
            subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(8 * wave + number)], cwd=PROJECT)
            for number in range(8)
        ]
        assert {writer.wait(60) for writer in writers} == {-9}
    store = Store(path)
    assert store.damage() == []
    incomplete = (
        "SELECT * FROM executions WHERE state = 'done' AND id NOT IN (SELECT execution FROM events WHERE direction = "
    )
    assert store.rows(incomplete + "'output')") == []  # an artifact and the end of its execution are written together
    assert store.rows("SELECT * FROM events WHERE direction = 'output'") and store.live()
    store.begin_run("after", "recipe", "", "", "running")


def test_a_store_of_an_older_segline_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(MIGRATIONS[0])
        database.execute("INSERT INTO runs VALUES ('old', 'mine', 'command', 'code', 'done', 1.0, 2.0)")
        database.execute("INSERT INTO executions VALUES (1, 'old', 'train', 'done', 'why', 'k', '{}', NULL, 1.0, 2.0)")
        database.execute("INSERT INTO artifacts VALUES (1, 'train', 'artifacts/train/k', 'd', 2.0)")
        database.execute("INSERT INTO events VALUES (1, 1, 'output', 'train')")
        database.execute("PRAGMA user_version = 1")
    store = Store(path)
    assert [row["uri"] for row in store.live()] == ["artifacts/train/k"]
    assert store.rows("PRAGMA user_version") == [{"user_version": VERSION}]
    contexts = store.rows("SELECT type, name FROM contexts ORDER BY type")
    assert contexts == [{"type": "recipe", "name": "mine"}, {"type": "run", "name": "old"}]
    assert {row["context"] for row in store.rows("SELECT * FROM attributions WHERE artifact = 1")} == {"mine", "old"}


def test_slots_backfilled_by_an_older_segline_count_as_evaluated_only(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as database:
        for migration in MIGRATIONS[:3]:
            database.executescript(migration)
        for number, (run, step) in enumerate((("evaluated", "evaluate"), ("whole", "export"))):
            facts = "'done', 'why', 'k', '{}', NULL, 1.0, 2.0"
            database.execute(f"INSERT INTO executions VALUES ({number}, '{run}', '{step}', {facts})")
            columns = "schedule, slot, state, reason, run, host, started"
            database.execute(f"INSERT INTO attempts ({columns}) VALUES ('m', 1.0, 'done', '', '{run}', 'host', 1.0)")
        database.execute("PRAGMA user_version = 3")
    attempts = Store(path).rows("SELECT run, until FROM attempts ORDER BY id")
    assert attempts == [{"run": "evaluated", "until": "evaluate"}, {"run": "whole", "until": None}]


def test_a_removed_and_rebuilt_artifact_is_live(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.begin_run("run", "recipe", "", "", "running")
    for state in (["a"], ["a"]):
        store.finish(store.begin("run", "train", "", "", "{}"), "train", "a", "digest", {"miou": 0.5})
        assert [row["uri"] for row in store.live()] == state
        store.remove("a")
        assert store.live() == []
    assert store.outputs("run")[-1]["properties"] == '{"miou": 0.5}'
