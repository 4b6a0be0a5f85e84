"""Statistics and schema as messages of tensorflow_metadata, which tools of TFX and Facets read."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from datasets.spec import DatasetSpec
from pipeline.data.statistics import SplitStatistics

NUMBER = statistics_pb2.FeatureNameStatistics.INT
TEXT = statistics_pb2.FeatureNameStatistics.STRING
BYTES = statistics_pb2.FeatureNameStatistics.BYTES


def statistics(splits: Mapping[str, SplitStatistics], spec: DatasetSpec) -> bytes:
    """Return the bytes of a DatasetFeatureStatisticsList, one entry per split.

    `height` and `width` are numbers, `group` is text; the pixels and images of each class are histograms of `label`.
    """
    message = statistics_pb2.DatasetFeatureStatisticsList()
    for name, split in splits.items():
        dataset = message.datasets.add(name=name, num_examples=split.images)
        heights, widths = Counter[int](), Counter[int]()
        for (height, width), number in split.sizes.items():
            heights[height] += number
            widths[width] += number
        _number(dataset.features.add(name="height", type=NUMBER), heights)
        _number(dataset.features.add(name="width", type=NUMBER), widths)
        _text(dataset.features.add(name="group", type=TEXT), split.groups)
        _label(dataset.features.add(name="label", type=BYTES), split, spec)
        _image(dataset.features.add(name="image", type=BYTES), split)
    return message.SerializeToString(deterministic=True)


def schema(spec: DatasetSpec) -> bytes:
    """Return the bytes of the Schema of every record."""
    message = schema_pb2.Schema()
    message.string_domain.add(name="classes", value=spec.classes)
    for name in ("image", "label", "id", "group", "height", "width"):
        kind = schema_pb2.INT if name in ("height", "width") else schema_pb2.BYTES
        feature = message.feature.add(name=name, type=kind)
        feature.presence.min_fraction = 1.0
        feature.shape.SetInParent()  # one value
        if kind == schema_pb2.INT:
            feature.int_domain.min = 1
        elif name in ("image", "label"):
            feature.image_domain.SetInParent()
        else:
            feature.natural_language_domain.SetInParent()
    return message.SerializeToString(deterministic=True)


def _number(feature: statistics_pb2.FeatureNameStatistics, counts: Counter[int]) -> None:
    """Fill the statistics of a numeric feature from the count of each value."""
    values = np.repeat(sorted(counts), [counts[value] for value in sorted(counts)])
    stats = feature.num_stats
    _common(stats.common_stats, len(values))
    if len(values):
        stats.min, stats.max, stats.median = float(values[0]), float(values[-1]), float(np.median(values))
        stats.mean, stats.std_dev = float(values.mean()), float(values.std())


def _text(feature: statistics_pb2.FeatureNameStatistics, counts: Counter[str]) -> None:
    stats = feature.string_stats
    _common(stats.common_stats, counts.total())
    stats.unique = len(counts)
    _rank(stats.rank_histogram, counts)


def _label(feature: statistics_pb2.FeatureNameStatistics, split: SplitStatistics, spec: DatasetSpec) -> None:
    _common(feature.bytes_stats.common_stats, split.images)
    for name, numbers in (("pixels", split.pixels), ("images", split.images_with_class)):
        counts = dict(zip(spec.classes, numbers.tolist(), strict=True))
        _rank(feature.custom_stats.add(name=f"{name} of each class").rank_histogram, counts)
    feature.custom_stats.add(name="void pixels", num=split.void_pixels)


def _image(feature: statistics_pb2.FeatureNameStatistics, split: SplitStatistics) -> None:
    _common(feature.bytes_stats.common_stats, split.images)
    for channel, name in enumerate(("red", "green", "blue")):
        feature.custom_stats.add(name=f"mean of {name}", num=split.mean[channel])
        feature.custom_stats.add(name=f"standard deviation of {name}", num=split.std[channel])


def _common(stats: statistics_pb2.CommonStatistics, number: int) -> None:
    """State that every record holds exactly one value."""
    stats.num_non_missing = stats.tot_num_values = number
    stats.min_num_values = stats.max_num_values = 1
    stats.avg_num_values = 1.0


def _rank(histogram: statistics_pb2.RankHistogram, counts: Mapping[str, int]) -> None:
    for rank, (label, number) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0]))):
        histogram.buckets.add(low_rank=rank, high_rank=rank, label=label, sample_count=number)
