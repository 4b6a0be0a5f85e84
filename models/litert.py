"""LiteRT (TensorFlow Lite): conversion of the network."""

import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from models import segmenter
from models.errors import ModelError

if TYPE_CHECKING:
    import keras

Precision = Literal["float32", "float16", "int8"]


class Network(tf.Module):
    """A model for one image of one fixed size, as the formats for small devices need it."""

    def __init__(self, model: "keras.Model", size: segmenter.Size) -> None:
        """Wrap a model of models.catalog for an image of `size` (height, width)."""
        super().__init__(name="network")
        self._variables = [variable.value for variable in model.variables]
        self.infer = tf.function(
            lambda image: {"logits": segmenter.logits(model, image)},
            input_signature=[tf.TensorSpec([1, *size, 3], tf.float32, name="image")],
        )


def convert(network: Network, precision: Precision, images: Iterable[np.ndarray]) -> bytes:
    """Convert a network to a .tflite file: `image` float32 [1,H,W,3], 0..255 RGB -> `logits` float32 [1,H,W,C].

    The conversion goes through a SavedModel: from a concrete function, a Keras 3 model is converted to one that
    returns NaN.

    Args:
        network: The network.
        precision: float16 stores weights in half the bytes. int8 computes in 8 bits, and in float32 where there is no
            int8 kernel.
        images: float32 [H,W,3], 0..255, to calibrate the activations of int8; not read for other precisions.

    Raises:
        ModelError: The network has an operation that LiteRT does not support.
    """
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(network, folder, signatures=network.infer.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if precision == "int8":
            converter.representative_dataset = lambda: ([image[None]] for image in images)
            builtins = tf.lite.OpsSet.TFLITE_BUILTINS
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8, builtins]
        try:
            content: bytes = converter.convert()
        except Exception as error:  # the converter's own class is not public
            if "ConverterError" not in type(error).__name__:
                raise
            lines = str(error).splitlines()
            operations = next((line for line in lines if line.startswith("TF Select ops:")), str(error))
            raise ModelError(
                f"LiteRT does not support this network: {operations[:300]}. Remove litert_{precision} from "
                "`export.formats`, or choose another model."
            ) from error
    return content
