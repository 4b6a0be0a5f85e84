"""FCN: fully convolutional networks (Long, Shelhamer, Darrell, CVPR 2015, arXiv:1411.4038).

FCN-8s with the defaults and 21 classes has 134,489,759 weights, as the authors' definition
(shelhamer/fcn.berkeleyvision.org, voc-fcn8s/net.py); table 1 of the paper says 134M. The receptive field, of VGG16's
fc6, is 404 pixels, as in that table.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from models import backbones, blocks
from models.errors import ModelError
from models.typed_values import Backbone, DropRate, NotNegative, Positive, Sha256, Weights

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images."""


def build(
    num_classes: int,
    *,
    synchronized: bool = False,
    stride: Literal[8, 16, 32] = 8,
    backbone: Backbone = "vgg16",
    weights: Weights = "random",
    weights_sha256: Sha256 | None = None,
    head_weights: Weights = "random",
    head_weights_sha256: Sha256 | None = None,
    head_width: Positive = 4096,
    dropout: DropRate = 0.5,
    score_fc7: bool = True,
    rectify_scores: bool = False,
    fusion: Literal["sequential", "parallel"] = "sequential",
    upscore: Literal["bilinear", "double", "stride"] = "bilinear",
    upscore_bias: bool = False,
    l2: NotNegative = 0.0,
) -> keras.Model:
    """Build FCN-32s, 16s or 8s. The defaults are FCN-8s as published; the other options cover tutorials' variants.

    The original pads every image by 100 pixels; this pads to a multiple of 32 and crops the logits. The 1x1 scores are
    initialised from N(0, 0.01).

    >>> build(num_classes=2, backbone="mobilenet_v2", head_width=8).output_shape
    (None, None, None, 2)

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas; VGG has none.
        stride: Stride of the finest features used.
        backbone: Network that computes the features.
        weights: Its initial weights: `random`, `imagenet`, `package:NAME` or a file (see backbones.pyramid).
        weights_sha256: Expected SHA-256 of that file; None: not checked.
        head_weights: Initial weights of fc6 and fc7: `random`, or VGG16's fully connected layers from `imagenet` or
            from Keras's file of VGG16 with its top. These need backbone vgg16 and head_width 4096.
        head_weights_sha256: Expected SHA-256 of that file; None: not checked.
        head_width: Channels of fc6 and fc7.
        dropout: Share dropped after fc6 and fc7 in training.
        score_fc7: Score fc7 by a 1x1 convolution; otherwise the first upsampling maps fc7 to classes directly.
        rectify_scores: Apply a ReLU to the scores of the finer features.
        fusion: `sequential` upsamples the deepest scores by 2 and adds the next finer ones, step by step. `parallel`
            upsamples all of them to `stride` at once.
        upscore: Kernel size and initialisation of the transposed convolutions. `bilinear`: twice the stride, bilinear,
            and the last one stays fixed, as in the paper; in the authors' later definition all of them are fixed (the
            one directly from fc7 is initialised as for `double`). `double`: twice the stride, N(0, 0.01). `stride`: the
            stride, Glorot's initialisation.
        upscore_bias: Add a bias to the transposed convolutions.
        l2: L2 penalty on the kernels of scores and transposed convolutions: l2 / 2 times the sum of squares, as in
            TensorFlow 1.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> float32 logits [B,H,W,num_classes].

    Raises:
        ModelError: The weights are missing, damaged or of another network, or `head_weights` do not fit the options.
    """
    _require_vgg16(backbone, head_width, head_weights)
    images = blocks.image_input()
    features = backbones.pyramid(
        backbone, images, weights=weights, weights_sha256=weights_sha256, synchronized=synchronized
    )
    x = _head(features[STRIDE], head_width, dropout)
    decoder = _Decoder(num_classes, rectify_scores, upscore, upscore_bias, l2)
    if score_fc7:
        x = decoder.score(x, name="score_fr")
    fuse = _fuse_in_sequence if fusion == "sequential" else _fuse_in_parallel
    x = fuse(decoder, x, features, stride)
    x = decoder.upsample(x, stride, name=f"upscore{stride}", last=True)
    model = keras.Model(images, blocks.CropLike(name="crop", dtype="float32")(x, images), name="fcn")
    if head_weights != "random":
        _load_head(model, backbones.vgg16_head(head_weights, head_weights_sha256))
    return model


