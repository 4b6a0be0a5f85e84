"""`train.batch_norm`: whether batch normalisation takes the statistics of all devices' images or of each one's own."""

from pipeline.config.train import TrainConfig

ENOUGH = 16
"""Images at once from which on a device's own statistics serve as well as those of all. ResNet-50 on ImageNet has an
error of 23.6 % with statistics of 32 images, 23.7 % of 16, 24.8 % of 8, 27.3 % of 4 and 34.7 % of 2 (Wu & He 2018,
arXiv:1803.08494, table 2)."""


def is_synchronized(train: TrainConfig, replicas: int) -> bool:
    """Return whether the statistics are those of all `replicas` devices; one device has nothing to share."""
    if train.batch_norm == "auto":
        return replicas > 1 and _at_once(train, replicas) < ENOUGH
    return replicas > 1 and train.batch_norm == "sync"


def describe(train: TrainConfig, replicas: int) -> str:
    """Return a line's text on what `auto` chose, and why; "" where nothing was to be chosen."""
    if train.batch_norm != "auto" or replicas == 1:
        return ""
    shared = is_synchronized(train, replicas)
    return (
        f"batch_norm {'sync' if shared else 'local'}: each device has {_at_once(train, replicas)} images at once, "
        f"{'fewer than' if shared else 'at least'} {ENOUGH}"
    )


def _at_once(train: TrainConfig, replicas: int) -> int:
    return train.images // (replicas * train.accumulate)
