"""KerasHub's DeepLabV3 and DeepLabV3+ (Chen et al. 2017, 2018) over a ResNet, for images of any size.

Unlike models.deeplabv3plus, it pools at 1/32 without dilating the encoder, fuses by one 1x1 convolution, and normalises
with an epsilon of 1e-3; so the published weights fit this network only.
"""

import keras

from models import blocks, hub_presets
from models.backbones import PREFIX
from models.hub_presets import DeepLab
from models.transplant import SIDE, transplant

WIDTH = 256
"""Channels of the pooling and of the decoder."""

STRIDE = 32
"""Coarsest stride of the encoder."""


def features(network: DeepLab, x: keras.KerasTensor, *, synchronized: bool) -> tuple[keras.KerasTensor, int]:
    """Compute what the logits are made of.

    Args:
        network: Its description.
        x: Normalised images [B,H,W,3]; H and W are multiples of STRIDE.
        synchronized: Share batch statistics between replicas.

    Returns:
        Features [B,H/factor,W/factor,WIDTH], and that factor.

    Raises:
        ModelError: KerasHub, which has the encoder, is not installed.
    """
    encoder = _encoder(network)
    outputs = transplant(encoder, x, prefix=PREFIX, output_stride=STRIDE, synchronized=synchronized)
    tap = {key: tensor._keras_history.operation.name for key, tensor in encoder.pyramid_outputs.items()}
    y = _pool(outputs[tap[f"P{network.high}"]], network.rates, synchronized=synchronized)
    y = blocks.Upsample(network.upsampling, name="decoder_upsample")(y)
    if network.low:
        low = outputs[tap[f"P{network.low}"]]
        low = _convolve(low, network.low_channels, name="decoder_low", synchronized=synchronized)
        y = keras.layers.Concatenate(name="decoder")([y, low])
    y = _convolve(y, WIDTH, name="decoder_fuse", synchronized=synchronized)
    return y, 2**network.high // network.upsampling


def _encoder(network: DeepLab) -> keras.Model:
    hub_presets.require_library()
    from keras_hub.models import ResNetBackbone

    return ResNetBackbone(**network.encoder, image_shape=(SIDE, SIDE, 3))


def _pool(x: keras.KerasTensor, rates: tuple[int, ...], *, synchronized: bool) -> keras.KerasTensor:
    """Apply a 1x1 convolution, a 3x3 one for each rate, and one to the global mean; join them by a 1x1 convolution."""
    branches = [_convolve(x, WIDTH, name="aspp_1x1", synchronized=synchronized)]
    for number, rate in enumerate(rates, start=1):
        branches.append(_convolve(x, WIDTH, 3, rate, name=f"aspp_rate{number}", synchronized=synchronized))
    whole = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x)
    whole = _convolve(whole, WIDTH, name="aspp_pool", synchronized=synchronized)
    branches.append(blocks.ResizeLike(name="aspp_pool_resize")(whole, x))
    joined = keras.layers.Concatenate(name="aspp")(branches)
    return _convolve(joined, WIDTH, name="aspp_project", synchronized=synchronized)


def _convolve(
    x: keras.KerasTensor, filters: int, kernel: int = 1, rate: int = 1, *, name: str, synchronized: bool
) -> keras.KerasTensor:
    """Convolve, normalise with Keras's default epsilon and momentum, as KerasHub does, and rectify."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        padding="same",
        dilation_rate=rate,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    x = blocks.BatchNorm(epsilon=1e-3, momentum=0.99, synchronized=synchronized, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
