"""Checkpoints: what is read is what was saved, and damage is noticed."""

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


def test_nothing_saved_nothing_found(checkpoints: Checkpoints) -> None:
    assert checkpoints.latest() is None


def test_what_is_read_is_what_was_saved(checkpoints: Checkpoints) -> None:
    checkpoints.save(12, ARRAYS, {"epoch": 1, "losses": 0.1 + 0.2, "best": {}})
    found = checkpoints.latest()
    assert found and found.state == {"epoch": 1, "losses": 0.1 + 0.2, "best": {}}
    assert found.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    for number in (9, 10, 100):
        file = checkpoints.save_best(number, ARRAYS)
        checkpoints.save(number, ARRAYS, {"best": {"file": file}})
    assert files(checkpoints) == [f"{kind}-{number:09d}.npz" for kind in ("best", "step") for number in (10, 100)]


@pytest.mark.parametrize("where", np.linspace(0, 0.999, 25))
def test_one_wrong_bit_anywhere_is_noticed(
    checkpoints: Checkpoints, where: float, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"number": number})
    path = checkpoints.folder / "step-000000002.npz"
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 16
    path.write_bytes(content)
    found = checkpoints.latest()
    assert found
    if found.state["number"] == 2:  # a field of the zip that nobody reads, such as the time of a file
        assert all((found.arrays[name] == array).all() for name, array in ARRAYS.items())
    else:
        assert "damaged checkpoint step-000000002.npz" in capsys.readouterr().out
        checkpoints.save(2, ARRAYS, {"number": 2})
        assert checkpoints.latest().state["number"] == 2  # type: ignore[union-attr]


def test_a_cut_file_is_passed_over(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"number": number})
    path = checkpoints.folder / "step-000000002.npz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = checkpoints.latest()
    assert found and found.state["number"] == 1
    assert "passes over" in capsys.readouterr().out


def test_a_checkpoint_is_not_whole_without_the_best_weights_it_names(checkpoints: Checkpoints) -> None:
    for number in (1, 2):
        file = checkpoints.save_best(number, ARRAYS)
        checkpoints.save(number, ARRAYS, {"number": number, "best": {"file": file}})
    (checkpoints.folder / "best-000000002.npz").write_bytes(b"")
    found = checkpoints.latest()
    assert found and found.state["number"] == 1
    np.testing.assert_array_equal(checkpoints.best(found.state["best"]["file"])["model/0"], ARRAYS["model/0"])


def test_best_weights_that_rot_before_the_end_are_told(checkpoints: Checkpoints) -> None:
    path = checkpoints.folder / checkpoints.save_best(1, ARRAYS)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=rf"{path.name} .*cannot be read any more.* goes on from an older checkpoint"):
        checkpoints.best(path.name)


def test_best_weights_that_no_checkpoint_names_displace_none_that_one_does(tmp_path: Path) -> None:
    """Killed after new best weights were written and before the checkpoint that names them, with keep=1."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(10, ARRAYS, {"best": {"file": checkpoints.save_best(10, ARRAYS)}})
    checkpoints.save_best(20, ARRAYS)
    found = checkpoints.latest()
    assert found
    checkpoints.save(15, ARRAYS, found.state)
    again = checkpoints.latest()
    assert again and again.state["best"]["file"] == "best-000000010.npz"


def test_best_weights_of_the_last_step_that_it_does_not_name_displace_none(tmp_path: Path) -> None:
    """Saved by the clock at an epoch's last step, killed after its validation, asked to stop in the next one."""
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
def test_a_disk_that_does_not_answer_costs_no_checkpoint(
    checkpoints: Checkpoints, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        checkpoints.save(number, ARRAYS, {"best": {"file": checkpoints.save_best(number, ARRAYS)}})
    before, load = files(checkpoints), np.load

    def stale(path: Path, **options: Any) -> Any:
        if path.name == f"{kind}-000000002.npz":
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return load(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(np, "load", stale)
        with pytest.raises(Unreachable, match=r"step-000000002\.npz.*Stale file handle.*goes on from there once"):
            checkpoints.latest()
        if kind == "best":
            with pytest.raises(Unreachable, match=r"best-000000002\.npz, cannot be read.*Stale file handle"):
                checkpoints.best("best-000000002.npz")
    assert files(checkpoints) == before
    found = checkpoints.latest()
    assert found and found.state["best"]["file"] == "best-000000002.npz"


def test_where_none_is_whole_it_is_said(checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints.save(1, ARRAYS, {})
    (checkpoints.folder / "step-000000001.npz").write_bytes(b"")
    assert checkpoints.latest() is None
    assert "begins anew" in capsys.readouterr().out


def test_what_was_half_written_is_no_checkpoint(checkpoints: Checkpoints) -> None:
    checkpoints.save(1, ARRAYS, {"number": 1})
    whole = (checkpoints.folder / "step-000000001.npz").read_bytes()
    (checkpoints.folder / "step-000000002.partial").write_bytes(whole[:100])
    found = checkpoints.latest()
    assert found and found.state["number"] == 1


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.unlink"])
def test_killed_in_the_middle_of_writing_one_it_leaves_a_whole_one(tmp_path: Path, moment: str) -> None:
    """At the sync the new file is half a file, at the rename it is whole and has no name, at the unlink it has one."""
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
    found = Checkpoints(tmp_path, keep=1).latest()
    assert found and found.state["number"] == (2 if moment.endswith("unlink") else 1)
    assert (found.arrays["model/0"] == found.state["number"] - 1).all()


def test_as_many_are_kept_as_asked_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    for number in range(1, 6):
        checkpoints.save(number, ARRAYS, {})
    assert files(checkpoints) == [f"step-{number:09d}.npz" for number in (3, 4, 5)]
