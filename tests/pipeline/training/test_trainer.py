"""The loop, on a model of one weight: what stops it, what it keeps, and that a resumed training ends the same."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import Interrupted, Paused, UserError
from pipeline.training import step_loops
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.moving_average import MovingAverage
from pipeline.training.state import State
from pipeline.training.validation import Validation
from tests.pipeline.training.fake import EPOCHS, STEPS, Fake


def figures(state: State) -> list[dict[str, Any]]:
    """The history without times and speeds."""
    clock = ("seconds", "images_per_s", "data_wait")
    return [{key: value for key, value in entry.items() if key not in clock} for entry in state.history]


def test_the_history_has_an_entry_for_each_epoch(tmp_path: Path) -> None:
    state = Fake(tmp_path).train()
    first = state.history[0]
    assert [entry["epoch"] for entry in state.history] == [1, 2, 3, 4]
    assert first["loss"] == pytest.approx(np.mean([1 / number for number in range(1, 6)]))
    assert first["lr"] == pytest.approx(0.1 / 5)
    assert first["miou"] == 0.1 and first["per_class_iou"] == {"Sky": 0.1, "Car": None}
    assert first["images_per_s"] > 0 and 0 <= first["data_wait"] <= 1
    json.dumps(state.history, allow_nan=False)


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    best, two = Fake(tmp_path / "a"), Fake(tmp_path / "b", mious=[0.1, 0.2])
    state = best.train()
    two.train(total=2 * STEPS)
    assert state.best["epoch"] == 2 and state.best["value"] == 0.4
    assert best.weight == two.weight != 0


def test_of_equally_good_epochs_the_first_is_kept(tmp_path: Path) -> None:
    assert Fake(tmp_path, mious=[0.0, 0.5, 0.5, 0.5]).train().best["epoch"] == 2


def test_a_training_that_pauses_and_continues_ends_the_same(tmp_path: Path) -> None:
    whole, paused = Fake(tmp_path / "a"), Fake(tmp_path / "b")
    expected = whole.train()
    for _ in range(2):  # a second time it pauses at once
        with pytest.raises(Paused, match="paused after epoch 2"):
            paused.train(pause=2)
    assert Checkpoints(tmp_path / "b" / "checkpoints").peek()[1].state["history"][1]["miou"] == 0.4
    assert figures(paused.train()) == figures(expected) and paused.weight == whole.weight


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    fake, other = Fake(tmp_path / "a"), Fake(tmp_path / "b", mious=[0, 0, 0, 1])
    state = fake.train(validate=None)
    other.train()
    assert state.best == {} and all(entry["miou"] is None for entry in state.history)
    assert fake.weight == other.weight


def test_validation_comes_when_due_and_at_the_end(tmp_path: Path) -> None:
    state = Fake(tmp_path).train(validate_every=3)
    assert [entry["miou"] for entry in state.history] == [None, None, 0.3, 0.2]


@pytest.mark.parametrize("number", [STEPS + 2, STEPS, EPOCHS * STEPS])
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_resumes_to_the_same_result(
    tmp_path: Path, number: int, kind: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Fake(tmp_path / "whole")
    expected = whole.train()
    fake = Fake(tmp_path / "cut")
    fake.on_step[number] = lambda: os.kill(os.getpid(), kind)
    place = f"epoch {(number - 1) // STEPS + 1}, step {(number - 1) % STEPS + 1} of 5"
    before = signal.getsignal(kind)  # a runner in the background has SIGINT ignored
    with pytest.raises(Interrupted, match=f"stopped at {place}; the same command continues from there"):
        fake.train()
    assert signal.getsignal(kind) == before
    again = Fake(tmp_path / "cut")
    state = again.train()
    assert f"resumes after {place}" in capsys.readouterr().out
    assert figures(state) == figures(expected) and state.best == expected.best
    assert again.weight == whole.weight


def test_an_interrupted_validation_is_repeated(tmp_path: Path) -> None:
    expected = Fake(tmp_path / "whole").train()
    fake = Fake(tmp_path / "cut")
    fake.on_validation[2] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match="epoch 2, step 5 of 5"):
        fake.train()
    assert figures(Fake(tmp_path / "cut").train()) == figures(expected)


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # as a service manager and the parent may both send it
        os.kill(os.getpid(), signal.SIGINT)

    fake = Fake(tmp_path)
    fake.on_step[3] = twice
    with pytest.raises(KeyboardInterrupt):
        fake.train()
    assert not (tmp_path / "checkpoints").exists()


def test_a_finished_training_runs_no_further_step(tmp_path: Path) -> None:
    first = Fake(tmp_path)
    expected = first.train()
    again = Fake(tmp_path)
    again.on_step = dict.fromkeys(range(100), pytest.fail)
    assert figures(again.train()) == figures(expected)
    assert again.weight == first.weight


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path: Path) -> None:
    for loss in (float("nan"), float("inf")):
        with pytest.raises(UserError) as error:
            Fake(tmp_path / str(loss), losses={8: loss}).train()
        for part in (f"became {loss} at epoch 2, step 3 of 5", "learning rate 0.0125", "train.learning_rate"):
            assert part in str(error.value)
        checkpoint = Checkpoints(tmp_path / str(loss) / "checkpoints").latest()
        assert checkpoint and checkpoint.state["epoch"] == 1 and checkpoint.state["step"] == 0


def test_checkpoints_are_written_by_time_too(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.on_step[4] = lambda: (_ for _ in ()).throw(RuntimeError("the machine dies"))
    with pytest.raises(RuntimeError, match="dies"):
        fake.train(checkpoint_seconds=1e-9)
    checkpoint = Checkpoints(tmp_path / "checkpoints").latest()
    assert checkpoint and checkpoint.state["step"] == 3


def test_a_warning_about_waiting_for_data_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Slow(Fake):
        def batches(self, epoch: int, step: int) -> Iterator[Any]:
            for number in super().batches(epoch, step):
                time.sleep(0.3)
                yield number

    Slow(tmp_path).train(total=2 * STEPS)
    shown = capsys.readouterr().out
    assert shown.count("waited for data") == 1 and "input.cache" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_lines_of_epochs_fit_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Fake(tmp_path).train()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == EPOCHS and max(map(len, lines)) <= 80
    assert lines[1].startswith("epoch 2/4  loss 0.129  val mIoU 0.400  ") and lines[-1].endswith("left 0 s")


def test_patience_stops_a_training_without_improvement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = Fake(tmp_path, mious=[0.1, 0.4, 0.3, 0.2])
    state = fake.train(patience=1)
    assert state.stopped and len(state.history) == 3 and state.best["epoch"] == 2
    assert "stops early: 1 validations without a better miou" in capsys.readouterr().out
    again = Fake(tmp_path)
    again.on_step = dict.fromkeys(range(100), pytest.fail)
    assert len(again.train(patience=1).history) == 3 and again.weight == fake.weight


def test_patience_counts_validations_before_an_interruption(tmp_path: Path) -> None:
    cut = Fake(tmp_path, mious=[0.4, 0.3, 0.2, 0.1])
    cut.on_step[2 * STEPS + 1] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        cut.train(patience=2)
    state = Fake(tmp_path, mious=[0.4, 0.3, 0.2, 0.1]).train(patience=2)
    assert state.stopped and len(state.history) == 3


def test_the_best_can_be_chosen_by_another_metric(tmp_path: Path) -> None:
    assert Fake(tmp_path).train(best_by="pixel_accuracy").best == {
        "epoch": 1,
        "by": "pixel_accuracy",
        "value": 0.9,
        "file": "best-000000005.npz",
    }


def test_a_step_that_is_not_finite_is_the_last_and_its_images_are_recorded(tmp_path: Path) -> None:
    class Keyed(Fake):
        def batches(self, epoch: int, step: int) -> Iterator[Any]:
            return ({"key": np.array([number, 100]), "number": number} for number in super().batches(epoch, step))

        def update(self, batch: Any) -> dict[str, tf.Tensor]:
            return super().update(batch["number"])

    fake = Keyed(tmp_path, losses={8: float("nan")})
    fake.on_step = dict.fromkeys(range(9, 100), pytest.fail)
    with pytest.raises(UserError, match=r"with the images 8, 100: see .*not_finite.json"):
        fake.train(steps_per_call=3)
    record = json.loads((tmp_path / "not_finite.json").read_text())
    assert (record["epoch"], record["step"], record["images"]) == (2, 3, ["8", "100"])


def test_steps_that_compile_are_not_timed(tmp_path: Path) -> None:
    """The first of a process, and the first with an unfrozen backbone."""
    fake = Fake(tmp_path)
    phases = [step_loops.one_by_one(fake.update) for _ in range(2)]
    state = fake.train(step_runner=lambda epoch: phases[epoch // 2])
    images = [round(entry["images_per_s"] * entry["seconds"]) for entry in state.history]
    assert images == [2 * (STEPS - 1), 2 * STEPS, 2 * (STEPS - 1), 2 * STEPS]


class OneOfTwo:
    """The chief of two workers; records its barriers."""

    is_single, is_chief = False, True

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def broadcast(self, number: int) -> int:
        return number

    def sum(self, array: np.ndarray) -> np.ndarray:
        return array

    def barrier(self) -> None:
        self.events.append("barrier")


def test_workers_wait_until_all_have_read_the_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chief removes the checkpoints at the end: a slower worker would no longer find them."""
    events: list[str] = []
    read = Checkpoints.best

    def best(self: Checkpoints, name: str) -> dict[str, np.ndarray]:
        events.append("read")
        return read(self, name)

    monkeypatch.setattr(Checkpoints, "best", best)
    Fake(tmp_path).train(team=OneOfTwo(events))
    assert events == ["read", "barrier"]


