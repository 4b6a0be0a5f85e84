"""An exported model for `segline predict` and `segline serve`. TensorFlow is imported when the network is loaded."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.console.quiet import quiet
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.export.model_folder import newest_version

if TYPE_CHECKING:
    from pipeline.export.raw_image import RawImages

BATCH_PIXELS = 4_000_000
"""Pixels of a batch at most (a larger image is a batch by itself), so that the largest image bounds the memory."""


class ServedModel:
    """A SavedModel that Segline exported. Its facts are read at once, its network at the first use or by `load`.

    Attributes:
        folder: Folder of the SavedModel.
        facts: The model's facts; see pipeline.export.facts.
        max_pixels: An image file of more pixels is refused before it is decompressed.
    """

    def __init__(self, model: Path, *, max_pixels: int | None = None) -> None:
        """Read the facts.

        Args:
            model: A SavedModel, or a folder of numbered versions, of which the highest is used.
            max_pixels: Overrides the model's own limit.

        Raises:
            UserError: The folder is not a model that Segline exported.
        """
        self.folder = newest_version(model)
        self.facts: dict[str, Any] = facts.read(self.folder)
        self.max_pixels: int = max_pixels or self.facts["max_pixels"]

    def load(self) -> None:
        """Load the network, which takes seconds.

        Raises:
            UserError: Its files are damaged.
        """
        self._loaded, self.images  # noqa: B018, both are made at their first use

    @cached_property
    def images(self) -> "RawImages":
        """Reads image files as ingest reads those that the model was trained on."""
        with quiet():
            from pipeline.export import raw_image
        return raw_image.RawImages(raw_image.reading_of(self.facts), self.max_pixels)

    @property
    def knows_confidence(self) -> bool:
        """Whether the model was exported with an output from which confidence follows."""
        return bool({"confidence", "probabilities"} & self.facts["signatures"].keys())

    def classify(self, images: np.ndarray) -> np.ndarray:
        """Predict class ids: uint8 [B,H,W,3] -> uint8 [B,H,W]."""
        classes: np.ndarray = self._call("serving_default", images)["classes"].numpy()
        return classes

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Predict class probabilities: uint8 [B,H,W,3] -> float32 [B,H,W,C] in 0..1.

        Raises:
            UserError: The model was exported without this output.
        """
        self.require("probabilities")
        probabilities: np.ndarray = self._call("probabilities", images)["probabilities"].numpy()
        return probabilities

    def with_confidence(self, images: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """Predict for each image of uint8 [B,H,W,3] its class ids uint8 [H,W] and their probability float32 [H,W].

        Raises:
            UserError: The model was exported without confidence and without probabilities.
        """
        import tensorflow as tf

        if "confidence" in self.facts["signatures"]:
            answer = self._call("confidence", images)
            return zip(answer["classes"].numpy(), answer["confidence"].numpy(), strict=True)
        self.require("probabilities")
        answer = self._call("probabilities", images)
        highest = tf.reduce_max(answer["probabilities"], axis=-1)
        return zip(answer["classes"].numpy(), highest.numpy(), strict=True)

    def require(self, output: str) -> None:
        """Raise UserError if the model was exported without an output such as probabilities."""
        if output not in self.facts["signatures"]:
            known = ", ".join(sorted(self.facts["signatures"]))
            raise UserError(
                f"{str(self.folder)!r} has no signature {output!r}. It has {known}. "
                f"Export it with {output} among `export.outputs`."
            )

    @cached_property
    def _loaded(self) -> Any:  # kept as a whole: its signatures do not keep its variables alive
        with quiet():
            import tensorflow as tf
        try:
            return tf.saved_model.load(str(self.folder))
        except Exception as error:  # of any kind: of the reader of variables, of protocol buffers, of the graph
            raise cannot_be_loaded(self.folder, error) from None

    def _call(self, signature: str, images: np.ndarray) -> Any:
        import tensorflow as tf

        return self._loaded.signatures[signature](images=tf.constant(images))


def cannot_be_loaded(folder: Path, error: Exception) -> UserError:
    """Return the error to raise where TensorFlow cannot read the files of a SavedModel."""
    reason = str(error).partition("\n")[0]
    return UserError(
        f"The model {str(folder)!r} cannot be loaded, as its files are damaged or incomplete "
        f"({type(error).__name__}: {reason:.200}). `segline verify` names those of a workspace. Use another "
        "version, or export it again."
    )
