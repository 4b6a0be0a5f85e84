"""What is exported: a tf.Module around a model, whose signatures need nothing but TensorFlow to be called."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from models import segmenter

if TYPE_CHECKING:
    import keras

Outputs = dict[str, tf.Tensor]

IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")

SIGNATURES = {
    "serving_default": "images uint8 [B,H,W,3] RGB -> classes uint8 [B,H,W]",
    "probabilities": "images uint8 [B,H,W,3] RGB -> classes uint8 [B,H,W], probabilities float32 [B,H,W,C]",
    "serving_bytes": (
        "image_bytes string [B], PNG, JPEG, BMP, WebP or GIF of any sizes -> png_bytes string [B]: an 8-bit grey PNG "
        "of class ids at each image's own size; height, width int32 [B]"
    ),
    "probabilities_bytes": (
        "image_bytes as above -> png_bytes, height, width as above, probabilities_png_bytes string [B]: a 16-bit grey "
        "PNG of C*height x width, class below class, 65535 is probability 1"
    ),
}
"""What goes into each signature and what comes out; C classes in the order of segline.json, ids 0..C-1."""

FULL = 65535
"""Probability 1 in a 16-bit PNG."""


def decode(image: tf.Tensor) -> tf.Tensor:
    """Decode one image file to uint8 [H,W,3] RGB, pixels as they are stored.

    PNG, JPEG, BMP, WebP and GIF (its first frame). Grey becomes RGB, alpha is dropped, 16 bits become 8. An EXIF
    orientation is not applied: the class map lies on the pixels of the file. Anything else raises
    InvalidArgumentError.
    """
    pixels = tf.io.decode_image(image, channels=3, expand_animations=False)
    pixels.set_shape([None, None, 3])
    return pixels


class Servable(tf.Module):
    """A model with its input size, ready for tf.saved_model.save.

    What comes in mixed sizes goes out as PNG strings, one row for each image: TensorFlow Serving then batches, splits
    and (as the names end in `_bytes`) sends them over REST in base64 by itself. Probabilities are signatures of their
    own rather than a second output, so that whoever does not ask for them pays neither their time nor their transfer.
    """

    def __init__(self, model: "keras.Model", size: segmenter.Size | None) -> None:
        """Take a model of models.catalog (at most 255 classes), and the (height, width) it sees, or None for any."""
        super().__init__(name="segline")
        self._variables = [variable.value for variable in model.variables]
        self._infer = lambda images: segmenter.logits(model, images, size)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Trace every signature; the keys are those of SIGNATURES."""
        functions = {
            "serving_default": (self.classify, IMAGES),
            "probabilities": (self.weigh, IMAGES),
            "serving_bytes": (self.classify_bytes, IMAGE_BYTES),
            "probabilities_bytes": (self.weigh_bytes, IMAGE_BYTES),
        }
        return {name: tf.function(function).get_concrete_function(spec) for name, (function, spec) in functions.items()}

    def classify(self, images: tf.Tensor) -> Outputs:
        """Give each pixel its most probable class: uint8 [B,H,W,3] -> uint8 [B,H,W]."""
        return {"classes": _classes(self._infer(images))}

    def weigh(self, images: tf.Tensor) -> Outputs:
        """Do as `classify` and give the probability of every class too: float32 [B,H,W,C]."""
        logits = self._infer(images)
        return {"classes": _classes(logits), "probabilities": tf.nn.softmax(logits)}

    def classify_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Decode, then `classify`, image by image: string [B] -> PNG string [B], height and width int32 [B]."""

        def one(encoded: tf.Tensor) -> Outputs:
            return _encoded(self.classify(decode(encoded)[None])["classes"][0])

        kinds = {"png_bytes": tf.string, "height": tf.int32, "width": tf.int32}
        return _each(one, image_bytes, kinds)

    def weigh_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Do as `classify_bytes` and give the probabilities as one tall 16-bit PNG for each image."""

        def one(encoded: tf.Tensor) -> Outputs:
            found = self.weigh(decode(encoded)[None])
            steps = tf.cast(tf.round(found["probabilities"][0] * FULL), tf.uint16)
            width, count = tf.shape(steps)[1], tf.shape(steps)[2]
            tall = tf.reshape(tf.transpose(steps, [2, 0, 1]), [count * tf.shape(steps)[0], width, 1])
            return {
                **_encoded(found["classes"][0]),
                "probabilities_png_bytes": tf.io.encode_png(tall, compression=1),
            }

        kinds = {"png_bytes": tf.string, "height": tf.int32, "width": tf.int32, "probabilities_png_bytes": tf.string}
        return _each(one, image_bytes, kinds)


def _classes(logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _encoded(classes: tf.Tensor) -> Outputs:
    """Turn one class map [H,W] into a PNG, and say its size."""
    return {
        "png_bytes": tf.io.encode_png(classes[..., None]),
        "height": tf.shape(classes)[0],
        "width": tf.shape(classes)[1],
    }


def _each(one: Callable[[tf.Tensor], Outputs], image_bytes: tf.Tensor, kinds: dict[str, tf.DType]) -> Outputs:
    """Apply `one` to each image in turn, so that one image at a time is decoded, whatever the batch."""
    return tf.map_fn(one, image_bytes, fn_output_signature=kinds, parallel_iterations=1)
