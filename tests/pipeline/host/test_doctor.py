"""segline doctor: what is wrong is named with what to do, and nothing heavy is imported."""

import json
import os
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


def found(workspace: Path, subject: str) -> list[Finding]:
    return [finding for finding in examine(Workspace(workspace), deep=False) if finding.subject == subject]


def test_a_fit_machine_is_told_fit_at_once(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pipeline.__main__ import main\n"
        f"code = main(['doctor', '--workspace', {str(tmp_path)!r}, '--json'])\n"
        "heavy = {'tensorflow', 'keras', 'apache_beam', 'tensorflow_datasets', 'numpy'} & set(sys.modules)\n"
        "print(code, sorted(heavy), resource.getrusage(resource.RUSAGE_SELF).ru_utime < 1, file=sys.stderr)"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    told = json.loads(shown.stdout)
    assert {"Python", "libraries", "disk", "workspace"} <= {finding["subject"] for finding in told}
    bad = any(finding["level"] == "bad" for finding in told)
    assert shown.stderr.splitlines()[-1] == f"{int(bad)} [] True"
    assert not list(tmp_path.iterdir())


def test_needed_libraries_are_those_of_setup_py() -> None:
    text = (PROJECT / "setup.py").read_text()
    assert all(f'"{name}{bound}"' in text for name, bound in libraries.NEEDED.items())


def test_a_library_that_is_missing_or_old_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"tensorflow": "2.17.0", "keras": "3.12.0", "numpy": "2.1.0", "tensorflow-datasets": "4.9.10"}
    monkeypatch.setattr(libraries, "installed", {**versions, "datasets": "4.0.0"}.get)
    monkeypatch.setattr(libraries, "requires", lambda name: ["absl-py>=1", "extra-one; extra == 'x'"])
    monkeypatch.setattr(libraries, "version", versions.get)
    told = {problem.what: problem.do for problem in libraries.problems()}
    assert told["tensorflow >=2.19 is needed; 2.17.0 is installed"] == "pip install 'tensorflow>=2.19'"
    assert "keras 3.12.0 asks for absl-py>=1; none is installed" in told
    for part in ("compiled for NumPy 1", "importlib_resources", "Hugging Face"):
        assert any(part in what for what in told), part
    assert not any("extra-one" in what for what in told)


@pytest.mark.parametrize(("name", "value"), [("KERAS_BACKEND", "torch"), ("TF_USE_LEGACY_KERAS", "1")])
def test_an_environment_that_asks_for_another_keras_is_told(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["doctor", "--workspace", str(tmp_path), "--quiet"]) == 1
    assert f"-> unset {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("driver", "cudnn", "says"),
    [("550.54.15", "9.3.0", None), ("470.42.01", "9.3.0", "too old"), ("550.54.15", None, "segline[gpu]")],
)
def test_a_gpu_that_cannot_compute_is_told(
    driver: str, cudnn: str | None, says: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: [machine.Gpu("NVIDIA A100", 40960, driver)])
    real = libraries.installed
    monkeypatch.setattr(libraries, "installed", lambda name: cudnn if "cudnn" in name else real(name))
    told = found(tmp_path, "GPU")
    assert "NVIDIA A100, 40 GiB" in told[0].what
    bad = [finding for finding in told if finding.level == "bad"]
    assert bool(bad) == bool(says) and all(str(says) in finding.what + finding.do for finding in bad)


def test_a_driver_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (told,) = found(tmp_path, "GPU")
    assert told.level == "bad" and "NVIDIA-SMI has failed" in told.what
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100, 81559, 550.54.15'\n")
    assert machine.gpus() == [machine.Gpu("NVIDIA H100", 81559, "550.54.15")]


def test_a_workspace_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (told,) = found(Path("/proc/nowhere"), "workspace")
    assert told.level == "bad" and "--workspace DIR" in told.do


def test_a_damaged_store_and_a_run_from_the_future_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.begin_run("run", "recipe", "command", "code", "running")
    store.close()
    assert not found(tmp_path, "store")
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        database.execute("UPDATE runs SET started = started + 86400")
    assert any("in the future" in finding.what for finding in found(tmp_path, "clock"))
    (tmp_path / "store.sqlite").write_bytes(b"no database at all" * 100)
    (told,) = found(tmp_path, "store")
    assert told.level == "bad" and "Move store.sqlite away" in told.do


def test_a_store_is_found_under_any_name(tmp_path: Path) -> None:
    Store(tmp_path / "50% ? #1 ä" / "store.sqlite").close()
    assert not found(tmp_path / "50% ? #1 ä", "store")


@pytest.mark.parametrize(("free", "level"), [(5e9, "ok"), (1e9, "warn"), (0.4e9, "bad")])
def test_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, level: str) -> None:
    monkeypatch.setattr(machine, "memory_available", lambda: free)
    assert found(tmp_path, "memory")[0].level == level


def test_a_wrong_clock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: 1e9)
    assert found(tmp_path, "clock")[0].level == "bad"


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
def test_a_file_system_is_known_by_its_mount(path: str, kind: str, network: bool, locks: bool) -> None:
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


def test_a_workspace_whose_locks_end_at_this_host_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = frozenset({"nolock"})
    monkeypatch.setattr(filesystem, "mount_of", lambda path: filesystem.Mount("nfs", options))
    told = found(tmp_path, "workspace")
    assert told[-1].level == "warn" and "do not see its locks" in told[-1].what
