"""`train.budget`: the number of steps follows from the first epoch's pace, and ends the training within its time."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.train import TrainConfig
from pipeline.errors import Interrupted, UserError
from pipeline.steps import train
from pipeline.training import budget, optimisation, trainer
from pipeline.training.budget import Budget, Pace
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.state import State
from pipeline.training.validation import Validation
from tests.pipeline.training.fake import STEPS, Fake

COMPILING, STEP, BATCH = 20.0, 1.0, 2.0


class Clock:
    """A clock that moves only when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (trainer, "pipeline.training.budget_meter"):
        target = f"{module}.time" if isinstance(module, str) else f"{module.__name__}.time"
        monkeypatch.setattr(target, made)
    return made


class Timed(Fake):
    """A training whose steps and batches of validation take time, the first ones much more."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, mious=[0.1 + 0.01 * epoch for epoch in range(100)])
        self.clock, self.steps, self.batches_done = clock, 0, 0
        self.totals: list[int] = []

    def update(self, number: int) -> dict[str, tf.Tensor]:
        self.clock.now += STEP if self.steps else COMPILING
        self.steps += 1
        return super().update(number)

    def validate(self, between: Callable[[], None]) -> Validation:
        for _ in range(3):
            self.clock.now += BATCH if self.batches_done else COMPILING
            self.batches_done += 1
            between()
        return super().validate(lambda: None)

    def train(self, **settings: Any) -> State:
        seconds = settings.pop("seconds", 200.0)
        limit = {"total": None, "budget": Budget(seconds, self.clock.now, fewest=STEPS + 1)}
        return super().train(**{"set_total": self.totals.append, **limit, **settings})


@pytest.mark.parametrize("validate_every", [1, 3])
@pytest.mark.parametrize("seconds", [100.0, 123.0, 200.0, 500.0])
def test_a_training_ends_with_its_budget(tmp_path: Path, clock: Clock, seconds: float, validate_every: int) -> None:
    """The budget covers the evaluation, which takes as long as a validation."""
    began = clock.now
    fake = Timed(tmp_path, clock)
    state = fake.train(seconds=seconds, validate_every=validate_every)
    ended = clock.now - began + 3 * BATCH
    # One step more, and with it perhaps another epoch and its validation, would not fit.
    assert budget.USED * seconds - STEP - 3 * BATCH < ended <= seconds
    assert state.total == fake.steps == fake.totals[-1] and fake.totals == [state.total]
    assert len(state.history) == -(-fake.steps // STEPS) and state.history[-1]["miou"] is not None


@pytest.mark.parametrize(("seconds", "validate_every"), [(120.0, 1), (127.0, 3)])
def test_the_recorded_number_of_steps_gives_the_same_training(
    tmp_path: Path, clock: Clock, seconds: float, validate_every: int
) -> None:
    fake, again = Timed(tmp_path / "a", clock), Timed(tmp_path / "b", clock)
    state = fake.train(seconds=seconds, validate_every=validate_every)
    assert state.total and state.total % STEPS  # ends within an epoch
    repeated = again.train(total=state.total, budget=None, validate_every=validate_every)
    chosen = ("epoch", "loss", "lr", "miou")
    assert [[entry[key] for key in chosen] for entry in repeated.history] == [
        [entry[key] for key in chosen] for entry in state.history
    ]
    assert again.weight == fake.weight and repeated.best == state.best


@pytest.mark.parametrize("where", ["step 3", "validation 1", "step 12", "last step"])
def test_an_interrupted_training_keeps_its_budget(tmp_path: Path, clock: Clock, where: str) -> None:
    whole = Timed(tmp_path / "whole", clock).train()
    assert whole.total
    cut = Timed(tmp_path / "cut", clock)
    kind, _, number = where.partition(" ")
    chosen = cut.on_validation if kind == "validation" else cut.on_step
    chosen[int(number) if number.isdecimal() else whole.total] = lambda: os.kill(os.getpid(), signal.SIGINT)
    began = clock.now
    with pytest.raises(Interrupted):
        cut.train()
    spent = clock.now - began
    clock.now += 10_000  # between two processes no budget is spent
    began = clock.now
    again = Timed(tmp_path / "cut", clock)
    state = again.train()
    if where == "step 3":  # the number of steps was not set yet: what is lost comes off it
        assert 180 < spent + clock.now - began <= 200 - 3 * BATCH
    elif where == "validation 1":  # the second process compiles its steps after the number is set
        assert 180 < spent + clock.now - began <= 200 - 3 * BATCH + COMPILING
    else:
        assert state.total == whole.total and again.totals == [whole.total]


def test_a_budget_that_is_much_too_small_is_refused_early(tmp_path: Path, clock: Clock, monkeypatch: Any) -> None:
    monkeypatch.setattr(budget, "PROBE_STEPS", 2)
    fake = Timed(tmp_path, clock)
    # Compiling and 2 steps took 22 s; 7 s more are 29 s.
    said = r"train.budget is 27 s; 22 s are spent, and 7 more steps, .* at 1 s each, take another 7\.0 s.*at least 32 s"
    with pytest.raises(UserError, match=said):
        fake.train(seconds=27.0)
    assert fake.steps == 3  # one compiles
    assert Timed(tmp_path / "enough", clock).train(seconds=28.0, validate=None).total


def test_a_budget_that_the_first_epoch_spends_is_refused(tmp_path: Path, clock: Clock) -> None:
    """The first epoch took 48 s; a step, its validation, and the evaluation come after it: 61 s."""
    assert Timed(tmp_path / "enough", clock).train(seconds=61 / 1.04).total == STEPS + 1
    with pytest.raises(UserError, match=r"48 s are spent, and 1 more steps, the fewest, their validation and .* 13 s"):
        Timed(tmp_path, clock).train(seconds=61 / 1.06)


def test_what_follows_the_batches_of_a_validation_is_part_of_it(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saving the best weights and drawing, for instance."""
    save = Checkpoints.save_best

    def slow(*arguments: Any) -> None:
        clock.now += 10.0
        save(*arguments)

    monkeypatch.setattr(Checkpoints, "save_best", slow)
    began = clock.now
    Timed(tmp_path, clock).train(seconds=500.0)
    assert 450 < clock.now - began <= 500 - 3 * BATCH - 10


