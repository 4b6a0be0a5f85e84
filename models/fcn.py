"""FCN: fully convolutional networks on VGG16 (Long, Shelhamer, Darrell, CVPR 2015, arXiv:1411.4038).

FCN-8s with the defaults and 21 classes has 134,489,759 weights; the paper's table 1 says 134M.
"""

from typing import Literal

import keras

from models import backbones, blocks
from models.parameters import Fraction, Positive


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    stride: Literal[8, 16, 32] = 8,
    backbone: Literal["vgg16"] = "vgg16",
    weights: str = "random",
    head_width: Positive = 4096,
    dropout: Fraction = 0.5,
    fusion: Literal["sequential", "parallel"] = "sequential",
    kernel: Literal["double", "stride"] = "double",
) -> keras.Model:
    """Build FCN-32s, 16s or 8s; the defaults are FCN-8s as published.

    Where the original pads every image by 100 pixels, this pads to a multiple of 32 and cuts the logits. fc6 and fc7
    begin at random with any `weights`; the 1x1 scores begin at N(0, 0.01).

    Args:
        num_classes: Channels of the output.
        synchronized: Without effect: there is no batch normalisation.
        stride: Finest features that are used.
        backbone: Network that gives the features.
        weights: Its weights: `random`, `imagenet` or a file.
        head_width: Channels of fc6 and fc7.
        dropout: Share left out after fc6 and fc7 in training.
        fusion: `sequential` scores the deepest features, then doubles and adds the next finer scores, step by step.
            `parallel`, known from tutorials, upsamples all of them to `stride` at once, the deepest straight from fc7,
            and rectifies the finer scores.
        kernel: Size of the transposed convolutions. `double`, twice the stride, begins bilinear, and the last one stays
            so. `stride` begins at random and all of them learn.

    Returns:
        Model of image [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].
    """
    images = blocks.image_input()
    features = backbones.pyramid(backbone, images, weights=weights)
    x = _head(features[32], head_width, dropout)
    fuse = _fuse_in_sequence if fusion == "sequential" else _fuse_in_parallel
    x = fuse(x, features, num_classes, stride, kernel)
    x = _upscore(x, num_classes, stride, kernel, name=f"upscore{stride}", learned=kernel == "stride")
    return keras.Model(images, blocks.CropLike(name="crop", dtype="float32")(x, images), name="fcn")


def _head(x: keras.KerasTensor, width: int, dropout: float) -> keras.KerasTensor:
    """Apply VGG16's fully connected layers as convolutions."""
    for name, size in (("fc6", 7), ("fc7", 1)):
        x = keras.layers.Conv2D(
            width, size, padding="same", activation="relu", kernel_initializer="he_normal", name=name
        )(x)
        x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def _fuse_in_sequence(
    x: keras.KerasTensor, features: backbones.Pyramid, num_classes: int, stride: int, kernel: str
) -> keras.KerasTensor:
    x = _score(x, num_classes, name="score_fr")
    at = 32
    while at > stride:
        at //= 2
        x = _upscore(x, num_classes, 2, kernel, name=f"upscore2_to{at}")
        x = keras.layers.Add(name=f"fuse{at}")([x, _score(features[at], num_classes, name=f"score{at}")])
    return x


def _fuse_in_parallel(
    x: keras.KerasTensor, features: backbones.Pyramid, num_classes: int, stride: int, kernel: str
) -> keras.KerasTensor:
    if stride == 32:
        return _score(x, num_classes, name="score_fr")
    scores = [_upscore(x, num_classes, 32 // stride, kernel, name="upscore_fc7")]
    for at in (at for at in (16, 8) if at >= stride):
        score = _score(features[at], num_classes, name=f"score{at}", activation="relu")
        scores.append(
            score if at == stride else _upscore(score, num_classes, at // stride, kernel, name=f"upscore{at}")
        )
    return keras.layers.Add(name="fuse")(scores)


def _score(x: keras.KerasTensor, num_classes: int, *, name: str, activation: str | None = None) -> keras.KerasTensor:
    initial = keras.initializers.RandomNormal(stddev=0.01)
    return keras.layers.Conv2D(num_classes, 1, activation=activation, kernel_initializer=initial, name=name)(x)


def _upscore(
    x: keras.KerasTensor, num_classes: int, factor: int, kernel: str, *, name: str, learned: bool = True
) -> keras.KerasTensor:
    """Enlarge to scores of the classes by a transposed convolution without bias, in float32."""
    return keras.layers.Conv2DTranspose(
        num_classes,
        2 * factor if kernel == "double" else factor,
        strides=factor,
        padding="same",
        use_bias=False,
        kernel_initializer=blocks.Bilinear() if kernel == "double" else "glorot_uniform",
        trainable=learned,
        name=name,
        dtype="float32",
    )(x)
