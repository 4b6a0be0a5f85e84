"""Weights of the classes in the loss, from their frequencies. A class without a pixel has weight 0."""

import numpy as np

from pipeline.data.statistics import SplitStatistics

ENET_OFFSET = 1.02
"""`c` of ENet's 1 / ln(c + share), which keeps the weights between 1 and 50 (Paszke et al. 2016)."""


def median_frequency(split: SplitStatistics) -> np.ndarray:
    """Return the median class frequency over each class's frequency, float64 [C] (Eigen and Fergus 2015).

    A frequency is the share of the class among the labelled pixels of the images that show it; the median is over the
    classes that occur.

    >>> split = SplitStatistics(num_classes=3)
    >>> split.pixels[:] = [90, 10, 0]
    >>> split.pixels_beside_class[:] = [100, 20, 0]  # class 1 is in one small image only
    >>> median_frequency(split).round(3).tolist()
    [0.778, 1.4, 0.0]
    """
    occurs = split.pixels > 0
    frequency = split.pixels[occurs] / split.pixels_beside_class[occurs]
    weights = np.zeros(split.num_classes)
    if occurs.any():
        weights[occurs] = np.median(frequency) / frequency
    return weights


def sqrt_median_frequency(split: SplitStatistics) -> np.ndarray:
    """Return the square root of `median_frequency`, float64 [C]: it favours rare classes less."""
    return np.sqrt(median_frequency(split))


def enet(split: SplitStatistics) -> np.ndarray:
    """Return 1 / ln(1.02 + share of the labelled pixels), float64 [C] (Paszke et al. 2016)."""
    return np.where(split.pixels > 0, 1 / np.log(ENET_OFFSET + split.shares), 0)


def all_kinds(split: SplitStatistics) -> dict[str, list[float]]:
    """Return every kind of weights by its name in `train.class_weights`."""
    return {rule.__name__: rule(split).tolist() for rule in (median_frequency, sqrt_median_frequency, enet)}
