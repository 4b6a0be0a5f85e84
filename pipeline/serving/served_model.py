"""An exported model loaded for `segline predict` and `segline serve`."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.errors import UserError
from pipeline.export import facts, raw_image

BATCH_PIXELS = 4_000_000
"""Pixels of a batch at most (a larger image is a batch by itself), so that the largest image bounds the memory."""


class ServedModel:
    """A SavedModel that Segline exported.

    Attributes:
        folder: Folder of the SavedModel.
        facts: The model's facts; see pipeline.export.facts.
        max_pixels: An image file of more pixels is refused before it is decompressed.
        images: Reads image files as ingest read those that the model was trained on.
    """

    def __init__(self, model: Path, *, max_pixels: int | None = None) -> None:
        """Load a model.

        Args:
            model: A SavedModel, or a folder of numbered versions, of which the highest is loaded.
            max_pixels: Overrides the model's own limit.

        Raises:
            UserError: The folder is not a model that Segline exported, or its files are damaged.
        """
        self.folder = newest_version(model)
        self.facts: dict[str, Any] = facts.read(self.folder)
        self.max_pixels: int = max_pixels or self.facts["max_pixels"]
        self._signatures = (loaded := _load(self.folder)).signatures
        self._keep = loaded  # the signatures do not keep its variables alive
        self.images = raw_image.RawImages(raw_image.reading_of(self.facts), self.max_pixels)

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Predict class ids: uint8 [B,H,W,3] -> uint8 [B,H,W]."""
        classes: np.ndarray = self._signatures["serving_default"](images=tf.constant(images))["classes"].numpy()
        return classes

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Predict class probabilities: uint8 [B,H,W,3] -> float32 [B,H,W,C] in 0..1.

        Raises:
            UserError: The model was exported without this output.
        """
        self.require("probabilities")
        outputs = self._signatures["probabilities"](images=tf.constant(images))
        probabilities: np.ndarray = outputs["probabilities"].numpy()
        return probabilities

    def require(self, output: str) -> None:
        """Raise UserError if the model was exported without an output such as probabilities."""
        if output not in self._signatures:
            raise UserError(
                f"{str(self.folder)!r} has no signature {output!r}. It has {', '.join(sorted(self._signatures))}. "
                f"Export it with {output} among `export.outputs`."
            )


def _load(folder: Path) -> Any:
    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # of any kind: of the reader of variables, of protocol buffers, of the graph
        raise cannot_be_loaded(folder, error) from None


def cannot_be_loaded(folder: Path, error: Exception) -> UserError:
    """Return the error to raise where TensorFlow cannot read the files of a SavedModel."""
    reason = str(error).partition("\n")[0]
    return UserError(
        f"The model {str(folder)!r} cannot be loaded, as its files are damaged or incomplete "
        f"({type(error).__name__}: {reason:.200}). `segline verify` names those of a workspace. Use another "
        "version, or export it again."
    )


def newest_version(model: Path) -> Path:
    """Find the SavedModel of a folder: itself, or its highest numbered version, as TensorFlow Serving chooses.

    Raises:
        UserError: There is none.
    """
    if (model / "saved_model.pb").is_file():
        return model
    numbers = [int(path.name) for path in model.glob("*") if path.name.isdecimal()]
    if numbers and (model / str(max(numbers)) / "saved_model.pb").is_file():
        return model / str(max(numbers))
    state = "there is no such folder" if not model.is_dir() else "it holds neither saved_model.pb nor numbered versions"
    raise UserError(
        f"{str(model)!r} is not a model: {state}. Give an export of `segline run`, such as workspace/serving/<name> or "
        "workspace/serving/<name>/<version>."
    )
