"""Metrics as text."""

from collections.abc import Mapping
from typing import Any


def dataset_name(metrics: Mapping[str, Any]) -> str:
    """Return the name of the dataset that metrics are of, as its user knows it; older metrics hold the builder's only.

    >>> dataset_name({"dataset": "image_folder", "title": "my photos"}), dataset_name({"dataset": "camvid"})
    ('my photos', 'camvid')
    """
    return str(metrics.get("title") or metrics.get("dataset"))


def number(value: float | None) -> str:
    """Format a metric with four digits, or n/a where it is undefined.

    >>> number(0.62), number(None)
    ('0.6200', 'n/a')
    """
    return "n/a" if value is None else f"{value:.4f}"


def share_of_pixels(value: float | None) -> str:
    """Format a share in 0..1 so that a pixel in a million is not 0, or n/a where it is undefined.

    >>> share_of_pixels(1e-6)
    '0.0001%'
    """
    return "n/a" if value is None else f"{value:.4%}"
