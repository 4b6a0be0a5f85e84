"""Measuring a model on a whole split: one confusion matrix, at the images' original size.

Training's validation and the evaluate step both count here, so that they cannot disagree.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from datasets.spec import IGNORE
from models import metrics, segmenter
from pipeline.config import Size
from pipeline.input import eval_dataset

if TYPE_CHECKING:
    import keras

OnBatch = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
"""Gets ids [B] of bytes, images uint8 [B,H,W,3], labels uint8 [B,H,W] and predictions uint8 [B,H,W]."""

IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8)
LABELS = tf.TensorSpec([None, None, None], tf.uint8)


class Scorer:
    """Counts a model's hits and misses, as often as asked; what it compiles serves every size and every split.

    Args:
        model: Model of models.catalog; its weights may change between two calls.
        num_classes: C.
        size: (height, width) that the network sees; None: the images' own.
        strategy: Devices that share each batch; None: the current one.
    """

    def __init__(
        self,
        model: "keras.Model",
        num_classes: int,
        size: Size | None,
        *,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self._model, self._num_classes, self._size = model, num_classes, size
        self._strategy = strategy or tf.distribute.get_strategy()
        self._count = tf.function(self._count_batch, input_signature=[IMAGES, LABELS])

    def __call__(self, folder: Path, split: str, *, batch_size: int, on_batch: OnBatch | None = None) -> np.ndarray:
        """Count every pixel of a split once.

        Args:
            folder: The records folder.
            split: One of its splits.
            batch_size: Most images at once, over all devices.
            on_batch: Is called with each batch.

        Returns:
            int64 [C,C], rows truth, columns prediction, ignored pixels out.
        """
        confusion = tf.zeros([self._num_classes, self._num_classes], tf.int64)
        for batch in eval_dataset(folder, split, batch_size=batch_size):
            counts, predictions = self._count(*self._filled(batch["image"], batch["label"]))
            confusion += counts
            if on_batch:
                images = batch["image"].numpy()
                on_batch(batch["id"].numpy(), images, batch["label"].numpy(), predictions.numpy()[: len(images)])
        result: np.ndarray = confusion.numpy()
        return result

    def _filled(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Add black images without a pixel that counts until every replica gets equally many: none may go empty."""
        missing = -images.shape[0] % self._strategy.num_replicas_in_sync
        if not missing:
            return images, labels
        ends = [[0, missing], [0, 0], [0, 0]]
        return tf.pad(images, [*ends, [0, 0]]), tf.pad(labels, ends, constant_values=IGNORE)

    def _count_batch(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        counts, predictions = self._strategy.run(self._count_share, args=(images, labels))
        parts = self._strategy.experimental_local_results(predictions)
        return self._strategy.reduce("sum", counts, axis=None), tf.concat(parts, axis=0)

    def _count_share(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Count this replica's share of a batch: the first replica has the first images."""
        share = tf.shape(images)[0] // self._strategy.num_replicas_in_sync
        begin = share * tf.distribute.get_replica_context().replica_id_in_sync_group
        images, labels = images[begin : begin + share], labels[begin : begin + share]
        logits = segmenter.logits(self._model, images, self._size)
        predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)
        return metrics.confusion_tensor(labels, predictions, self._num_classes), tf.cast(predictions, tf.uint8)


def score(
    model: "keras.Model",
    folder: Path,
    split: str,
    num_classes: int,
    size: Size | None,
    *,
    batch_size: int,
    strategy: tf.distribute.Strategy | None = None,
    on_batch: OnBatch | None = None,
) -> np.ndarray:
    """Measure a model once; see Scorer. Returns int64 [C,C], rows truth, columns prediction, ignored pixels out."""
    scorer = Scorer(model, num_classes, size, strategy=strategy)
    return scorer(folder, split, batch_size=batch_size, on_batch=on_batch)
