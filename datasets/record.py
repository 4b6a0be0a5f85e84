"""The record: the same features for every dataset, serialised to bytes that depend on the example only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import example_serializer


def features(classes: Sequence[str]) -> tfds.features.FeaturesDict:
    """Return the TFDS features of a record.

    image: the encoded file, uint8 [H, W, 3] when decoded. label: PNG of train ids, uint8 [H, W, 1], IGNORE where no
    class counts. id, group: text. height, width: H and W, pixels, int64.

    Args:
        classes: Class names, by train id.
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
    """TFDS's serializer, with the fields of a record in a fixed order.

    By default the order of a protocol buffer's map varies between processes.
    """

    def serialize_example(self, example: Any) -> bytes:
        """Return the bytes of a tf.train.Example; `example` comes from `FeaturesDict.encode_example`."""
        record: bytes = self.get_tf_example(example).SerializeToString(deterministic=True)
        return record
