"""`train.batch_size: auto`: the largest share that fits, no trial of one that does not, one size for all workers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config.input import InputConfig
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.host import machine
from pipeline.input import decoded
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import train
from pipeline.training import batch_size
from pipeline.training.batch_size import Share, agree, largest
from pipeline.training.memory_trial import is_out_of_memory

PROJECT = Path(__file__).parents[3]
GB = 10**9


def device(base: float, each: float, memory: float = float("inf")) -> tuple[Callable[[int], int | None], list[int]]:
    """A device with `memory` GB whose steps take `base` GB and `each` GB per image; and the list of tried shares."""
    tried: list[int] = []

    def peak(images: int) -> int | None:
        tried.append(images)
        taken = base + each * images
        return int(taken * GB) if taken <= memory else None

    return peak, tried


def test_on_a_cpu_large_shares_are_extrapolated() -> None:
    peak, tried = device(1.0, 0.3)
    assert largest(peak, unit=1, most=400, limit=12 * GB) == Share(32, int(10.6 * GB), 12 * GB)
    assert tried == [1, 2]


def test_slow_growth_needs_more_trials_but_none_that_does_not_fit() -> None:
    peak, tried = device(1.0, 0.01)
    assert largest(peak, unit=1, most=400, limit=int(1.5 * GB)).images == 32
    assert tried == [1, 2, 4, 8, 16, 32]  # 64 would need 1.64 GB


def test_a_share_has_at_most_all_images() -> None:
    assert largest(device(1.0, 0.3)[0], unit=1, most=25, limit=100 * GB).images == 16
    assert largest(device(1.0, 0.0001)[0], unit=1, most=25, limit=100 * GB).images == 16


def test_on_a_gpu_shares_grow_until_one_does_not_fit() -> None:
    peak, tried = device(1.0, 0.3, memory=12)
    assert largest(peak, unit=1, most=400, limit=None).images == 32
    assert tried == [1, 2, 4, 8, 16, 32, 64]


def test_a_share_splits_into_its_parts() -> None:
    assert largest(device(1.0, 0.3)[0], unit=6, most=400, limit=12 * GB).images == 24


@pytest.mark.parametrize("limit", [GB, -GB])
def test_no_share_fits(limit: int) -> None:
    assert largest(device(1.0, 0.3)[0], unit=1, most=400, limit=limit).images == 0


class Team:
    """A team whose other workers have shares of `others` images."""

    def __init__(self, *others: int, is_chief: bool = True, stored: int = 0) -> None:
        self.others, self.is_chief, self.stored = others, is_chief, stored

    def broadcast(self, number: int) -> int:
        return number if self.is_chief else self.stored

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        return np.array([*numbers, *self.others])


class Devices:
    def __init__(self, number: int) -> None:
        self.num_replicas_in_sync = number


def number(share: Share | None, team: Any, replicas: int, out: Path, unit: int = 1, most: int = 100) -> int:
    return agree(share, team, Devices(replicas), unit=unit, most=most, out=out)  # type: ignore[arg-type]


def test_the_worker_with_the_least_memory_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert number(Share(16, 3 * GB, 4 * GB), Team(8), 2, tmp_path) == 16
    line = "train     batch_size auto: 16 images (8 x 2 devices), limited by another worker\n"
    assert capsys.readouterr().out == line and len(line) <= 80
    assert json.loads((tmp_path / batch_size.FILE).read_text()) == {"batch_size": 16, "devices": 2}


def test_all_devices_together_have_at_most_all_images(tmp_path: Path) -> None:
    assert number(Share(64, 3 * GB, None), Team(), 4, tmp_path) == 64  # 16 each of 100 images
    with pytest.raises(UserError, match="3 images, fewer than 2 for each of 4 devices"):
        number(Share(2, GB, None), Team(), 4, tmp_path / "few", unit=2, most=3)


def test_a_resumed_training_keeps_its_batch_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number(Share(16, 3 * GB, 4 * GB), Team(), 1, tmp_path)
    assert capsys.readouterr().out == "train     batch_size auto: 16 images, 3.0 of 4.0 GB\n"
    assert number(None, Team(), 2, tmp_path) == 16
    assert capsys.readouterr().out == "train     batch_size auto: 16 images, as when this training started\n"
    with pytest.raises(UserError, match="started with 16 images on 1 device, which 3 cannot share evenly"):
        number(None, Team(), 3, tmp_path)


def test_a_new_worker_uses_the_batch_size_of_the_chief(tmp_path: Path) -> None:
    assert number(Share(16, GB, None), Team(is_chief=False, stored=4), 2, tmp_path) == 4
    assert not (tmp_path / batch_size.FILE).exists()


def test_what_is_kept_in_memory_lies_beside_the_step() -> None:
    sizes = {"10x20": 3, "20x30": 1}
    kept = {cache: decoded.cached_bytes(InputConfig(cache=cache), sizes) for cache in ("memory", "auto", "none")}
    assert kept == {"memory": 4800, "auto": 4800, "none": 0}
    assert decoded.cached_bytes(InputConfig(size=(5, 5)), sizes) == 400
    assert decoded.cached_bytes(InputConfig(cache_budget_gb=4799e-9), sizes) == 0


def tiny(*settings: str) -> Recipe:
    path = str(PROJECT / "tests/tiny.yaml")
    return load_recipe(path, ["data.manual_dir=unused", "train.batch_size=auto", "train.epochs=1", *settings])


def test_the_smallest_share_follows_from_accumulation_and_network() -> None:
    shares = [["model.name=fast"], ["model.name=ddrnet"], ["model.name=ddrnet", "train.accumulate=3"]]
    assert [batch_size.smallest_share(tiny("model.options={}", *settings)) for settings in shares] == [1, 2, 6]


@pytest.mark.long
def test_a_training_finds_its_batch_size_and_prints_it(
    ingested: Path, validated: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sections = tiny("train.learning_rate_batch=4", "train.accumulate=2").only(("input", "model", "train"))
    train.run(sections, {"ingest": ingested, "validate": validated}, tmp_path)
    shown = capfd.readouterr().out
    assert "batch_size auto: 8 images, as there are 8 in all" in shown
    assert "1 epochs of 1 steps of 8 images, learning rate 0.01 x 8/4" in shown
    assert json.loads((tmp_path / batch_size.FILE).read_text())["batch_size"] == 8


def test_with_too_little_memory_nothing_is_trained(
    ingested: Path, validated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trial:
        def __init__(self, *_: object, most: int) -> None:
            self.on_gpu, self.peak = False, device(1.0, 0.3)[0]

        def __enter__(self) -> "Trial":
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(batch_size, "Trial", Trial)
    inputs = {"ingest": ingested, "validate": validated}
    for free, message in (
        (GB, r"a step with 1 image does not fit into the 0.8 GB"),
        (None, "does not report its free"),
    ):
        monkeypatch.setattr(machine, "memory_available", lambda free=free: free)
        with pytest.raises(UserError, match=message):
            train.run(tiny().only(("input", "model", "train")), inputs, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [tf.errors.NotFoundError, tf.errors.InternalError, tf.errors.UnknownError])
def test_vague_gpu_errors_mean_memory_only_after_a_share_that_fitted(
    kind: type[tf.errors.OpError],
) -> None:
    error = kind(None, None, "No algorithm worked!")  # type: ignore[call-arg]
    assert is_out_of_memory(error, after_a_fit=True)
    assert not is_out_of_memory(error, after_a_fit=False)
    exhausted = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert is_out_of_memory(exhausted, after_a_fit=False)
    wrong = tf.errors.InvalidArgumentError(None, None, "Incompatible shapes")
    assert not is_out_of_memory(wrong, after_a_fit=True)


def test_accumulation_and_auto_can_be_combined() -> None:
    assert tiny("train.accumulate=3").train.batch_size == "auto"
    for wrong in ("many", "0", "true", "2.5"):
        with pytest.raises(
            UserError, match=r"train.batch_size: must be a number of images above 0, or auto: .*Received"
        ):
            tiny(f"train.batch_size={wrong}")
