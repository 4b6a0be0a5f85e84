"""Scoring of a model on a whole split: one confusion matrix per image, at the image's original size.

Training's validation and the evaluate step share this code, so that their metrics cannot disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from datasets.spec import IGNORE
from models import inference, metrics
from models.fit import Fit
from models.inference import PLAIN, Inference
from pipeline.cluster.team import Team
from pipeline.input.batches import eval_dataset

if TYPE_CHECKING:
    import keras

    from pipeline.config.evaluate import EvaluateConfig

IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8)
LABELS = tf.TensorSpec([None, None, None], tf.uint8)

MAX_PIXELS = 1 << 21
"""Most pixels of a batch on each device, but at least one image: 1024 x 2048. Bounds memory whatever the batch size."""


@dataclass(frozen=True)
class Batch:
    """Images of one size, and the model's predictions for them.

    Attributes:
        ids, groups: As in the records, one for each image.
        places: Index of each image in the split.
        images: uint8 [B,H,W,3].
        labels, predictions: uint8 [B,H,W] of train ids; 255 in labels = ignored.
        confusion: int64 [B,C,C], rows truth, columns prediction.
        answers: float32 [B,H,W,4], see models.inference.predict.
    """

    ids: list[str]
    groups: list[str]
    places: list[int]
    images: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    confusion: np.ndarray
    answers: np.ndarray


def plan_of(settings: "EvaluateConfig") -> Inference:
    """Return how images are predicted according to the recipe's evaluate section."""
    return Inference(
        window=settings.window,
        overlap=settings.overlap if settings.window else 0.0,
        average=settings.inference != "tiles",
        scales=settings.scales,
        flip=settings.flip,
    )


class Scorer:
    """Predicts every image of a split. It compiles once for all image sizes, splits and weights.

    Args:
        model: Model of models.catalog; its weights may change between two calls.
        num_classes: C.
        fit: How images are brought to the network's input size; None: they are not changed.
        strategy: Devices; those of this worker share each batch. None: the current one.
        plan: Windows, scales and flips.

    Attributes:
        team: The workers that share a split.
    """

    def __init__(
        self,
        model: "keras.Model",
        num_classes: int,
        fit: Fit | None,
        *,
        strategy: tf.distribute.Strategy | None = None,
        plan: Inference = PLAIN,
    ) -> None:
        self._model, self._num_classes, self._fit, self._plan = model, num_classes, fit, plan
        self._strategy = strategy or tf.distribute.get_strategy()
        self.team = Team(self._strategy)
        self._replicas = self.team.local_replicas
        self._predict = tf.function(self._predict_batch, input_signature=[IMAGES, LABELS])

    def batches(self, folder: Path, split: str, *, batch_size: int) -> Iterator[Batch]:
        """Yield every image of this worker's part of a split once, scored in batches.

        Args:
            folder: The records folder.
            split: One of its splits.
            batch_size: Most images at once, over all devices of this worker.
        """
        pixels, part = MAX_PIXELS * self._replicas, (self.team.index, self.team.size)
        for batch in eval_dataset(folder, split, batch_size=batch_size, max_pixels=pixels, part=part):
            outputs = self._predict(*self._padded(batch["image"], batch["label"]))
            images, labels = batch["image"].numpy(), batch["label"].numpy()
            predictions, answers = (output.numpy()[: len(images)] for output in outputs)
            pairs = zip(labels, predictions, strict=True)
            yield Batch(
                ids=[name.decode() for name in batch["id"].numpy()],
                groups=[name.decode() for name in batch["group"].numpy()],
                places=batch["index"].numpy().tolist(),
                images=images,
                labels=labels,
                predictions=predictions,
                confusion=np.stack([metrics.confusion_matrix(*pair, self._num_classes) for pair in pairs]),
                answers=answers,
            )

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Predict one image, uint8 [H,W,3] -> uint8 [H,W] of train ids, as `batches` does."""
        ignored = tf.fill([1, *image.shape[:2]], tf.constant(IGNORE, tf.uint8))
        predictions, _ = self._predict(*self._padded(tf.constant(image[None]), ignored))
        prediction: np.ndarray = predictions[0].numpy()
        return prediction

    def _padded(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Add black, wholly ignored images until every replica has equally many: none may have an empty batch."""
        missing = -images.shape[0] % self._replicas
        if not missing:
            return images, labels
        ends = [[0, missing], [0, 0], [0, 0]]
        return tf.pad(images, [*ends, [0, 0]]), tf.pad(labels, ends, constant_values=IGNORE)

    def _predict_batch(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        shares = self._strategy.run(self._predict_share, args=(images, labels))
        return tuple(tf.concat(self._strategy.experimental_local_results(part), axis=0) for part in shares)

    def _predict_share(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Predict this replica's share of a batch: the first replica has the first images."""
        share = tf.shape(images)[0] // self._replicas
        begin = share * (tf.distribute.get_replica_context().replica_id_in_sync_group % self._replicas)
        images, labels = images[begin : begin + share], labels[begin : begin + share]
        answers = inference.predict(self._model, images, labels, self._fit, self._plan)
        return tf.cast(answers[..., inference.PREDICTION], tf.uint8), answers
