"""`train.batch_norm`: when the statistics are shared, and what the line about `auto` says."""

from typing import Any

import pytest

from pipeline.config.train import TrainConfig
from pipeline.training import batch_norm


def config(**settings: Any) -> TrainConfig:
    return TrainConfig(**{"epochs": 1, "learning_rate": 0.1, "batch_size": 64, **settings})


@pytest.mark.parametrize(
    ("settings", "replicas", "shared"),
    [
        ({}, 2, True),
        ({}, 1, False),
        ({"batch_norm": "local"}, 2, False),
        ({"batch_norm": "auto"}, 1, False),
        ({"batch_norm": "auto"}, 4, False),  # 16 images each
        ({"batch_norm": "auto"}, 8, True),
        ({"batch_norm": "auto", "accumulate": 2}, 4, True),  # 8 at once
    ],
)
def test_it_is_shared_by_choice_or_where_devices_have_few_images(
    settings: dict[str, Any], replicas: int, *, shared: bool
) -> None:
    assert batch_norm.is_synchronized(config(**settings), replicas) is shared


def test_a_line_says_what_auto_chose() -> None:
    auto = config(batch_norm="auto")
    assert batch_norm.describe(auto, 8) == "batch_norm sync: each device has 8 images at once, fewer than 16"
    assert batch_norm.describe(auto, 4) == "batch_norm local: each device has 16 images at once, at least 16"
    assert batch_norm.describe(auto, 1) == batch_norm.describe(config(), 8) == ""