def _head(x: keras.KerasTensor, width: int, dropout: float) -> keras.KerasTensor:
    """Apply VGG16's fully connected layers as convolutions."""
    for name, size in (("fc6", 7), ("fc7", 1)):
        x = keras.layers.Conv2D(
            width, size, padding="same", activation="relu", kernel_initializer="he_normal", name=name
        )(x)
        x = blocks.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def _require_vgg16(backbone: str, head_width: int, head_weights: str) -> None:
    """Raise ModelError if VGG16's head cannot fit, before half a gigabyte of it is downloaded."""
    if head_weights == "imagenet" and (backbone, head_width) != ("vgg16", 4096):
        raise ModelError(
            "Parameter 'head_weights' of model 'fcn' is 'imagenet' and needs backbone 'vgg16' and head_width 4096. "
            f"Received: backbone {backbone!r}, head_width {head_width}."
        )


def _load_head(model: keras.Model, weights: dict[str, list[np.ndarray]]) -> None:
    for name, arrays in weights.items():
        layer = model.get_layer(name)
        if layer.kernel.shape != arrays[0].shape:
            raise ModelError(
                f"Parameter 'head_weights' of model 'fcn' needs backbone 'vgg16' and head_width {arrays[0].shape[-1]}: "
                f"the kernel of {name} is {list(arrays[0].shape)} there and {list(layer.kernel.shape)} here."
            )
        layer.set_weights(arrays)


@dataclass(frozen=True)
class _Decoder:
    """Creates the layers between features and class scores, with the options of `build`."""

    num_classes: int
    rectify: bool
    upscore: str
    bias: bool
    l2: float

    def score(self, x: keras.KerasTensor, *, name: str, rectify: bool = False) -> keras.KerasTensor:
        """Map features to class scores by a 1x1 convolution."""
        return keras.layers.Conv2D(
            self.num_classes,
            1,
            activation="relu" if rectify else None,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            kernel_regularizer=self._regularizer(),
            name=name,
        )(x)

    def upsample(self, x: keras.KerasTensor, factor: int, *, name: str, last: bool = False) -> keras.KerasTensor:
        """Upsample to class scores by a transposed convolution, in float32."""
        kernel, initial = 2 * factor, keras.initializers.RandomNormal(stddev=0.01)
        if self.upscore == "stride":
            kernel, initial = factor, keras.initializers.GlorotUniform()
        bilinear = self.upscore == "bilinear" and x.shape[-1] == self.num_classes
        learned = not (bilinear and last)
        return keras.layers.Conv2DTranspose(
            self.num_classes,
            kernel,
            strides=factor,
            padding="same",
            use_bias=self.bias,
            kernel_initializer=blocks.Bilinear() if bilinear else initial,
            kernel_regularizer=self._regularizer() if learned else None,
            trainable=learned,
            name=name,
            dtype="float32",
        )(x)

    def _regularizer(self) -> keras.regularizers.Regularizer | None:
        return keras.regularizers.L2(self.l2 / 2) if self.l2 else None


def _fuse_in_sequence(
    decoder: _Decoder, x: keras.KerasTensor, features: backbones.Pyramid, stride: int
) -> keras.KerasTensor:
    for at in (at for at in (16, 8) if at >= stride):
        finer = decoder.score(features[at], name=f"score{at}", rectify=decoder.rectify)
        x = decoder.upsample(x, 2, name=f"upscore2_to{at}")
        x = keras.layers.Add(name=f"fuse{at}", dtype="float32")([x, finer])
    return x


def _fuse_in_parallel(
    decoder: _Decoder, x: keras.KerasTensor, features: backbones.Pyramid, stride: int
) -> keras.KerasTensor:
    if stride == 32:
        return x
    scores = [decoder.upsample(x, 32 // stride, name="upscore_fc7")]
    for at in (at for at in (16, 8) if at >= stride):
        finer = decoder.score(features[at], name=f"score{at}", rectify=decoder.rectify)
        scores.append(finer if at == stride else decoder.upsample(finer, at // stride, name=f"upscore{at}_to{stride}"))
    return keras.layers.Add(name="fuse", dtype="float32")(scores)
