"""DeepLabV3+ against its sources: the number of weights, output strides, atrous rates."""

import math

import keras
import pytest

from models import catalog, inspect
from models.deeplabv3plus import LOW_LEVEL

SMALL = {"backbone": "mobilenet_v2", "width": 16}


def count(model: keras.Model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


def test_the_number_of_weights_is_that_of_the_source() -> None:
    model = catalog.build("deeplabv3plus", 21)
    biases = [layer.bias for layer in model.layers if "conv" in layer.name and getattr(layer, "bias", None) is not None]
    inside = sum(math.prod(bias.shape) for bias in biases if bias.path.startswith("backbone_"))
    assert count(model) - inside == 26_682_725  # DeepLabV3Plus("resnet50", classes=21), segmentation_models_pytorch


@pytest.mark.parametrize(("output_stride", "rates"), [(16, (6, 12, 18)), (8, (12, 24, 36))])
def test_output_stride_and_rates(output_stride: int, rates: tuple[int, ...]) -> None:
    model = catalog.build("deeplabv3plus", 5, {**SMALL, "output_stride": output_stride})
    part = keras.Model(model.input, [model.get_layer(name).output for name in ("aspp_project_relu", "decoder")])
    context, decoder = part.compute_output_shape((1, 64, 96, 3))
    assert context == (1, 64 // output_stride, 96 // output_stride, 16)
    assert decoder == (1, 16, 24, 16 + 48)
    received = [model.get_layer(f"aspp_rate{rate}_depthwise").dilation_rate for rate in rates]
    assert received == [(rate, rate) for rate in rates]


def test_convolutions_need_not_be_separable() -> None:
    model = catalog.build("deeplabv3plus", 5, {**SMALL, "separable": False})
    assert model.get_layer("aspp_rate6_conv").dilation_rate == (6, 6)
    assert not [layer for layer in model.layers if layer.name.startswith("aspp") and "depthwise" in layer.name]


def test_the_decoder_has_the_multiply_adds_of_the_paper() -> None:
    """Table 3, at 513x513 without separable convolutions: 74.20 G with the decoder, 52.43 G without."""
    model = catalog.build("deeplabv3plus", 21, {**SMALL, "width": 256, "separable": False})
    rows = inspect.summary(model, (513, 513))
    macs = sum(row.macs for row in rows if row.name.startswith("decoder_") or row.name == "logits")
    height, width = next(row.shape[:2] for row in rows if row.name == "decoder")
    # Padded to 132 x 132 from the paper's 129 x 129; at 1/4 ResNet has 256 channels, MobileNetV2 144.
    low = (256 - 144) * LOW_LEVEL * height * width
    assert (macs + low) * 129**2 / (height * width) / 1e9 == pytest.approx(74.20 - 52.43, rel=0.001)