def test_a_budget_that_is_a_little_too_small_has_a_hint(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    state = Timed(tmp_path, clock).train(seconds=60.0)
    assert state.total == STEPS + 1 and len(state.history) == 2
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 min 0 s are 6 steps, 1.2 epochs: 1 s each, 6.0 s a validation. The budget is too small" in shown


class Helper:
    """A worker that is not the chief, whose numbers it gets."""

    is_single, is_chief = False, False

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def broadcast(self, number: int) -> int:
        return self.numbers.pop(0)

    def sum(self, array: np.ndarray) -> np.ndarray:
        return array + np.array([0, 1, 1])  # the chief plans one step, and to vote again after it

    def barrier(self) -> None:
        pass


def test_workers_take_the_number_of_the_chief(tmp_path: Path, clock: Clock) -> None:
    fake = Timed(tmp_path, clock)
    state = fake.train(team=Helper([-1, 20_000_000, 1_000_000, 12]), validate=None)
    assert state.total == fake.steps == 12


def test_the_number_is_stored_with_the_end_of_the_first_epoch(tmp_path: Path, clock: Clock) -> None:
    fake = Timed(tmp_path, clock)
    fake.on_step[STEPS + 1] = lambda: (_ for _ in ()).throw(RuntimeError("the machine dies"))
    with pytest.raises(RuntimeError, match="dies"):
        fake.train()
    checkpoint = Checkpoints(tmp_path / "checkpoints").latest()
    assert checkpoint and (checkpoint.state["epoch"], checkpoint.state["total"]) == (1, fake.totals[0])
    json.dumps(checkpoint.state, allow_nan=False)


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize("seconds", [-5.0, 0.0, 7.0, 64.5, 400.0])
def test_the_most_steps_that_fit_are_taken(seconds: float, every: int) -> None:
    pace = Pace(step=0.5, validation=3.0, checkpoint=0.25)
    total = budget.total_steps(seconds, pace, steps=10, validate_every=every, fewest=11)
    assert total == 11 or pace.further(total, 10, every) <= seconds
    assert pace.further(total + 1, 10, every) > seconds

    def plain(total: int) -> float:
        """The time after the first epoch, epoch by epoch."""
        seconds, epochs = 0.0, -(-total // 10)
        for epoch in range(2, epochs + 1):
            seconds += 0.5 * min(10, total - 10 * (epoch - 1)) + 0.25
            seconds += 3.0 if epoch % every == 0 or epoch == epochs else 0
        return seconds

    assert pace.further(total, 10, every) == pytest.approx(plain(total))


def test_the_first_batch_of_a_validation_counts_as_the_others() -> None:
    assert budget.validation_seconds([0.0, 30.0, 32.0, 34.0, 34.5]) == pytest.approx(6.5)
    assert budget.validation_seconds([0.0, 30.0, 31.0]) == 31.0  # one batch: nothing to compare it with


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"warmup_epochs": 0.5}, "set `warmup_epochs` to at least 1. Received: 0.5."),
        ({"schedule": "step", "decay_epochs": (3,)}, "`schedule: step` names epochs"),
        ({"backbone": {"frozen_epochs": 2}}, "set it to 0 or 'all'. Received: 2."),
        ({"epochs": 3}, "set one of `epochs` and `budget`, the other to null. Received: epochs 3 and budget 2280 s."),
        ({"budget": None}, "Received: neither."),
        ({"budget": "soon"}, "must be a duration above 0, such as 38m, 1h 30m or 90s. Received: 'soon'."),
        ({"budget": "0m"}, "must be a duration above 0"),
        ({"budget": True}, "must be a duration above 0"),
    ],
)
def test_what_does_not_go_with_a_budget_is_refused(settings: dict[str, Any], expected: str) -> None:
    common = {"budget": "38m", "warmup_epochs": 1, "batch_size": 2, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=re.escape(expected)):
        TrainConfig(**{**common, **settings})


