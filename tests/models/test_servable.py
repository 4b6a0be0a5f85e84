"""The exported signatures return what the model returns, for every kind of image file."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models import image_file, segmenter, servable
from models.fit import Fit

CLASSES = 4
FIT = Fit((24, 32), "resize_pad", "reflect")


@pytest.fixture(scope="module")
def model():
    """A stand-in of one convolution with random weights."""
    keras.utils.set_random_seed(0)
    images = keras.Input([None, None, 3])
    return keras.Model(images, keras.layers.Conv2D(CLASSES, 3, padding="same")(images))


@pytest.fixture(scope="module")
def signatures(model, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("saved"))
    module = servable.Servable(model, FIT, outputs=servable.OUTPUTS, max_pixels=10_000)
    tf.saved_model.save(module, folder, signatures=module.signatures())
    return tf.saved_model.load(folder).signatures


def pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encode(image: np.ndarray, kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).convert(mode).save(file, kind)
    return file.getvalue()


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_signatures_are_those_that_are_documented(signatures):
    assert set(signatures) == set(servable.SIGNATURES)


def test_arrays_of_any_batch_and_size(signatures, model):
    for batch, height, width in ((1, 24, 32), (3, 17, 41), (2, 1, 1)):
        images = np.stack([pixels(height, width, seed) for seed in range(batch)])
        expected = segmenter.logits(model, images, FIT).numpy()
        classes = signatures["serving_default"](images=tf.constant(images))["classes"]
        assert classes.dtype == tf.uint8
        assert (classes.numpy() == expected.argmax(-1)).all()


def test_probabilities_on_request(signatures, model):
    images = pixels(20, 30)[None]
    assert set(signatures["serving_default"].structured_outputs) == {"classes"}
    outputs = signatures["probabilities"](images=tf.constant(images))
    expected = tf.nn.softmax(segmenter.logits(model, images, FIT)).numpy()
    np.testing.assert_allclose(outputs["probabilities"].numpy(), expected, atol=1e-5)
    assert (outputs["classes"].numpy() == expected.argmax(-1)).all()


def test_results_of_mixed_sizes_have_the_sizes_of_their_images(signatures):
    images = [pixels(20, 30), pixels(9, 50), pixels(33, 5)]
    outputs = signatures["serving_bytes"](image_bytes=tf.constant([encode(image) for image in images]))
    assert outputs["height"].numpy().tolist() == [20, 9, 33] and outputs["width"].numpy().tolist() == [30, 50, 5]
    for image, png in zip(images, outputs["png_bytes"].numpy(), strict=True):
        expected = signatures["serving_default"](images=tf.constant(image[None]))["classes"].numpy()[0]
        assert (picture(png) == expected).all()


def test_probabilities_of_files_are_tall_16_bit_pngs(signatures):
    image = pixels(20, 30)
    outputs = signatures["probabilities_bytes"](image_bytes=tf.constant([encode(image)]))
    tall = picture(outputs["probabilities_png_bytes"].numpy()[0])
    expected = signatures["probabilities"](images=tf.constant(image[None]))["probabilities"].numpy()[0]
    assert tall.shape == (CLASSES * 20, 30)
    received = tall.reshape(CLASSES, 20, 30).transpose(1, 2, 0) / servable.FULL_SCALE
    np.testing.assert_allclose(received, expected, atol=1 / servable.FULL_SCALE)


def test_an_empty_batch_returns_no_row(signatures):
    outputs = signatures["serving_bytes"](image_bytes=tf.constant([], tf.string))
    assert {name: values.shape.as_list() for name, values in outputs.items()} == {
        "png_bytes": [0],
        "height": [0],
        "width": [0],
        "orientation": [0],
    }


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        ("BMP", "RGB"),
        ("WEBP", "RGB"),
    ],
)
def test_every_kind_of_file_is_decoded_to_its_rgb_pixels(kind, mode):
    image = np.full((16, 24, 3), 200, np.uint8)
    image[:, 12:] = 40
    shown = np.asarray(Image.open(io.BytesIO(encode(image, kind, mode))).convert("RGB")).astype(int)
    decoded = image_file.decode(encode(image, kind, mode)).numpy()
    assert decoded.dtype == np.uint8 and decoded.shape == (16, 24, 3)
    assert abs(decoded[:, [2, 21]] - shown[:, [2, 21]]).max() <= 4


def test_16_bits_become_8():
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5), 200 * 256 + 17, np.uint16)).save(file, "PNG")
    assert (image_file.decode(file.getvalue()).numpy() == 200).all()


def test_the_confidence_is_the_probability_of_the_class(signatures):
    image = pixels(20, 30)
    probabilities = signatures["probabilities"](images=tf.constant(image[None]))["probabilities"].numpy()[0]
    confidence = signatures["confidence"](images=tf.constant(image[None]))["confidence"].numpy()[0]
    np.testing.assert_allclose(confidence, probabilities.max(-1), atol=1e-6)
    png = signatures["confidence_bytes"](image_bytes=tf.constant([encode(image)]))["confidence_png_bytes"].numpy()[0]
    np.testing.assert_allclose(picture(png) / servable.FULL_SCALE, confidence, atol=1 / servable.FULL_SCALE)


@pytest.mark.parametrize("outputs", [("argmax",), ("argmax", "confidence"), servable.OUTPUTS])
def test_only_the_chosen_outputs_are_served_and_described(model, outputs):
    signatures = servable.Servable(model, None, outputs=outputs).signatures()
    assert set(signatures) == set(servable.describe_signatures(outputs)) and len(signatures) == 2 * len(outputs)


HOSTILE = [b"", b"no image", encode(pixels(20, 20))[:300], encode(pixels(20, 20), "GIF"), encode(pixels(101, 100))]


@pytest.mark.parametrize("file", HOSTILE)
def test_a_hostile_file_fails_its_request_and_the_next_one_succeeds(signatures, file):
    good = encode(pixels(20, 30))
    for name in ("serving_bytes", "probabilities_bytes", "confidence_bytes"):
        with pytest.raises(tf.errors.InvalidArgumentError):
            signatures[name](image_bytes=tf.constant([good, file]))
    assert signatures["serving_bytes"](image_bytes=tf.constant([good]))["height"].numpy().tolist() == [20]


@pytest.mark.parametrize("shape", [(1, 0, 0, 3), (1, 0, 5, 3), (1, 5, 0, 3)])
def test_arrays_without_a_pixel_are_an_error_or_an_empty_result(signatures, shape):
    try:
        classes = signatures["serving_default"](images=tf.zeros(shape, tf.uint8))["classes"]
    except tf.errors.InvalidArgumentError:
        return
    assert classes.shape == shape[:3]
