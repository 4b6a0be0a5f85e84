"""The steps of a call and the votes of workers, with durations that the test chooses."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from pipeline.training.rhythm import MOST_STEPS, Rhythm


@pytest.mark.parametrize(("pace", "steps"), [(3.0, 1), (0.1, 2), (0.02, 12), (1e-5, MOST_STEPS)])
def test_under_auto_a_call_takes_a_quarter_of_a_second(pace: float, steps: int) -> None:
    rhythm = Rhythm("auto", None)
    assert not rhythm.stop(requested=False, now=False) and rhythm.steps == 1  # the first call compiles
    rhythm.measure(3 * pace, 3)
    assert rhythm.stop(requested=True, now=False) and rhythm.steps == steps


def test_a_number_of_steps_stays() -> None:
    rhythm = Rhythm(8, None)
    rhythm.measure(1e-3, 8)
    assert not rhythm.stop(requested=False, now=True) and rhythm.steps == 8


class Two:
    """A team of two threads. A sum to which only one of them comes fails."""

    is_single = False
    rows = (np.zeros(3, np.int64), np.zeros(3, np.int64))
    meeting = Barrier(2)

    def __init__(self, index: int) -> None:
        self.index, self.is_chief, self.sums = index, index == 0, 0

    def sum(self, array: np.ndarray) -> np.ndarray:
        self.rows[self.index][:] = array
        self.meeting.wait(timeout=30)
        total = np.sum(self.rows, axis=0)
        self.meeting.wait(timeout=30)
        self.sums += 1
        return total


def test_workers_vote_every_two_seconds_of_the_chief_and_stop_after_the_same_call() -> None:
    def work(index: int) -> tuple[int, int, int]:
        team = Two(index)
        rhythm = Rhythm("auto", team)  # type: ignore[arg-type]
        for call in range(1, 20):
            rhythm.measure((0.5, 0.01)[index], 1)
            if rhythm.stop(requested=index == 1 and call >= 6, now=call == 3):
                break
        return call, rhythm.steps, team.sums

    with ThreadPoolExecutor(2) as pool:
        # After call 1, after 3 as an epoch ends there, and four calls of half a second later.
        assert list(pool.map(work, (0, 1))) == [(7, 1, 3)] * 2
