"""Every command over damaged workspaces: a sentence and an exit code, and never a traceback."""

import argparse
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.__main__ import main
from pipeline.analysis import board
from pipeline.cli.parser import build_parser
from pipeline.lineage import status
from pipeline.orchestration import run_command
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace
from tests.pipeline.finished import Finished

PROJECT = Path(__file__).parents[3]

COMMANDS = (
    "status",
    "doctor",
    "sweep {recipe} --grid evaluate.overlays=0,5 --dry-run",
    "runs --json",
    "lineage {work}/serving/net/2",
    "lineage --openlineage {out}/events",
    "diff one two",
    "explain {recipe}",
    "tensorboard",
    "run {recipe} --until validate",
    "run {recipe} --dry-run --set train.epochs=2",
    "run {recipe} --verify",
    "step gate {recipe} --run three",
    "step export --run one --dry-run",
    "compare one two",
    "promote one --dry-run",
    "promote one --name other",
    "rollback net",
    "reproduce one --dry-run",
    "gc --keep-last 1 --dry-run",
    "gc --keep-last 1",
    "run-due {recipe} --dry-run",
    "schedule {recipe}",
    "backfill {recipe} --from 2026-07-01 --to 2026-07-02 --dry-run",
    "recover --dry-run",
    "recover",
    "verify {work}",
)
"""Each command line; those that change something come last within a copy, in this order."""

WITH_TENSORFLOW = (
    "inspect real",
    "inspect {work}/serving/tiny",
    "suspects real --out {out}/suspects --split val --count 2",
    "predict {work}/serving/tiny {recipe} --out {out}/predicted",
)
"""Each command line that loads a trained model; {recipe} is an image."""

