"""U-Net, plain and over a backbone: numbers of weights that sources print, parameters, errors."""

import keras
import numpy as np
import pytest

from models import backbones, catalog, segmenter, unet
from models.errors import ModelError


def learned(model: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def published(channels: int, classes: int, per_channel: int) -> int:
    """Layer by layer, from the paper's figure 1; each 3x3 convolution has so many weights a channel besides its kernel.

    That is 1, its bias, or 2 where a normalisation takes its place.
    """
    widths = (64, 128, 256, 512, 1024)
    total, before = 0, channels
    for width in widths:
        total += 9 * (before + width) * width + 2 * per_channel * width
        before = width
    for width in widths[-2::-1]:
        total += (2 * 2 * 2 * width + 1) * width  # the 2x2 enlargement, with its bias
        total += 9 * (2 * width + width) * width + 2 * per_channel * width
    return total + (64 + 1) * classes


def test_the_plain_net_has_the_weights_of_the_papers_figure() -> None:
    assert learned(catalog.build("unet", 1)) == published(3, 1, per_channel=2)
    plain = catalog.build("unet", 2, {"channels": 1, "batch_norm": False})
    assert plain.count_params() == published(1, 2, per_channel=1)


def test_the_plain_net_has_the_weights_that_others_print() -> None:
    """31,037,633: Pytorch-UNet for 3 channels and 1 class. 31,031,685: zhixuhao/unet for 1 channel.

    The latter ends with a 3x3 convolution to 2 channels and a 1x1 to 1 where the paper has a 1x1.
    """
    assert learned(catalog.build("unet", 1)) == 31_037_633
    grey = catalog.build("unet", 1, {"channels": 1, "batch_norm": False})
    longer, paper = (9 * 64 + 1) * 2 + (2 + 1), 64 + 1
    assert grey.count_params() == 31_031_685 - longer + paper


def test_the_salt_notebook_s_first_layers() -> None:
    """It prints 160 weights for the first convolution, which has a bias there, and 64 for its normalisation."""
    plain = catalog.build("unet", 2, {"channels": 1, "width": 16, "batch_norm": False})
    assert plain.get_layer("down0_a_conv").count_params() == 160
    normed = catalog.build("unet", 2, {"channels": 1, "width": 16})
    assert normed.get_layer("down0_a_conv").count_params() == 144
    assert normed.get_layer("down0_a_norm").count_params() == 64


def test_depth_width_and_dropout_are_what_they_say() -> None:
    model = catalog.build("unet", 2, {"depth": 2, "width": 6, "dropout": 0.3})
    assert model.get_layer("bottom_b_conv").filters == 24
    assert model.get_layer("pad").multiple == 4
    rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)}
    assert rates == dict.fromkeys(("down1_dropout", "bottom_dropout", "up1_dropout", "up0_dropout"), 0.3)


def test_one_channel_sees_luminance() -> None:
    keras.utils.set_random_seed(0)
    model = catalog.build("unet", 2, {"depth": 2, "width": 4, "channels": 1})
    red = np.zeros((1, 9, 7, 3), np.uint8)
    red[..., 0] = 200
    grey = np.full_like(red, round(200 * unet.LUMA[0]))
    layer = keras.Model(model.input, model.get_layer("luminance").output)
    assert layer(red).shape == (1, 9, 7, 1)
    # Each channel is normalised by its own mean and spread first, so the two agree up to that.
    np.testing.assert_allclose(layer(red), layer(grey), atol=0.05)
    assert segmenter.logits(model, red).shape == (1, 9, 7, 2)


def test_the_decoder_over_densenet_is_the_article_s() -> None:
    """Counted by hand: pix2pix's blocks have no bias but in the last layer; 427 layers are what Keras's network has."""
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
