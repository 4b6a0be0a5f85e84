"""DeepLabV3+: atrous convolutions at several rates (ASPP) on a backbone, and a small decoder at 1/4.

Chen, Zhu, Papandreou, Schroff, Adam, ECCV 2018, arXiv:1802.02611. The paper reports multiply-adds but no numbers of
weights: its decoder adds 21.77 G at 513x513 (table 3, 74.20 - 52.43), as this one with `separable: false`. With
ResNet50 and 21 classes it has 26,709,285 trainable weights: the 26,682,725 of segmentation_models_pytorch 0.6, and the
26,560 biases of the convolutions of Keras's ResNet50.
"""

from typing import Literal

import keras

from models import backbones, blocks
from models.typed_values import DropRate, Positive, Sha256, Weights

RATES = {16: (6, 12, 18), 8: (12, 24, 36)}
"""Atrous rates of ASPP for each output stride (Chen et al. 2017, arXiv:1706.05587)."""

MIN_BATCH_SIZE = 2
"""Batch normalisation needs two images in training: ASPP pools each to one pixel (the catalogue reads this)."""

LOW_LEVEL = 48
"""Channels to which the features at 1/4 are reduced (table 1)."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    backbone: Literal["resnet50", "mobilenet_v2"] = "resnet50",
    weights: Weights = "random",
    weights_sha256: Sha256 | None = None,
    output_stride: Literal[8, 16] = 16,
    width: Positive = 256,
    separable: bool = True,
    dropout: DropRate = 0.5,
) -> keras.Model:
    """Build DeepLabV3+.

    >>> build(num_classes=2, backbone="mobilenet_v2", width=8).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        backbone: Network that computes the features.
        weights: Its initial weights: `random`, `imagenet`, `package:NAME` or a file (see backbones.pyramid).
        weights_sha256: Expected SHA-256 of that file; None: not checked.
        output_stride: Stride of the coarsest features; 8 takes about three times as long as 16.
        width: Channels of ASPP and of the decoder.
        separable: Make the 3x3 convolutions of ASPP and of the decoder depthwise separable (section 3.1).
        dropout: Share of ASPP's values dropped in training.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The weights are missing, damaged or of another network.
    """
    net = _Layers(width, separable=separable, synchronized=synchronized)
    images = blocks.image_input()
    features = backbones.pyramid(
        backbone,
        images,
        weights=weights,
        weights_sha256=weights_sha256,
        output_stride=output_stride,
        synchronized=synchronized,
    )
    x = net.aspp(features[output_stride], RATES[output_stride])
    x = blocks.Dropout(dropout, name="aspp_dropout")(x)
    x = blocks.Upsample(output_stride // 4, name="decoder_upsample")(x)
    low = blocks.convolution(features[4], LOW_LEVEL, 1, name="decoder_low", synchronized=synchronized)
    x = keras.layers.Concatenate(name="decoder")([x, low])
    for number in (1, 2):
        x = net.conv3x3(x, f"decoder_conv{number}")
    return keras.Model(images, blocks.logits(x, images, num_classes, factor=4), name="deeplabv3plus")


class _Layers:
    """Creates the parts of the network, with the options of `build`."""

    def __init__(self, width: int, *, separable: bool, synchronized: bool) -> None:
        self._width, self._separable, self._synchronized = width, separable, synchronized

    def conv1x1(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return blocks.convolution(x, self._width, 1, name=name, synchronized=self._synchronized)

    def conv3x3(self, x: keras.KerasTensor, name: str, rate: int = 1) -> keras.KerasTensor:
        if not self._separable:
            return blocks.convolution(x, self._width, 3, dilation=rate, name=name, synchronized=self._synchronized)
        x = keras.layers.DepthwiseConv2D(
            3,
            padding="same",
            dilation_rate=rate,
            use_bias=False,
            depthwise_initializer=blocks.he_fan_out(),
            name=f"{name}_depthwise",
        )(x)
        return self.conv1x1(x, name)

    def aspp(self, x: keras.KerasTensor, rates: tuple[int, ...]) -> keras.KerasTensor:
        """Apply atrous spatial pyramid pooling: a 1x1 convolution, one 3x3 for each rate, and the global mean."""
        whole = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x)
        whole = blocks.ResizeLike(name="aspp_pool_resize")(self.conv1x1(whole, "aspp_pool_project"), x)
        branches = [self.conv1x1(x, "aspp_1x1"), *(self.conv3x3(x, f"aspp_rate{rate}", rate) for rate in rates)]
        return self.conv1x1(keras.layers.Concatenate(name="aspp")([*branches, whole]), "aspp_project")