def test_an_epoch_of_one_call_has_no_pace() -> None:
    common: dict[str, Any] = {"batch_size": 2, "learning_rate": 0.1, "warmup_epochs": 1, "steps_per_call": 8}
    with pytest.raises(UserError, match=r"an epoch of 8 steps is one call.*Set train.epochs"):
        train._check_budget(TrainConfig(budget=60, **common), 8)
    train._check_budget(TrainConfig(budget=60, **common), 9)
    train._check_budget(TrainConfig(epochs=1, **common), 8)


@pytest.mark.parametrize("schedule", ["cosine", "poly", "constant"])
def test_rates_are_those_of_the_same_number_of_epochs(schedule: str) -> None:
    """Before the number is known too, as the warm-up does not depend on it."""
    common: dict[str, Any] = {"batch_size": 2, "learning_rate": 0.1, "warmup_epochs": 1.2, "schedule": schedule}
    fixed = optimisation.learning_rate(TrainConfig(epochs=5.3, **common), 10)
    rate = optimisation.learning_rate(TrainConfig(budget="38m", **common), 10)
    # As an optimiser reads it: compiled before the number is known, and to the same operations, so to the last bit.
    read, expected = tf.function(lambda step: rate(step)), tf.function(lambda step: fixed(step))
    assert [float(read(tf.constant(step))) for step in range(10)] == [
        float(expected(tf.constant(step))) for step in range(10)
    ]
    rate.total_steps.assign(53)
    assert [float(read(tf.constant(step))) for step in range(53)] == [
        float(expected(tf.constant(step))) for step in range(53)
    ]
    assert rate.get_config()["total_steps"] == 53