WITHOUT_RESULTS = {
    **dict.fromkeys(
        ("recipes", "show", "init", "sample", "completion", "check", "tune", "compile"),
        "they read no workspace's results",
    ),
    **dict.fromkeys(("browse", "launch"), "they run steps as `run` does"),
    "serve": "it loads a model as `predict` does",
    "weights": "it reads files of weights",
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: tuple[Callable[[Path], None], ...] = (cut, flip, empty, Path.unlink, replace)


def files(root: Path) -> list[str]:
    """Every file that a damage may befall, and every link of a run."""
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    return sorted(path.as_posix() for path in paths)


@pytest.fixture(autouse=True)
def tensorboard_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard itself ends at once."""
    ended = SimpleNamespace(wait=lambda *_: 0, terminate=lambda: None)
    substitute = SimpleNamespace(Popen=lambda *_, **__: ended, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(board, "subprocess", substitute)


def call(line: str, work: Path, finished: Finished, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Call a command; return its exit code and what it printed."""
    words = [word.format(work=work, recipe=finished.recipe, out=work.parent) for word in line.split()]
    place = [] if words[0] in ("verify", "predict") else ["--workspace", str(work)]
    code = main([*words, *place])
    shown = "".join(capfd.readouterr())
    assert "Traceback" not in shown
    if words[0] == "doctor" and code == 1:
        assert "bad " in shown  # what it examines is not as it should be: its own way to say so
        return code, shown
    assert code in (0, 2) and (code == 0 or "segline:" in shown), f"{line}: {code}\n{shown}"
    return code, shown


def test_every_command_is_driven_or_says_why_not() -> None:
    (action,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    driven = {line.split()[0] for line in (*COMMANDS, *WITH_TENSORFLOW)}
    assert set(action.choices) <= driven | set(WITHOUT_RESULTS) and not driven & set(WITHOUT_RESULTS)


def befall(
    finished: Finished,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    choose: Callable[[int], tuple[tuple[Callable[[Path], None], ...], tuple[str, ...]]],
    every: int = 1,
) -> None:
    """Damage each file in turn, or one of `every`, in a copy, and call commands on it."""
    assert len(files(finished.workspace.root)) > 40
    for number, name in enumerate(files(finished.workspace.root)[::every]):
        damages, commands = choose(number)
        for damage in damages:
            work = finished.copy(tmp_path / "work").root
            if (work / name).is_symlink() and damage is not Path.unlink:
                (work / name).unlink()
                (work / name).write_text("no link")
            damage(work / name)
            for line in commands:
                code, shown = call(line, work, finished, capfd)
                held = name.startswith(("artifacts", "serving")) and not name.endswith("/.lock")
                if held and line == "verify {work}" and not {"recover", "gc --keep-last 1"} & set(commands):
                    assert code == 2 and Path(name).parent.parts[1] in shown, f"{damage} {name}\n{shown}"
            shutil.rmtree(work)


@pytest.mark.usefixtures("small_steps")
def test_some_damage_to_some_files(finished: Finished, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def choose(number: int) -> tuple[tuple[Callable[[Path], None], ...], tuple[str, ...]]:
        return (DAMAGE[number % len(DAMAGE)],), (COMMANDS[number * 5 % len(COMMANDS)], "verify {work}")

    befall(finished, tmp_path, capfd, choose, every=3)


@pytest.mark.long
@pytest.mark.usefixtures("small_steps")
def test_every_damage_to_every_file(finished: Finished, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    befall(finished, tmp_path, capfd, lambda number: (DAMAGE, COMMANDS))


@pytest.mark.long
@pytest.mark.slow
def test_damage_to_each_file_that_a_trained_model_is_loaded_from(
    camvid_raw: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe(str(PROJECT / "tests/tiny.yaml"), [f"data.manual_dir={camvid_raw}"])
    whole = Workspace(tmp_path / "whole")
    whole.root.mkdir()
    assert run_command.bring_up_to_date(whole, recipe, run_id="real") == 0
    real = Finished(whole, next((camvid_raw / "val").glob("*.png")))
    assert all(call(line, whole.root, real, capfd)[0] == 0 for line in WITH_TENSORFLOW)
    read = ("artifacts/ingest", "artifacts/train", "serving", "runs/real", "store")
    for number, name in enumerate(name for name in files(whole.root) if name.startswith(read)):
        work = real.copy(tmp_path / "work").root
        shutil.rmtree(tmp_path / "predicted", ignore_errors=True)  # it resumes
        if (work / name).is_symlink():
            (work / name).unlink()
        else:
            DAMAGE[number % len(DAMAGE)](work / name)
        codes = [call(line, work, real, capfd)[0] for line in WITH_TENSORFLOW]
        if name.endswith("weights.h5"):
            assert codes == [2, 0, 2, 0]
        shutil.rmtree(work)


@pytest.mark.parametrize(("damage", "code"), [(cut, 0), (empty, 0), (Path.unlink, 0), (replace, 0)])
@pytest.mark.usefixtures("small_steps")
def test_junk_in_the_cache_is_no_damage(
    damage: Callable[[Path], None],
    code: int,
    finished: Finished,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    work = finished.copy(tmp_path / "work").root
    for path in sorted((work / "cache/manifests").iterdir()):
        damage(path)
    for line in ("explain {recipe}", "run {recipe}"):
        assert call(line, work, finished, capfd)[0] == code
    if damage is not replace:
        (work / "cache/manifests/junk.json").write_text("[" * 100_000)
        assert call("run {recipe}", work, finished, capfd)[0] == 0


@pytest.mark.usefixtures("small_steps")
def test_a_run_name_of_300_characters(finished: Finished, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    work = finished.copy(tmp_path / "work").root
    code, shown = call(f"step ingest {{recipe}} --run {'n' * 300}", work, finished, capfd)
    assert code == 2 and "File name too long" in shown


def test_output_to_a_full_device(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["recipes"]) == 2
    assert "segline: the output cannot be written: No space left on device." in capsys.readouterr().err


def test_an_error_that_damage_explains_names_the_damage(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As from a file that a command reads without holding it against its seal; without damage it is a fault of ours."""

    def fail(*_: object) -> None:
        raise KeyError("miou")

    monkeypatch.setattr(status, "lines", fail)
    work = finished.copy(tmp_path / "work").root
    command = ["status", "--workspace", str(work)]
    assert main(command) == 1 and "Traceback" in capsys.readouterr().err
    flip(next(Workspace(work).root.glob("artifacts/train/*/weights.h5")))
    assert main(command) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "The command failed (KeyError: 'miou', at" in shown and "and this is damaged:" in shown
    assert "weights.h5 is damaged" in shown
