"""The log of a training: events, scalars.jsonl, profiles, HParams; each step once, even after a kill."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pipeline.training import profiler, scalar_log, tensorboard_pictures
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Display
from tests.pipeline.training.fake import EPOCHS, SPEC, STEPS, Fake


def test_only_the_log_imports_modules_that_print_or_draw() -> None:
    """No fingerprint holds their source: they must not change a result."""
    drawing = {"progress_bar", "tensorboard_pictures", "tensorboard_writer"}
    for path in Path(profiler.__file__).parent.glob("*.py"):
        if path.stem not in {*drawing, "training_log"}:
            assert not {name for name in drawing if name in path.read_text(encoding="utf-8")}, path.name


def test_events_hold_every_step_once_after_a_resume(tmp_path: Path) -> None:
    """The killed process was three steps past its last checkpoint."""
    fake = Fake(tmp_path)
    fake.on_step[9] = lambda: (_ for _ in ()).throw(RuntimeError)
    with pytest.raises(RuntimeError):
        fake.train(validate_every=1)
    resumed = Fake(tmp_path)
    resumed.train()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(1, EPOCHS * STEPS + 1))
    assert [event.value for event in events.Scalars("val/miou")] == pytest.approx([0.1, 0.4, 0.3, 0.2])
    assert [event.step for event in events.Scalars("val/iou/Sky")] == [5, 10, 15, 20]
    assert "val/iou/Car" not in events.Tags()["scalars"]
    assert [event.step for event in events.Images("val/first")] == [5, 10, 15, 20]
    assert {"train/learning_rate", "train/images_per_s", "train/data_wait", "epoch/loss"} <= {*events.Tags()["scalars"]}


def test_a_repeated_validation_is_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the log of epoch 2 and its checkpoint: the newest one is that of the epoch's last step."""
    save = Checkpoints.save

    def dies(self: Checkpoints, number: int, arrays: Any, state: Any) -> None:
        if (state["epoch"], state["step"]) == (2, 0):
            raise RuntimeError
        save(self, number, arrays, state)

    monkeypatch.setattr(Checkpoints, "save", dies)
    with pytest.raises(RuntimeError):
        Fake(tmp_path).train(checkpoint_seconds=1e-9)
    monkeypatch.undo()
    Fake(tmp_path).train()
    lines = scalar_log.read(tmp_path / "scalars.jsonl")
    for name in ("val/miou", "epoch/loss"):
        assert [line["step"] for line in lines if name in line] == [5, 10, 15, 20]
    Fake(tmp_path).train()  # it logs the end a second time
    assert scalar_log.read(tmp_path / "scalars.jsonl") == lines


def test_scalars_jsonl_holds_every_step_once_after_a_resume(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.on_step[9] = lambda: (_ for _ in ()).throw(RuntimeError)
    with pytest.raises(RuntimeError):
        fake.train()
    with (tmp_path / "scalars.jsonl").open("a") as file:
        file.write('{"step": 7, "train/lo')  # as a kill leaves it
    Fake(tmp_path).train()
    lines = scalar_log.read(tmp_path / "scalars.jsonl")
    losses = {line["step"]: line["train/loss"] for line in lines if "train/loss" in line}
    assert [line["step"] for line in lines if "train/loss" in line] == list(range(1, EPOCHS * STEPS + 1))
    assert losses[7] == pytest.approx(1 / 7)
    assert [line["val/miou"] for line in lines if "val/miou" in line] == [0.1, 0.4, 0.3, 0.2]
    assert lines[-1]["final/miou"] == 0.4 and lines[-1]["final/epoch"] == 2


def test_the_profile_of_chosen_steps_marks_each_of_them(tmp_path: Path) -> None:
    Fake(tmp_path).train(profile=(STEPS + 2, STEPS + 4), total=2 * STEPS)
    (path,) = (tmp_path / "events/plugins/profile").glob("*/*.xplane.pb")
    assert marked_steps(path) == [7, 8, 9]


def test_steps_of_one_call_are_profiled_as_one(tmp_path: Path) -> None:
    Fake(tmp_path).train(profile=(2, 2), total=STEPS, steps_per_call=3)
    (path,) = (tmp_path / "events/plugins/profile").glob("*/*.xplane.pb")
    assert marked_steps(path) == [1]


def marked_steps(path: Path) -> list[int]:
    """Numbers of the steps in a profile, in order."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    steps = []
    for plane in xplane_pb2.XSpace.FromString(path.read_bytes()).planes:
        for event in (event for line in plane.lines for event in line.events):
            if plane.event_metadata[event.metadata_id].name == profiler.MARKER:
                values = {plane.stat_metadata[stat.metadata_id].name: stat for stat in event.stats}
                steps.append(values["step_num"].int64_value)
    return sorted(steps)


@pytest.mark.parametrize("validated", [True, False])
def test_hparams_shows_the_end_of_a_training(tmp_path: Path, validated: bool) -> None:
    from tensorboard.plugins.hparams import plugin_data_pb2

    unmeasured = {} if validated else {"validate": None}
    display = Display(SPEC, settings={"train.epochs": 4, "input.size": [64, 64]})
    Fake(tmp_path).train(display=display, **unmeasured)
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    started, ended = (
        plugin_data_pb2.HParamsPluginData.FromString(events.SummaryMetadata(tag).plugin_data.content)
        for tag in ("_hparams_/session_start_info", "_hparams_/session_end_info")
    )
    settings = started.session_start_info.hparams
    assert settings["train.epochs"].number_value == 4 and settings["input.size"].string_value == "[64, 64]"
    assert ended.session_end_info.end_time_secs >= started.session_start_info.start_time_secs
    assert ("final/miou" in events.Tags()["scalars"]) == validated


def test_histograms_and_the_graph_are_those_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(tmp_path)
    graph = tf.function(lambda: tf.constant(1, name="one")).get_concrete_function().graph.as_graph_def()
    monkeypatch.setattr(tensorboard_pictures, "trace_graph", lambda model, size: graph.SerializeToString())
    fake.train(display=Display(SPEC, histograms=True, graph_size=(8, 8)))
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"histograms": 0}).Reload()
    (name,) = events.Tags()["histograms"]
    shown = events.Histograms(name)
    assert name == f"weights/{fake.model.weights[0].path}" and [each.step for each in shown] == [5, 10, 15, 20]
    assert shown[1].histogram_value.num == 1 and shown[1].histogram_value.max == pytest.approx(fake.weight)
    assert "one" in [node.name for node in events.Graph().node]
