"""The exported tf.Module: a model with signatures that can be called with TensorFlow only."""

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
"""Outputs that can be served, each by two signatures; the first is always served."""

_ARRAYS = "images uint8 [B,H,W,3] RGB -> classes uint8 [B,H,W]"
_FILES = (
    "image_bytes string [B], PNG, JPEG, BMP or still WebP, of any sizes -> png_bytes string [B]: an 8-bit grey PNG of "
)
_FILES += (
    "class ids at each image's size; height, width int32 [B]; orientation int32 [B]: the EXIF orientation from which "
)
_FILES += "it was turned upright, 1 if it was not turned"

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
"""Inputs and outputs of each signature; C classes in the order of segline.json, ids 0..C-1."""

AS_STORED = image_file.Reading()
"""Images whose pixels ingest did not change."""

FULL_SCALE = 65535
"""Probability 1 in a 16-bit PNG."""


class Servable(tf.Module):
    """A model with its input size, ready for tf.saved_model.save.

    Results for images of mixed sizes are PNG strings, one row for each image: TensorFlow Serving then batches and
    splits them, and sends them over REST in base64, because their names end in `_bytes`. Probabilities are separate
    signatures rather than a second output, so that clients that do not need them pay for no computation or transfer.
    """

    def __init__(
        self,
        model: "keras.Model",
        fit: Fit | None,
        *,
        outputs: Sequence[str] = ("argmax", "probabilities"),
        max_pixels: int = image_file.MAX_PIXELS,
        reading: image_file.Reading = AS_STORED,
    ) -> None:
        """Wrap a model.

        Args:
            model: Model of models.catalog with at most 255 classes.
            fit: How images are brought to the network's input size; None: they are not changed.
            outputs: Some of OUTPUTS, including argmax.
            max_pixels: An image file of more pixels is rejected before it is decompressed.
            reading: What ingest did to the images that the model was trained on.
        """
        super().__init__(name="segline")
        self._variables = [variable.value for variable in model.variables]
        self._infer = lambda images: segmenter.logits(model, images, fit)
        self._outputs = outputs
        self._max_pixels, self._reading = max_pixels, reading

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Trace every signature; the keys are those of `describe_signatures`."""
        functions = {
            "argmax": ("serving_default", self.classify, "serving_bytes", self.classify_bytes),
            "probabilities": ("probabilities", self.probabilities, "probabilities_bytes", self.probabilities_bytes),
            "confidence": ("confidence", self.confidence, "confidence_bytes", self.confidence_bytes),
        }
        traced = {}
        for output in self._outputs:
            arrays, of_arrays, files, of_files = functions[output]
            traced[arrays] = tf.function(of_arrays).get_concrete_function(IMAGES)
            traced[files] = tf.function(of_files).get_concrete_function(IMAGE_BYTES)
        return traced

    def decode(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Decode an image file, a scalar string, as image_file.decode_untrusted does; for a tf.function."""
        return image_file.decode_untrusted(encoded, self._max_pixels, self._reading)

    def classify(self, images: tf.Tensor) -> Outputs:
        """Return each pixel's most probable class: uint8 [B,H,W,3], 0..255 -> `classes` uint8 [B,H,W]."""
        return {"classes": _classes(self._infer(images))}

    def probabilities(self, images: tf.Tensor) -> Outputs:
        """Return the classes, as `classify`, and `probabilities` float32 [B,H,W,C] in 0..1."""
        logits = self._infer(images)
        return {"classes": _classes(logits), "probabilities": tf.nn.softmax(logits)}

    def confidence(self, images: tf.Tensor) -> Outputs:
        """Return the classes, as `classify`, and `confidence` float32 [B,H,W] in 0..1: the class's probability."""
        logits = self._infer(images)
        return {"classes": _classes(logits), "confidence": tf.reduce_max(tf.nn.softmax(logits), axis=-1)}

    def classify_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Decode and `classify` image by image: string [B] -> `png_bytes` string [B] and three int32 [B].

        `height` and `width` are those of the class map; `orientation`, 1..8, is that of the file, by which the picture
        was turned upright, so that a client can turn the class map back; 1 where it was not turned.
        """
        return self._each(self.classify, image_bytes, {})

    def probabilities_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Return the classes, as `classify_bytes`, and the probabilities as a 16-bit PNG, class below class."""

        def stack(outputs: Outputs) -> tf.Tensor:
            by_class = tf.transpose(outputs["probabilities"][0], [2, 0, 1])
            return tf.reshape(by_class, [-1, tf.shape(by_class)[2]])

        return self._each(self.probabilities, image_bytes, {"probabilities_png_bytes": stack})

    def confidence_bytes(self, image_bytes: tf.Tensor) -> Outputs:
        """Return the classes, as `classify_bytes`, and the confidence as a 16-bit PNG."""
        return self._each(self.confidence, image_bytes, {"confidence_png_bytes": lambda out: out["confidence"][0]})

    def _each(
        self,
        function: Callable[[tf.Tensor], Outputs],
        image_bytes: tf.Tensor,
        png16: Mapping[str, Callable[[Outputs], tf.Tensor]],
    ) -> Outputs:
        """Apply `function` to one image after another, so that only one decoded image is in memory.

        `png16` maps the name of each further output, a 16-bit PNG, to a function that takes its pixels, [h,w] in 0..1,
        from the outputs of `function`.
        """

        def one(encoded: tf.Tensor) -> Outputs:
            image, orientation = self.decode(encoded)
            outputs = function(image[None])
            classes = outputs["classes"][0]
            return {
                "png_bytes": tf.io.encode_png(classes[..., None]),
                "height": tf.shape(classes)[0],
                "width": tf.shape(classes)[1],
                "orientation": orientation,
                **{name: _png16(pixels(outputs)) for name, pixels in png16.items()},
            }

        dtypes = {"png_bytes": tf.string, **dict.fromkeys(("height", "width", "orientation"), tf.int32)}
        dtypes |= dict.fromkeys(png16, tf.string)
        return tf.map_fn(one, image_bytes, fn_output_signature=dtypes, parallel_iterations=1)


def describe_signatures(outputs: Sequence[str]) -> dict[str, str]:
    """Return the entries of SIGNATURES of a Servable with these outputs.

    >>> list(describe_signatures(["argmax", "confidence"]))
    ['serving_default', 'serving_bytes', 'confidence', 'confidence_bytes']
    """
    names = {"serving" if output == "argmax" else output for output in outputs}
    return {name: text for name, text in SIGNATURES.items() if name.split("_")[0] in names}


def _classes(logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32), tf.uint8)


def _png16(shares: tf.Tensor) -> tf.Tensor:
    """Encode [h,w] in 0..1 as a 16-bit grey PNG."""
    return tf.io.encode_png(tf.cast(tf.round(shares * FULL_SCALE), tf.uint16)[..., None], compression=1)
