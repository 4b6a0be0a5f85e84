"""The record: the same features for every dataset, and bytes that depend on nothing but the example."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer


def features(classes: Sequence[str]) -> tfds.features.FeaturesDict:
    """Give the features of a record.

    image: encoded as it came, [H, W, 3] when decoded. label: lossless PNG of train ids, uint8 [H, W, 1], 255 ignored.
    id, group: text. height, width: of both, in pixels.
    """
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.LabeledImage(labels=list(classes), shape=(None, None, 1), encoding_format="png"),
            "id": tfds.features.Text(),
            "group": tfds.features.Text(),
            "height": tfds.features.Scalar(np.int64),
            "width": tfds.features.Scalar(np.int64),
        }
    )


class Serializer(example_serializer.ExampleSerializer):
    """TFDS's serializer, but with the fields of a record in a fixed order.

    A protocol buffer's map is otherwise written in an order that varies from process to process.
    """

    def serialize_example(self, example: Any) -> bytes:
        """Give the bytes of a tf.train.Example; `example` comes from `FeaturesDict.encode_example`."""
        record: bytes = self.get_tf_example(example).SerializeToString(deterministic=True)
        return record