class Averaged(Fake):
    """A training with a moving average of its weight."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.average = MovingAverage(self.model, 0.5, tf.distribute.get_strategy())
        self.measured: list[float] = []

    def update(self, number: int) -> dict[str, tf.Tensor]:
        figures = super().update(number)
        self.average.update()
        return figures

    def validate(self, between: Callable[[], None]) -> Validation:
        self.measured.append(self.weight)
        return super().validate(between)


def test_the_average_is_validated_and_kept(tmp_path: Path) -> None:
    fake, plain = Averaged(tmp_path / "a"), Fake(tmp_path / "b", mious=[0, 0, 0, 1])
    fake.train(average=fake.average)
    plain.train()
    assert fake.weight == fake.measured[1] and len(set(fake.measured)) == 4
    assert plain.weight not in fake.measured


@pytest.mark.parametrize("epoch", [2, 4])
def test_interrupted_while_the_average_is_in_place_it_resumes_to_the_same_result(tmp_path: Path, epoch: int) -> None:
    whole, cut, again = (Averaged(tmp_path / name) for name in ("whole", "cut", "cut"))
    whole.train(average=whole.average)
    cut.on_validation[epoch] = lambda: os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted):
        cut.train(average=cut.average)
    again.train(average=again.average)
    assert again.weight == whole.weight and whole.measured[-1] == again.measured[-1]
