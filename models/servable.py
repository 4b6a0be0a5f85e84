"""What is exported: a tf.Module around a model, whose signatures need nothing but TensorFlow to be called."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from models import image_file, segmenter
from models.fit import Fit

if TYPE_CHECKING:
    import keras

Outputs = dict[str, tf.Tensor]

IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
IMAGE_BYTES = tf.TensorSpec([None], tf.string, name="image_bytes")

OUTPUTS = ("argmax", "probabilities", "confidence")
"""What can be served, each by two signatures; the first always is."""

_ARRAYS = "images uint8 [B,H,W,3] RGB -> classes uint8 [B,H,W]"
_FILES = (
    "image_bytes string [B], PNG, JPEG, BMP or still WebP, of any sizes -> png_bytes string [B]: an 8-bit grey PNG of "
)
_FILES += "class ids at each image's own size; height, width int32 [B]"

SIGNATURES = {
    "serving_default": _ARRAYS,
    "serving_bytes": _FILES,
    "probabilities": f"{_ARRAYS}, probabilities float32 [B,H,W,C]",
    "probabilities_bytes": (
        f"{_FILES}; probabilities_png_bytes string [B]: a 16-bit grey PNG of C*height x width, class below class, "
        "65535 is probability 1"
    ),
    "confidence": f"{_ARRAYS}, confidence float32 [B,H,W]: the probability of the class",
    "confidence_bytes": f"{_FILES}; confidence_png_bytes string [B]: a 16-bit grey PNG, 65535 is probability 1",
}
"""What goes into each signature and what comes out; C classes in the order of segline.json, ids 0..C-1."""

FULL = 65535
"""Probability 1 in a 16-bit PNG."""


class Servable(tf.Module):
    """A model with its input size, ready for tf.saved_model.save.

    What comes in mixed sizes goes out as PNG strings, one row for each image: TensorFlow Serving then batches, splits
    and (as the names end in `_bytes`) sends them over REST in base64 by itself. Probabilities are signatures of their
    own rather than a second output, so that whoever does not ask for them pays neither their time nor their transfer.
    """

    def __init__(
        self,
        model: "keras.Model",
        fit: Fit | None,
        *,
        outputs: Sequence[str] = ("argmax", "probabilities"),
        max_pixels: int = image_file.MAX_PIXELS,
        image_range: tuple[float, float] | None = None,
    ) -> None:
        """Take a model.

        Args:
            model: Model of models.catalog, of at most 255 classes.
            fit: How images come to the size that the network sees; None: as they are.
            outputs: Some of OUTPUTS, argmax among them.
            max_pixels: An image file of more pixels is refused before it is unpacked.
            image_range: Values of a 16-bit PNG that become 0 and 255; None: its high bytes count.
        """
        super().__init__(name="segline")
        self._variables = [variable.value for variable in model.variables]
        self._infer = lambda images: segmenter.logits(model, images, fit)
        self._outputs = outputs
        self._decode = lambda encoded: image_file.decode_within(encoded, max_pixels, image_range)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Trace every signature; the keys are those of `described`."""
        functions = {
            "argmax": ("serving_default", self.classify, "serving_bytes", self.classify_bytes),
            "probabilities": ("probabilities", self.weigh, "probabilities_bytes", self.weigh_bytes),
            "confidence": ("confidence", self.trust, "confidence_bytes", self.trust_bytes),
        }
        found = {}
        for output in self._outputs:
            arrays, of_arrays, files, of_files = functions[output]
            found[arrays] = tf.function(of_arrays).get_concrete_function(IMAGES)
            found[files] = tf.function(of_files).get_concrete_function(IMAGE_BYTES)
        return found

    def classify(self, images: tf.Tensor) -> Outputs:
        """Give each pixel its most probable class: uint8 [B,H,W,3] -> uint8 [B,H,W]."""
        return {"classes": _classes(self._infer(images))}

    def weigh(self, images: tf.Tensor) -> Outputs:
        """Do as `classify` and give the probability of every class too: float32 [B,H,W,C]."""
        logits = self._infer(images)
        return {"classes": _classes(logits), "probabilities": tf.nn.softmax(logits)}

    def trust(self, images: tf.Tensor) -> Outputs:
        """Do as `classify` and say how sure it is: float32 [B,H,W], the probability of the class."""
        logits = self._infer(images)
        return {"classes": _classes(logits), "confidence": tf.reduce_max(tf.nn.softmax(logits), axis=-1)}

    def classify_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Decode, then `classify`, image by image: string [B] -> PNG string [B], height and width int32 [B]."""
        return self._each(self.classify, image_bytes, {})

    def weigh_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Do as `classify_bytes` and give the probabilities as one tall 16-bit PNG for each image."""

        def tall(found: Outputs) -> tf.Tensor:
            weights = tf.transpose(found["probabilities"][0], [2, 0, 1])
            return tf.reshape(weights, [-1, tf.shape(weights)[2]])

        return self._each(self.weigh, image_bytes, {"probabilities_png_bytes": tall})

    def trust_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Do as `classify_bytes` and give the confidence as a 16-bit PNG."""
        return self._each(self.trust, image_bytes, {"confidence_png_bytes": lambda found: found["confidence"][0]})

    def _each(
        self,
        function: Callable[[tf.Tensor], Outputs],
        image_bytes: tf.Tensor,
        shares: Mapping[str, Callable[[Outputs], tf.Tensor]],
    ) -> Outputs:
        """Apply `function` to each image in turn, so that one image at a time is decoded, whatever the batch.

        `shares` names what goes out as 16-bit PNG besides the class map, and takes it, [h,w] in 0..1, from its answer.
        """

        def one(encoded: tf.Tensor) -> Outputs:
            found = function(self._decode(encoded)[None])
            classes = found["classes"][0]
            return {
                "png_bytes": tf.io.encode_png(classes[..., None]),
                "height": tf.shape(classes)[0],
                "width": tf.shape(classes)[1],
                **{name: _png16(take(found)) for name, take in shares.items()},
            }

        kinds = {"png_bytes": tf.string, "height": tf.int32, "width": tf.int32, **dict.fromkeys(shares, tf.string)}
        return tf.map_fn(one, image_bytes, fn_output_signature=kinds, parallel_iterations=1)


def described(outputs: Sequence[str]) -> dict[str, str]:
    """Describe the signatures of a Servable with these outputs."""
    names = {"serving" if output == "argmax" else output for output in outputs}
    return {name: text for name, text in SIGNATURES.items() if name.split("_")[0] in names}


def _classes(logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _png16(shares: tf.Tensor) -> tf.Tensor:
    """Encode [h,w] in 0..1 as a 16-bit grey PNG."""
    return tf.io.encode_png(tf.cast(tf.round(shares * FULL), tf.uint16)[..., None], compression=1)
