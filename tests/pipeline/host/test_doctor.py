"""segline doctor: each problem is named with its remedy, and no heavy library is imported."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.host import doctor, libraries, machine
from pipeline.host.doctor import Finding, examine
from pipeline.workspace import filesystem
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]


def findings(workspace: Path, subject: str) -> list[Finding]:
    return [finding for finding in examine(Workspace(workspace), deep=False) if finding.subject == subject]


def test_doctor_is_fast_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pipeline.__main__ import main\n"
        f"code = main(['doctor', '--workspace', {str(tmp_path)!r}, '--json'])\n"
        "heavy = {'tensorflow', 'keras', 'apache_beam', 'tensorflow_datasets', 'numpy'} & set(sys.modules)\n"
        "print(code, sorted(heavy), resource.getrusage(resource.RUSAGE_SELF).ru_utime < 1, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    report = json.loads(result.stdout)
    assert {"Python", "libraries", "disk", "workspace"} <= {finding["subject"] for finding in report}
    bad = any(finding["level"] == "bad" for finding in report)
    assert result.stderr.splitlines()[-1] == f"{int(bad)} [] True"
    assert not list(tmp_path.iterdir())


def test_needed_libraries_match_setup_py() -> None:
    text = (PROJECT / "setup.py").read_text()
    assert all(re.search(f'"{name}{re.escape(bound)}[",]', text) for name, bound in libraries.NEEDED.items())


def test_missing_and_old_libraries_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"tensorflow": "2.17.0", "keras": "3.12.0", "numpy": "2.1.0", "tensorflow-datasets": "4.9.10"}
    monkeypatch.setattr(libraries, "installed", {**versions, "datasets": "4.0.0"}.get)
    monkeypatch.setattr(libraries, "requires", lambda name: ["absl-py>=1", "extra-one; extra == 'x'"])
    monkeypatch.setattr(libraries, "version", versions.get)
    problems = {problem.what: problem.do for problem in libraries.problems()}
    assert problems["tensorflow >=2.19 is needed; 2.17.0 is installed"] == "pip install 'tensorflow>=2.19'"
    assert "keras 3.12.0 requires absl-py>=1; none is installed" in problems
    for part in ("compiled for NumPy 1", "importlib_resources", "Hugging Face"):
        assert any(part in what for what in problems), part
    assert not any("extra-one" in what for what in problems)


@pytest.mark.parametrize(("name", "value"), [("KERAS_BACKEND", "torch"), ("TF_USE_LEGACY_KERAS", "1")])
def test_an_environment_that_selects_another_keras_is_reported(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["doctor", "--workspace", str(tmp_path), "--quiet"]) == 1
    assert f"-> unset {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("driver", "cudnn", "expected"),
    [("550.54.15", "9.3.0", None), ("470.42.01", "9.3.0", "too old"), ("550.54.15", None, "segline[gpu]")],
)
def test_an_unusable_gpu_is_reported(
    driver: str, cudnn: str | None, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: [machine.Gpu("NVIDIA A100", 40960, driver)])
    real = libraries.installed
    monkeypatch.setattr(libraries, "installed", lambda name: cudnn if "cudnn" in name else real(name))
    gpu = findings(tmp_path, "GPU")
    assert "NVIDIA A100, 40 GiB" in gpu[0].what
    bad = [finding for finding in gpu if finding.level == "bad"]
    assert bool(bad) == bool(expected) and all(str(expected) in finding.what + finding.do for finding in bad)


def test_a_driver_that_does_not_answer_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (finding,) = findings(tmp_path, "GPU")
    assert finding.level == "bad" and "NVIDIA-SMI has failed" in finding.what
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559, 550.54.15'\n")
    assert machine.gpus() == [machine.Gpu("NVIDIA H100", 81559, "550.54.15")]


def test_a_workspace_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (finding,) = findings(Path("/proc/nowhere"), "workspace")
    assert finding.level == "bad" and "--workspace DIR" in finding.do


def test_a_damaged_store_and_a_run_from_the_future_are_reported(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.begin_run("run", "recipe", "command", "code", "running")
    store.close()
    assert not findings(tmp_path, "store")
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("UPDATE runs SET started = started + 86400")
    assert any("in the future" in finding.what for finding in findings(tmp_path, "clock"))
    (tmp_path / "store.sqlite").write_bytes(b"no database at all" * 100)
    (finding,) = findings(tmp_path, "store")
    assert finding.level == "bad" and "segline recover" in finding.do


def test_a_store_may_have_any_path(tmp_path: Path) -> None:
    Store(tmp_path / "50% ? #1 ä" / "store.sqlite").close()
    assert not findings(tmp_path / "50% ? #1 ä", "store")


@pytest.mark.parametrize(("free", "level"), [(5e9, "ok"), (1e9, "warn"), (0.4e9, "bad")])
def test_little_memory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    monkeypatch.setattr(machine, "memory_available", lambda: free)
    assert findings(tmp_path, "memory")[0].level == level


def test_a_wrong_clock_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: 1e9)
    assert findings(tmp_path, "clock")[0].level == "bad"


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
90 22 0:50 / /mnt/with\\040blank rw,relatime shared:9 - nfs4 server:/export rw,vers=4.2,hard,local_lock=none
91 22 0:51 / /mnt/old rw,relatime - nfs server:/old rw,vers=3,nolock,local_lock=all
92 22 0:52 / /mnt/bucket rw,nosuid - fuse.s3fs s3fs rw,user_id=0
93 90 8:2 / /mnt/with\\040blank/local rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network", "locks"),
    [
        ("/home/me/work", "ext4", False, True),
        ("/mnt/with blank/work", "nfs4", True, True),
        ("/mnt/with blank/local/work", "xfs", False, True),
        ("/mnt/old", "nfs", True, False),
        ("/mnt/bucket/x", "fuse.s3fs", True, False),
    ],
)
def test_file_systems_are_recognised_by_their_mount(path: str, kind: str, network: bool, locks: bool) -> None:
    mount = filesystem.mount_of(Path(path), MOUNTS)
    assert (mount.kind, mount.is_network, mount.locks_reach_other_hosts) == (kind, network, locks)


def test_a_store_on_a_network_file_system_needs_no_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "mount_of", lambda path: filesystem.Mount("nfs4"))
    store = Store(tmp_path / "store.sqlite")
    store.begin_run("run", "recipe", "command", "code", "running")
    assert store.rows("PRAGMA journal_mode") == [{"journal_mode": "truncate"}]
    assert not list(tmp_path.glob("*-shm"))


def test_a_workspace_whose_locks_other_hosts_do_not_see_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = frozenset({"nolock"})
    monkeypatch.setattr(filesystem, "mount_of", lambda path: filesystem.Mount("nfs", options))
    mount = findings(tmp_path, "workspace")[-1]
    assert mount.level == "warn" and "do not see its locks" in mount.what
