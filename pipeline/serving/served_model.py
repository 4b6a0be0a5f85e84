"""An exported model in hand: what `segline predict` and `segline serve` ask."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from models import image_file
from pipeline.errors import UserError
from pipeline.export import facts

BATCH_PIXELS = 4_000_000
"""Pixels of a batch at most (a larger image goes alone), so that memory is bounded by the largest image."""


class BadImageError(Exception):
    """A file that is no image, is damaged, or has too many pixels. The text says which, in one line."""


class ServedModel:
    """A SavedModel that Segline exported.

    Attributes:
        folder: Where it lies, the version's own folder.
        facts: What it says of itself; see pipeline.export.facts.
        max_pixels: An image file of more is refused before it is unpacked.
    """

    def __init__(self, model: Path, *, max_pixels: int | None = None) -> None:
        """Load a model.

        Args:
            model: A SavedModel, or a folder of numbered versions, of which the highest is taken.
            max_pixels: Another limit than its own.

        Raises:
            UserError: It is none that Segline exported.
        """
        self.folder = newest_version(model)
        self.facts: dict[str, Any] = facts.read(self.folder)
        self.max_pixels: int = max_pixels or self.facts["max_pixels"]
        self._signatures = (loaded := tf.saved_model.load(str(self.folder))).signatures
        self._keep = loaded  # its variables live as long as it does
        limit, image_range = self.max_pixels, facts.image_range(self.facts)
        self._decode = tf.function(
            lambda content: image_file.decode_within(content, limit, image_range),
            input_signature=[tf.TensorSpec([], tf.string)],
        )

    def decode(self, content: bytes) -> np.ndarray:
        """Unpack an image file: uint8 [H,W,3] RGB. Raises BadImageError."""
        try:
            pixels: np.ndarray = self._decode(tf.constant(content)).numpy()
        except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
            raise BadImageError(image_file.reason(error)) from None
        return pixels

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Give each pixel its class: uint8 [B,H,W,3] -> uint8 [B,H,W]."""
        classes: np.ndarray = self._signatures["serving_default"](images=tf.constant(images))["classes"].numpy()
        return classes

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Give each class's probability: uint8 [B,H,W,3] -> float32 [B,H,W,C].

        Raises:
            UserError: The model was exported without them.
        """
        self.require("probabilities")
        found: np.ndarray = self._signatures["probabilities"](images=tf.constant(images))["probabilities"].numpy()
        return found

    def require(self, output: str) -> None:
        """Raise UserError where the model does not answer an output such as probabilities."""
        if output not in self._signatures:
            raise UserError(
                f"{str(self.folder)!r} answers no {output}. It answers {', '.join(sorted(self._signatures))}. Export "
                f"it with {output} among `export.outputs`."
            )


def newest_version(model: Path) -> Path:
    """Find the SavedModel in a folder: the folder itself, or its highest number as TensorFlow Serving chooses."""
    if (model / "saved_model.pb").is_file():
        return model
    numbers = [int(path.name) for path in model.glob("*") if path.name.isdecimal()]
    if numbers and (model / str(max(numbers)) / "saved_model.pb").is_file():
        return model / str(max(numbers))
    state = "there is no such folder" if not model.is_dir() else "it holds neither saved_model.pb nor numbered versions"
    raise UserError(
        f"{str(model)!r} is not a model: {state}. Give what `segline run` made, such as workspace/serving/<name> or "
        "workspace/serving/<name>/<version>."
    )
