"""Checkpoints: they read back as saved, and damage is detected."""

import errno
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import Unreachable, UserError
from pipeline.training.checkpoints import Checkpoints

PROJECT = Path(__file__).parents[3]
ARRAYS = {"model/0": np.arange(300, dtype=np.float32).reshape(3, 100), "optimizer/0": np.array(7, np.int64)}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def files(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_without_a_checkpoint_there_is_no_latest(checkpoints: Checkpoints) -> None:
    assert checkpoints.latest() is None


def test_a_checkpoint_reads_back_as_saved(checkpoints: Checkpoints) -> None:
    checkpoints.save(12, ARRAYS, {"epoch": 1, "losses": 0.1 + 0.2, "best": {}})
    checkpoint = checkpoints.latest()
    assert checkpoint and checkpoint.state == {"epoch": 1, "losses": 0.1 + 0.2, "best": {}}
    assert checkpoint.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert checkpoint.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(checkpoint.arrays[name], array)


def test_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    for number in (9, 10, 100):
        file = checkpoints.save_best(number, ARRAYS)
        checkpoints.save(number, ARRAYS, {"best": {"file": file}})
    assert files(checkpoints) == [f"{kind}-{number:09d}.npz" for kind in ("best", "step") for number in (10, 100)]


@pytest.mark.parametrize("where", np.linspace(0, 0.999, 25))
def test_one_wrong_bit_anywhere_is_detected(
    checkpoints: Checkpoints, where: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"number": number})
    path = checkpoints.folder / "step-000000002.npz"
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 16
    path.write_bytes(content)
    checkpoint = checkpoints.latest()
    assert checkpoint
    if checkpoint.state["number"] == 2:  # a field of the zip that is not read, such as the time of a file
        assert all((checkpoint.arrays[name] == array).all() for name, array in ARRAYS.items())
    else:
        assert "damaged checkpoint step-000000002.npz" in capsys.readouterr().out
        checkpoints.save(2, ARRAYS, {"number": 2})
        assert checkpoints.latest().state["number"] == 2  # type: ignore[union-attr]


def test_a_truncated_file_is_skipped(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"number": number})
    path = checkpoints.folder / "step-000000002.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    checkpoint = checkpoints.latest()
    assert checkpoint and checkpoint.state["number"] == 1
    assert "skips" in capsys.readouterr().out


def test_a_checkpoint_is_skipped_without_the_best_weights_it_names(checkpoints: Checkpoints) -> None:
    for number in (1, 2):
        file = checkpoints.save_best(number, ARRAYS)
        checkpoints.save(number, ARRAYS, {"number": number, "best": {"file": file}})
    (checkpoints.folder / "best-000000002.npz").write_bytes(b"")
    checkpoint = checkpoints.latest()
    assert checkpoint and checkpoint.state["number"] == 1
    np.testing.assert_array_equal(checkpoints.best(checkpoint.state["best"]["file"])["model/0"], ARRAYS["model/0"])


def test_best_weights_damaged_before_the_end_are_reported(checkpoints: Checkpoints) -> None:
    path = checkpoints.folder / checkpoints.save_best(1, ARRAYS)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=rf"{path.name} .*cannot be read any more.* continues from an older checkpoint"):
        checkpoints.best(path.name)


def test_best_weights_without_a_checkpoint_do_not_replace_named_ones(tmp_path: Path) -> None:
    """Killed after new best weights were written and before the checkpoint that names them, with keep=1."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(10, ARRAYS, {"best": {"file": checkpoints.save_best(10, ARRAYS)}})
    checkpoints.save_best(20, ARRAYS)
    checkpoint = checkpoints.latest()
    assert checkpoint
    checkpoints.save(15, ARRAYS, checkpoint.state)
    again = checkpoints.latest()
    assert again and again.state["best"]["file"] == "best-000000010.npz"


def test_best_weights_of_the_last_step_without_its_checkpoint_do_not_replace_named_ones(tmp_path: Path) -> None:
    """Saved by time at an epoch's last step, killed after its validation, interrupted in the repeated one."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(10, ARRAYS, {"best": {"file": checkpoints.save_best(10, ARRAYS)}})
    named = {"best": {"file": "best-000000010.npz"}}
    checkpoints.save(20, ARRAYS, named)
    checkpoints.save_best(20, ARRAYS)
    assert checkpoints.latest()
    checkpoints.save(20, ARRAYS, named)
    again = checkpoints.latest()
    assert again and again.state == named


@pytest.mark.parametrize("kind", ["step", "best"])
def test_an_io_error_loses_no_checkpoint(checkpoints: Checkpoints, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"best": {"file": checkpoints.save_best(number, ARRAYS)}})
    before, load = files(checkpoints), np.load

    def stale(path: Path, **options: Any) -> Any:
        if path.name == f"{kind}-000000002.npz":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return load(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", stale)
        with pytest.raises(Unreachable, match=r"step-000000002\.npz.*Stale file handle.*continues from there once"):
            checkpoints.latest()
        if kind == "best":
            with pytest.raises(Unreachable, match=r"best-000000002\.npz, cannot be read.*Stale file handle"):
                checkpoints.best("best-000000002.npz")
    assert files(checkpoints) == before
    checkpoint = checkpoints.latest()
    assert checkpoint and checkpoint.state["best"]["file"] == "best-000000002.npz"


def test_a_start_from_scratch_is_printed(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.save(1, ARRAYS, {})
    (checkpoints.folder / "step-000000001.npz").write_bytes(b"")
    assert checkpoints.latest() is None
    assert "starts from scratch" in capsys.readouterr().out


def test_a_partial_file_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    checkpoints.save(1, ARRAYS, {"number": 1})
    whole = (checkpoints.folder / "step-000000001.npz").read_bytes()
    (checkpoints.folder / "step-000000002.partial").write_bytes(whole[:100])
    checkpoint = checkpoints.latest()
    assert checkpoint and checkpoint.state["number"] == 1


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.unlink"])
def test_killed_while_writing_it_leaves_an_intact_checkpoint(tmp_path: Path, moment: str) -> None:
    """At the sync the new file is partial, at the rename it is whole, at the unlink it is in place."""
    code = (
        "import os, pathlib, signal, sys\nfrom unittest import mock\nimport numpy as np\n"
        "from pipeline.training.checkpoints import Checkpoints\n"
        "checkpoints = Checkpoints(pathlib.Path(sys.argv[1]), keep=1)\n"
        "checkpoints.save(1, {'model/0': np.zeros(1000)}, {'number': 1})\n"
        f"with mock.patch('{moment}', lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)):\n"
        "    checkpoints.save(2, {'model/0': np.ones(1000)}, {'number': 2})\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=PROJECT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    checkpoint = Checkpoints(tmp_path, keep=1).latest()
    assert checkpoint and checkpoint.state["number"] == (2 if moment.endswith("unlink") else 1)
    assert (checkpoint.arrays["model/0"] == checkpoint.state["number"] - 1).all()


def test_keep_is_the_number_of_kept_checkpoints(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    for number in range(1, 6):
        checkpoints.save(number, ARRAYS, {})
    assert files(checkpoints) == [f"step-{number:09d}.npz" for number in (3, 4, 5)]
