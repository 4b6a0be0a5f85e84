"""Weights of the classes in the loss, from how often they occur. A class without a pixel weighs 0."""

import numpy as np

from pipeline.data.statistics import SplitStatistics

ENET_OFFSET = 1.02
"""`c` of ENet's 1 / ln(c + share), which keeps the weights between 1 and 50 (Paszke et al. 2016)."""


def median_frequency(split: SplitStatistics) -> np.ndarray:
    """Give the median frequency over each class's frequency (Eigen and Fergus 2015).

    A frequency is the share of the class among the labelled pixels of the images that show it. The median is that of
    the classes that occur.

    Returns:
        float64 [C].
    """
    occurs = split.pixels > 0
    frequency = split.pixels[occurs] / split.pixels_beside_class[occurs]
    weights = np.zeros(split.num_classes)
    if occurs.any():
        weights[occurs] = np.median(frequency) / frequency
    return weights


def sqrt_median_frequency(split: SplitStatistics) -> np.ndarray:
    """Give the square root of `median_frequency`: it favours rare classes less steeply."""
    return np.sqrt(median_frequency(split))


def enet(split: SplitStatistics) -> np.ndarray:
    """Give 1 / ln(1.02 + share of the labelled pixels) (Paszke et al. 2016), float64 [C]."""
    return np.where(split.pixels > 0, 1 / np.log(ENET_OFFSET + split.shares), 0)


def all_kinds(split: SplitStatistics) -> dict[str, list[float]]:
    """Give every kind of weights by the name that `train.class_weights` knows it by."""
    return {rule.__name__: rule(split).tolist() for rule in (median_frequency, sqrt_median_frequency, enet)}
