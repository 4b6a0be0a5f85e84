"""U-Net, as published and on a backbone: numbers of weights in its sources, parameters, errors."""

import keras
import numpy as np
import pytest

from models import backbones, catalog, segmenter, unet
from models.errors import ModelError


def learned(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def published(channels: int, classes: int, per_channel: int) -> int:
    """Count weights layer by layer, from the paper's figure 1.

    Each 3x3 convolution has `per_channel` weights besides its kernel: 1 is its bias, 2 are a normalisation's.
    """
    widths = (64, 128, 256, 512, 1024)
    total, before = 0, channels
    for width in widths:
        total += 9 * (before + width) * width + 2 * per_channel * width
        before = width
    for width in widths[-2::-1]:
        total += (2 * 2 * 2 * width + 1) * width  # the 2x2 upsampling, with its bias
        total += 9 * (2 * width + width) * width + 2 * per_channel * width
    return total + (64 + 1) * classes


def test_the_number_of_weights_is_that_of_the_papers_figure() -> None:
    assert learned(catalog.build("unet", 1)) == published(3, 1, per_channel=2)
    plain = catalog.build("unet", 2, {"channels": 1, "batch_norm": False})
    assert plain.count_params() == published(1, 2, per_channel=1)


def test_the_number_of_weights_is_that_of_other_implementations() -> None:
    """31,037,633: Pytorch-UNet for 3 channels and 1 class. 31,031,685: zhixuhao/unet for 1 channel.

    The latter ends with a 3x3 convolution to 2 channels and a 1x1 to 1 where the paper has a 1x1.
    """
    assert learned(catalog.build("unet", 1)) == 31_037_633
    grey = catalog.build("unet", 1, {"channels": 1, "batch_norm": False})
    longer, paper = (9 * 64 + 1) * 2 + (2 + 1), 64 + 1
    assert grey.count_params() == 31_031_685 - longer + paper


def test_the_salt_notebook_s_first_layers() -> None:
    """It has 160 weights in the first convolution, with a bias, and 64 in its normalisation."""
    plain = catalog.build("unet", 2, {"channels": 1, "width": 16, "batch_norm": False})
    assert plain.get_layer("down0_a_conv").count_params() == 160
    normed = catalog.build("unet", 2, {"channels": 1, "width": 16})
    assert normed.get_layer("down0_a_conv").count_params() == 144
    assert normed.get_layer("down0_a_norm").count_params() == 64


def test_depth_width_and_dropout() -> None:
    model = catalog.build("unet", 2, {"depth": 2, "width": 6, "dropout": 0.3})
    assert model.get_layer("bottom_b_conv").filters == 24
    assert model.get_layer("pad").multiple == 4
    rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    assert rates == dict.fromkeys(("down1_dropout", "bottom_dropout", "up1_dropout", "up0_dropout"), 0.3)


def test_one_channel_is_luminance() -> None:
    keras.utils.set_random_seed(0)
    model = catalog.build("unet", 2, {"depth": 2, "width": 4, "channels": 1})
    red = np.zeros((1, 9, 7, 3), np.uint8)
    red[..., 0] = 200
    grey = np.full_like(red, round(200 * unet.LUMA[0]))
    layer = keras.Model(model.input, model.get_layer("luminance").output)
    assert layer(red).shape == (1, 9, 7, 1)
    # The two differ slightly, because each channel is normalised by its own mean and deviation first.
    np.testing.assert_allclose(layer(red), layer(grey), atol=0.05)
    assert segmenter.logits(model, red).shape == (1, 9, 7, 2)


def test_the_decoder_on_densenet_has_the_weights_of_the_article() -> None:
    """Counted by hand: pix2pix's blocks have a bias in the last layer only; Keras's network has 427 layers."""
    model = catalog.build("unet_backbone", 59)
    assert sum(int(np.prod(w.shape)) for layer in backbones.layers(model) for w in layer.weights) == 7_037_504
    sources = (1024, 512 + 1024, 256 + 512, 128 + 256)
    blocks = sum(9 * a * b + 2 * b for a, b in zip(sources, (512, 256, 128, 64), strict=True))
    backbones.set_trainable(model, trainable=False)
    assert learned(model) == blocks + 9 * (64 + 64) * 59 + 59 == 9_433_403
    assert len(backbones.layers(model)) == 427 - 1  # the input is the model's own


def test_widths_are_four() -> None:
    with pytest.raises(ModelError, match=r"'widths' of model 'unet_backbone' must be a list of 4, each item a whole"):
        catalog.check("unet_backbone", {"widths": (8, 8)})


def test_images_smaller_than_the_stride_are_refused_before_training() -> None:
    catalog.check_size("unet", {"depth": 5}, (32, 40))
    with pytest.raises(ModelError, match=r"Images of 20x40 are smaller than the stride 32 of model 'unet'.*32x40"):
        catalog.check_size("unet", {"depth": 5}, (20, 40))
