"""The commands run-due, schedule and backfill; notifications of a failure, and that no secret is written."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.schedule import actions, scheduled_run, systemd
from pipeline.schedule.clock import Clock
from pipeline.schedule.ledger import Ledger
from pipeline.schedule.tick import Tick
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

TOKEN = "s3cret-t0ken"
ALWAYS = {"cron": "* * * * *", "retries": 0}


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the status in the path."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.headers["Authorization"], json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Location", "/200")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def hook() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.posted = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    def write(**schedule: object) -> Path:
        path = tmp_path / "nightly.yaml"
        tree = {
            "data": {"name": "camvid", "manual_dir": str(tmp_path / "nowhere")},
            "model": {"name": "fast"},
            "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1e-3},
            "schedule": schedule,
        }
        path.write_text(yaml.safe_dump(tree))
        return path

    return write


def run_due(recipe: Path, workspace: Path) -> int:
    return main(["run-due", str(recipe), "--workspace", str(workspace)])


@pytest.mark.parametrize(("answer", "message"), [(200, ""), (302, "answered 302"), (500, "answered 500")])
def test_a_failure_reaches_webhook_and_command_and_no_secret_is_written(
    answer: int,
    message: str,
    recipe: Callable[..., Path],
    hook: HTTPServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{hook.server_port}/{answer}/{TOKEN}")
    monkeypatch.setenv("HOOK_TOKEN", TOKEN)
    received = tmp_path / "received.json"
    command = [sys.executable, "-c", f"import sys; open({str(received)!r}, 'w').write(sys.stdin.read())"]
    failure = {"webhook_env": "HOOK", "token_env": "HOOK_TOKEN", "command": command}
    workspace = tmp_path / "work"
    assert run_due(recipe(**ALWAYS, on_failure=failure), workspace) == 2
    ((authorisation, summary),) = hook.posted  # type: ignore[attr-defined]
    assert authorisation == f"Bearer {TOKEN}"
    assert summary == json.loads(received.read_text())
    assert summary["state"] == "failed" and summary["code"] == 2 and "nowhere" in summary["reason"]
    assert summary["text"].startswith("segline: nightly, slot ")
    shown = capfd.readouterr()
    assert message in shown.out and TOKEN not in shown.out + shown.err
    written = [path for path in workspace.rglob("*") if path.is_file()]
    assert len(written) > 3 and not [path for path in written if TOKEN.encode() in path.read_bytes()]


def test_a_failed_notification_is_reported_without_its_address(
    recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {"webhook_env": "HOOK", "token_env": "HOOK_TOKEN", "command": ["/no/such/program"]}
    path = recipe(**ALWAYS, on_failure=failure)
    assert run_due(path, tmp_path / "first") == 2
    assert "does not set HOOK, HOOK_TOKEN" in (printed := capsys.readouterr().out) and "/no/such/program" in printed
    for url, message in {
        f"file:///{TOKEN}": "must hold a URL",
        f"http://127.0.0.1:1/{TOKEN}\n": "could not be",
    }.items():
        monkeypatch.setenv("HOOK", url)
        monkeypatch.setenv("HOOK_TOKEN", TOKEN)
        assert run_due(path, tmp_path / message[:4]) == 2
        assert message in (printed := capsys.readouterr().out) and TOKEN not in printed


def test_the_output_of_the_command_is_dropped_even_if_it_is_no_text(
    recipe: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", r"import os; os.write(1, b'loud \xff'); os.write(2, b'loud \xff')"]
    path = recipe(cron="* * * * *", retries=0, on_failure={"command": command})
    assert run_due(path, tmp_path / "work") == 2
    shown = capfd.readouterr()
    assert "loud" not in shown.out + shown.err
    assert main(["schedule", str(path), "--workspace", str(tmp_path / "work")]) == 0
    assert "notice failed" not in capfd.readouterr().out


def test_a_recipe_without_a_schedule_is_refused_with_an_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run-due", "demo", "--workspace", str(tmp_path)]) == 2
    assert 'schedule: {cron: "30 2 * * *"' in capsys.readouterr().err


def test_all_mistakes_in_the_schedule_are_reported(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(cron="61 2 * * *", on_failure={"token_env": "A"}, retries=-1)
    assert run_due(path, tmp_path) == 2
    printed = capsys.readouterr().err
    assert "schedule.on_failure: `token_env` goes with" in printed and "schedule.retries" in printed
    assert run_due(recipe(cron="61 2 * * *"), tmp_path) == 2
    assert "schedule: `cron` must hold five fields" in capsys.readouterr().err


def test_a_slot_puts_its_time_into_the_settings(recipe: Callable[..., Path]) -> None:
    path = recipe(cron="30 23 * * *", timezone="Asia/Tokyo", set={"data.manual_dir": "/data/%Y-%m-%d", "name": "%Y"})
    loaded = scheduled_run.recipe_for_slot(str(path), ["train.epochs=7"], 1783262400.0)  # 2026-07-05 14:40 UTC
    assert (str(loaded.data.manual_dir), loaded.name, loaded.train.epochs) == ("/data/2026-07-05", "2026", 7)


@pytest.mark.parametrize(
    "moment, day", [("2026-07-05T14:40:00+00:00", "05"), ("2026-07-05T15:40Z", "06"), ("2026-07-05T15:40", "05")]
)
def test_an_orchestrator_names_the_slot(recipe: Callable[..., Path], moment: str, day: str) -> None:
    path = recipe(cron="30 23 * * *", timezone="Asia/Tokyo", set={"data.manual_dir": "/data/%Y-%m-%d"})
    assert scheduled_run.settings_at(str(path), [], moment) == [f'data.manual_dir="/data/2026-07-{day}"']


def test_a_step_for_a_slot_reads_its_folder(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(cron="30 2 * * *", set={"data.manual_dir": f"{tmp_path}/%Y-%m-%d"})
    call = ["step", "ingest", str(path), "--run", "a", "--workspace", str(tmp_path / "w"), "--slot"]
    assert main([*call, "2026-07-05T02:30+00:00"]) == 2
    assert f"{tmp_path}/2026-07-05" in "".join(capsys.readouterr().err.split())
    assert main([*call, "yesterday"]) == 2 and main(["step", "gate", "--run", "a", "--slot", "2026-07-05"]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "--slot must be a moment" in printed and "of RECIPE, and none is given" in printed


def test_backfill_lists_then_runs_oldest_first(
    recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(actions, "Clock", lambda: Clock(lambda: 1783262400.0))  # 2026-07-05: these days have come
    path = recipe(cron="30 2 * * *", timezone="Europe/Berlin", set={"data.manual_dir": f"{tmp_path}/%d"})
    call = ["backfill", str(path), "--workspace", str(tmp_path / "w"), "--from", "2026-03-28", "--to", "2026-03-30"]
    assert main([*call, "--dry-run"]) == 0
    days = ["2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"]
    assert capsys.readouterr().out.splitlines() == ["3 slots", *days]
    assert main(call) == 2
    printed = capsys.readouterr().out
    assert [line[10:] for line in printed.splitlines() if line.startswith("slot ")] == days
    assert all(f"{tmp_path}/{day}" in printed for day in (28, 29, 30))
    assert main(["schedule", str(path), "--workspace", str(tmp_path / "w")]) == 0
    assert "failed        2026-03-30 02:30 CEST" in capsys.readouterr().out
    workspace = Workspace(tmp_path / "w")
    ledger = Ledger(Store(workspace.store), "nightly")
    ledger.name_run(ledger.begin(0, 0), "run1")  # and no end
    for held, state in ((True, "running"), (False, "killed")):
        with lock.hold(workspace.lock("schedule", "nightly" if held else "x"), "other", wait=False, on_wait=print):
            assert main(["schedule", str(path), "--workspace", str(tmp_path / "w")]) == 0
        assert f"{state:<13} 1970-01-01 01:00 CET  run1" in capsys.readouterr().out
    assert main([*call[:-1], "2026-03-27"]) == 2 and main([*call[:-1], "tomorrow"]) == 2


@pytest.mark.parametrize(("first", "count"), [("2026-07-05", 15), ("2026-07-06", 0)])
def test_backfill_leaves_out_slots_in_the_future(
    first: str,
    count: int,
    recipe: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(actions, "Clock", lambda: Clock(lambda: 1783262400.0))  # 2026-07-05 14:40 UTC
    call = ["backfill", str(recipe(cron="0 * * * *")), "--workspace", str(tmp_path / "w"), "--dry-run"]
    assert main([*call, "--from", first, "--to", "2026-07-06"]) == 0
    early, *printed = capsys.readouterr().out.splitlines()
    assert early == "Slots after 2026-07-05 14:40 UTC have not come yet: `run-due` runs them."
    assert f"{count} slots" in printed and len(printed) == count + 1 + (count > 1)
    assert count == 0 or printed[-1] == "2026-07-05 14:00 UTC"


def test_watch_survives_a_recipe_that_is_invalid_for_a_while(
    recipe: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, naps = recipe(**ALWAYS), []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            recipe(cron="nonsense")
        if len(naps) > 9:
            raise KeyboardInterrupt

    now = [1783262400.0]
    clock = Clock(lambda: now[0] + sum(naps), sleep)
    with pytest.raises(KeyboardInterrupt):
        actions.watch(str(path), [], Workspace(tmp_path / "w"), clock)
    shown = capsys.readouterr().out
    assert shown.count("slot      ") >= 1 and shown.count("five fields") == 1


def test_watch_misses_no_slot_that_comes_during_a_tick(
    recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ticks, naps = [1783262399.9], [], []  # a tenth of a second before a slot

    def run_due(tick: Tick) -> int:
        ticks.append(now[0])
        now[0] += 0.2
        if len(ticks) == 2:
            raise KeyboardInterrupt
        return 0

    monkeypatch.setattr(Tick, "run_due", run_due)
    with pytest.raises(KeyboardInterrupt):
        actions.watch(str(recipe(**ALWAYS)), [], Workspace(tmp_path / "w"), Clock(lambda: now[0], naps.append))
    assert len(ticks) == 2 and not naps


@pytest.mark.parametrize("name", ["plain", "with blank % $HOME ä"])
def test_systemd_accepts_the_units(
    name: str,
    recipe: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    folder = tmp_path / name
    folder.mkdir()
    path = recipe(**ALWAYS).rename(folder / "nightly.yaml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    monkeypatch.chdir(folder)
    call = ["schedule", "nightly.yaml", "--install-systemd", "--workspace", "work"]
    assert main(call) == 2 and "add --user" in capsys.readouterr().err
    assert main([*call, "--user", "--dry-run"]) == 0 and not (folder / "config").exists()
    assert main([*call, "--user", "--set", "train.epochs=2"]) == 0
    assert "systemctl --user enable --now segline-nightly.timer" in capsys.readouterr().out.replace(
        "daemon-reload && ", ""
    )
    units = sorted((folder / "config/systemd/user").iterdir())
    assert [unit.name for unit in units] == ["segline-nightly.service", "segline-nightly.timer"]
    # As in a user's session: systemd-analyze requires a runtime folder before it reads a unit.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    verify = ["systemd-analyze", "--user", "verify", *map(str, units)]
    shown = subprocess.run(verify, env=environment, capture_output=True, text=True, check=False)
    about_ours = [line for line in shown.stderr.splitlines() if "segline" in line]
    assert shown.returncode == 0 and not about_ours, shown.stderr
    text = units[0].read_text()
    assert f"WorkingDirectory={str(folder).replace('%', '%%')}\n" in text
    assert systemd.quote(str(path)) in text and "--set train.epochs=2" in text


def test_a_word_is_quoted_for_systemd() -> None:
    assert systemd.quote("/plain/path") == "/plain/path"
    assert systemd.quote('a "b" 100% $HOME \\') == '"a \\"b\\" 100%% $$HOME \\\\"'


def test_units_need_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with pytest.raises(UserError, match="Neither HOME"):
        systemd.user_folder()


def test_a_password_does_not_stand_in_a_unit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.url=ftp://ann:\*\*\*@host.*EnvironmentFile") as caught:
        systemd.run_due_command("nightly", [f"data.url=ftp://ann:{TOKEN}@host"], tmp_path)
    assert TOKEN not in str(caught.value)
