"""The progress bar and the lines of a training."""

import pytest

from pipeline.training.progress_bar import ProgressBar

ENTRY = {"epoch": 1, "loss": 0.5, "miou": None, "images_per_s": None, "data_wait": None}


def test_an_epoch_of_one_step_has_no_speed_yet(capsys: pytest.CaptureFixture) -> None:
    with ProgressBar(3, 1, 0) as progress:
        progress.update(1, 1, 0.5, None)
        progress.epoch(ENTRY)
        progress.update(2, 2, 0.4, None)
        progress.epoch({**ENTRY, "epoch": 2, "miou": 0.25, "images_per_s": 12.4, "data_wait": 0.031})
    first, second = capsys.readouterr().out.splitlines()
    assert first == "epoch 1/3  loss 0.500  left ?"
    assert second.startswith("epoch 2/3  loss 0.500  val mIoU 0.250  12 img/s  data wait 3 %  left 0 s")


def test_nothing_is_drawn_before_the_first_step(capsys: pytest.CaptureFixture) -> None:
    ProgressBar(3, 1, 0)
    assert capsys.readouterr() == ("", "")
