"""`segline tensorboard`: the trainings that it shows, and their names."""

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from pipeline.analysis import board
from pipeline.config import recipe_file
from pipeline.errors import UserError
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store
from tests.pipeline.sealed import seal

PROJECT = Path(__file__).parents[3]


def begin(workspace: Workspace, run: str, rate: str) -> None:
    workspace.run(run).mkdir(parents=True)
    settings = ["data.manual_dir=unused", f"train.learning_rate={rate}"]
    text = recipe_file.dump(load_recipe(str(PROJECT / "tests/tiny.yaml"), settings))
    (workspace.run(run) / "recipe.yaml").write_text(text)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A finished training of run `first`, and a running one of run `second`."""
    made = Workspace(tmp_path)
    begin(made, "first", "1e-3")
    events = tmp_path / "artifacts/train/abc/events"
    events.mkdir(parents=True)
    (events / "events.out.tfevents.1").write_bytes(b"")
    (events / "plugins/profile/now").mkdir(parents=True)
    seal(events.parent, run="first")
    begin(made, "second", "3e-3")
    (made.partial("train", "def") / "events").mkdir(parents=True)
    (made.partial("train", "def") / "events/events.out.tfevents.2").write_bytes(b"")
    store = Store(made.store)
    store.begin_run("second", "tiny", "segline run tiny", "git", "running")
    store.begin("second", "train", "for the first time", "def", "{}")
    store.close()
    return made


def test_finished_and_running_trainings_are_shown_by_their_run(workspace: Workspace, tmp_path: Path) -> None:
    view = tmp_path / "view"
    assert set(board.refresh(workspace, view)) == {"first", "second"}
    events = tmp_path / "artifacts/train/abc/events"
    for name in ("events.out.tfevents.1", "plugins/profile/now"):
        assert (view / "first" / name).resolve() == events / name
    assert not (view / "first").is_symlink() and not (view / "first/plugins/profile").is_symlink()
    workspace.partial("train", "def").rename(tmp_path / "artifacts/train/def")
    seal(tmp_path / "artifacts/train/def", run="second")
    board.refresh(workspace, view)
    name = "events.out.tfevents.2"
    assert (view / "second" / name).resolve() == tmp_path / "artifacts/train/def/events" / name
    assert {path.name for path in view.iterdir()} == {"first", "second"}  # and no run of the columns of HParams


def test_hparams_shows_the_settings_that_differ(workspace: Workspace, tmp_path: Path) -> None:
    board.refresh(workspace, tmp_path / "view")
    events = EventAccumulator(str(tmp_path / "view/first")).Reload()
    content = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    assert [info.name for info in experiment.hparam_infos] == ["train.learning_rate"]
    assert "final/miou" in [info.name.tag for info in experiment.metric_infos]


def test_one_training_shows_the_hyper_parameters_that_are_set(workspace: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(workspace.run("second"))
    board.refresh(workspace, tmp_path / "view")
    events = EventAccumulator(str(tmp_path / "view/first")).Reload()
    content = events.SummaryMetadata("_hparams_/experiment").plugin_data.content
    names = [info.name for info in plugin_data_pb2.HParamsPluginData.FromString(content).experiment.hparam_infos]
    assert {"train.learning_rate", "model.name"} <= set(names)
    assert not {"train.strategy", "train.deterministic", "train.clip_norm"} & set(names)


def test_the_address_is_printed_before_tensorboard_starts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(board, "PORT", port)
        shown: list[str] = []

        def begin(command: list[str], **_: object) -> subprocess.Popen[bytes]:
            shown.extend([capsys.readouterr().out, command[command.index("--port") + 1]])
            return popen(["true"])

        popen = subprocess.Popen
        monkeypatch.setattr(board.subprocess, "Popen", begin)
        assert board.serve(workspace, None) == 0
    assert int(shown[1]) > port and shown[0].startswith(f"http://localhost:{shown[1]}/ shows 2 trainings")


def test_without_a_training_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No training has begun"):
        board.serve(Workspace(tmp_path), None)


def test_a_run_whose_folder_was_removed_is_shown_without_its_settings(workspace: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(workspace.run("first"))
    assert set(board.refresh(workspace, tmp_path / "view")) == {"first", "second"}


def test_tensorboard_ends_after_an_error(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[subprocess.Popen[bytes]] = []

    def begin(*_: object, **__: object) -> subprocess.Popen[bytes]:
        children.append(popen(["sleep", "60"]))
        monkeypatch.setattr(board, "refresh", fail)
        return children[0]

    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    popen = subprocess.Popen
    monkeypatch.setattr(board, "REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(board.subprocess, "Popen", begin)
    with pytest.raises(OSError, match="gone"):
        board.serve(workspace, None)
    assert children[0].returncode == -signal.SIGTERM
