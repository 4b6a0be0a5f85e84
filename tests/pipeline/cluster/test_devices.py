"""The choice of devices, and the refusal of what this machine does not have."""

import pytest
import tensorflow as tf

from pipeline.cluster import devices
from pipeline.config.train import TrainConfig
from pipeline.errors import UserError


class Replicas:
    def __init__(self, number: int) -> None:
        self.num_replicas_in_sync = number


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_gpus", list)


def config(**settings) -> TrainConfig:
    return TrainConfig(epochs=1, learning_rate=0.1, **{"batch_size": 8} | settings)


@pytest.mark.parametrize("strategy", ["auto", "one_device"])
def test_without_a_gpu_the_cpu_is_used(no_gpu: None, strategy: str) -> None:
    chosen = devices.training_strategy(config(strategy=strategy))
    assert chosen.num_replicas_in_sync == 1
    with chosen.scope():
        assert "CPU:0" in tf.Variable(0.0).device.upper()


def test_mirrored_without_a_gpu_names_the_devices_and_the_remedy(no_gpu: None) -> None:
    with pytest.raises(UserError, match=r"no GPU here \(\d+ CPU cores?\).*'auto'.*segline\[gpu\]"):
        devices.training_strategy(config(strategy="mirrored"))


def test_nccl_without_a_gpu_is_refused(no_gpu: None) -> None:
    with pytest.raises(UserError, match=r"communication.all_reduce is 'nccl', which needs GPUs.*Set it to 'auto'"):
        devices.training_strategy(config(communication={"all_reduce": "nccl"}))


def test_a_batch_must_be_shared_evenly() -> None:
    devices.check_batch(8, Replicas(4))
    with pytest.raises(UserError, match=r"batch_size is 10, which 4 devices cannot share evenly. Set it to 8 or 12"):
        devices.check_batch(10, Replicas(4))
    with pytest.raises(UserError, match="Set it to 4, or"):
        devices.check_batch(2, Replicas(4))


def test_each_share_must_split_evenly_too() -> None:
    devices.check_batch(8, Replicas(2), parts=4)
    with pytest.raises(UserError, match=r"4, which 2 devices cannot share evenly in 4 parts each \(train.accumulate\)"):
        devices.check_batch(4, Replicas(2), parts=4)


def test_devices_are_described_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_gpus", lambda: ["a", "b", "c"])
    names = {"a": "NVIDIA H100", "b": "NVIDIA H100", "c": "NVIDIA T4"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": names[gpu]})
    assert devices.describe() == "2 x NVIDIA H100, 1 x NVIDIA T4"
