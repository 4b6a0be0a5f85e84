"""Building blocks that the models share: normalisation, padding to a multiple, convolutions with batch normalisation.

Callers name every layer, so that the names of weights in a checkpoint are readable and stable.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models import batch_statistics

Shape = tuple[int | None, ...]

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean red, green and blue of ImageNet in 0..255: (0.485, 0.456, 0.406) * 255, as in torchvision."""

IMAGENET_STD = (58.395, 57.12, 57.375)
"""Their standard deviations: (0.229, 0.224, 0.225) * 255, as in torchvision."""

FAST_COLUMNS = 3
"""Widest depthwise kernel for whose weight gradient oneDNN has a fast implementation (TensorFlow 2.21)."""


def image_input() -> keras.KerasTensor:
    """Return the input of every model: images [B,H,W,3] in 0..255, of any size."""
    return keras.Input((None, None, 3), name="image")


def normalise(images: keras.KerasTensor) -> keras.KerasTensor:
    """Normalise [B,H,W,3] in 0..255 by ImageNet's mean and standard deviation; in float32 under any precision."""
    scale = [1 / std for std in IMAGENET_STD]
    offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    return keras.layers.Rescaling(scale, offset, name="normalise", dtype="float32")(images)


class PadToMultiple(keras.layers.Layer):
    """Pad [B,H,W,C] with zeros at the bottom and right until height and width are multiples of `multiple`.

    Features are then aligned with the same pixels for every image size, and odd sizes need no further handling.
    """

    def __init__(self, multiple: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Return the padded images."""
        height, width = -tf.shape(images)[1] % self.multiple, -tf.shape(images)[2] % self.multiple
        padded = tf.pad(images, [[0, 0], [0, height], [0, width], [0, 0]])
        return tf.ensure_shape(padded, self.compute_output_shape(images.shape))

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the padded shape; unknown lengths stay unknown."""
        lengths = (None if length is None else length + -length % self.multiple for length in shape[1:3])
        return (shape[0], *lengths, shape[3])


class CropLike(keras.layers.Layer):
    """Crop [B,H,W,C] at the bottom and right to a second tensor's height and width: undoes PadToMultiple."""

    def call(self, scores: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
        """Crop `scores` to the size of `images`."""
        if scores.shape[1:3].is_fully_defined() and scores.shape[1:3] == images.shape[1:3]:
            return scores  # saves the gradient of a crop that removes nothing
        return scores[:, : tf.shape(images)[1], : tf.shape(images)[2]]

    def compute_output_shape(self, scores_shape: Shape, images_shape: Shape) -> Shape:
        """Return the shape after cropping."""
        return (scores_shape[0], *images_shape[1:3], scores_shape[3])


class Upsample(keras.layers.Layer):
    """Upsample [B,H,W,C] by an integer factor: bilinear, with half-pixel centres.

    keras.layers.UpSampling2D fails inside a tf.function of unknown sizes (Keras 3.15).
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the upsampled tensor in the dtype of `x`."""
        resized = tf.image.resize(x, tf.shape(x)[1:3] * self.factor, method="bilinear")
        return tf.cast(tf.ensure_shape(resized, self.compute_output_shape(x.shape)), x.dtype)

    def compute_output_shape(self, shape: Shape) -> Shape:
        """Return the upsampled shape; unknown lengths stay unknown."""
        lengths = (None if length is None else length * self.factor for length in shape[1:3])
        return (shape[0], *lengths, shape[3])


class ResizeLike(keras.layers.Layer):
    """Resize [B,h,w,C] bilinearly to a second tensor's height and width, for ratios that are not integers."""

    def call(self, x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """Return `x` resized to the size of `like`, in the dtype of `x`."""
        resized = tf.image.resize(x, tf.shape(like)[1:3], method="bilinear")
        return tf.cast(tf.ensure_shape(resized, self.compute_output_shape(x.shape, like.shape)), x.dtype)

    def compute_output_shape(self, x_shape: Shape, like_shape: Shape) -> Shape:
        """Return the shape after resizing."""
        return (x_shape[0], *like_shape[1:3], x_shape[3])


class Bilinear(keras.initializers.Initializer):
    """Initialise a transposed convolution to bilinear upsampling of each channel (Long et al. 2015)."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> tf.Tensor:
        """Return a kernel [size, size, out, in] for stride size/2."""
        size, _, outputs, inputs = shape
        factor = (size + 1) // 2
        centre = factor - 1 if size % 2 else factor - 0.5
        ramp = 1 - np.abs(np.arange(size) - centre) / factor
        return tf.cast(np.einsum("h,w,oi->hwoi", ramp, ramp, np.eye(outputs, inputs)), dtype or tf.float32)


def he_fan_out() -> keras.initializers.Initializer:
    """Return He's initialiser N(0, 2 / n) with n the fan-out (He et al. 2015, arXiv:1502.01852, eq. 14).

    For a depthwise kernel [k,k,C,1] n is k * k, which is also the fan-in. The variance of `he_normal` is C times too
    small there: Keras (3.10 to 3.15) counts all channels in the fan-in of a depthwise kernel.
    """
    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")


class Dropout(keras.layers.Dropout):
    """Keras's dropout with a different mask on each replica, and none while the layer is frozen.

    Keras uses one seed for all replicas of a strategy: on eight GPUs with one image each, all images of a batch would
    lose the same channels. The seed state in a checkpoint is shared; on one device the masks are Keras's. A frozen
    layer of Keras's still drops: the stochastic depth of a frozen EfficientNet would skip blocks at random.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:  # noqa: FBT001, the signature of Keras
        """Drop a share of the values in training, and scale up the rest."""
        if not training or not self.trainable or not self.rate:
            return inputs
        context = tf.distribute.get_replica_context()
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64) if context else tf.zeros([], tf.int64)
        seed = tf.cast(self.seed_generator.next(), tf.int64) + tf.stack([replica, tf.zeros_like(replica)])
        shape = tf.shape(inputs)
        noise = self.noise_shape or [None] * inputs.shape.rank
        noise = [shape[axis] if length is None else length for axis, length in enumerate(noise)]
        return tf.nn.experimental.stateless_dropout(
            inputs, self.rate, tf.cast(seed % (tf.int32.max - 1), tf.int32), noise_shape=noise
        )


class DepthwiseConv(keras.layers.DepthwiseConv2D):
    """Keras's depthwise convolution, with a faster weight gradient on a CPU if the kernel is more than 3 wide.

    oneDNN has a fast kernel for the gradient of up to 3 columns only. So the columns of a 5x5 kernel are computed in
    two parts: 1.3 instead of 3.7 ms an image of 36x48x240, 0.8 instead of 2.7 ms of 18x24x672 (one CPU core).
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:  # noqa: FBT001, the signature of Keras
        """Convolve each channel of [B,H,W,C]."""
        wide = self.kernel_size[1] > FAST_COLUMNS and self.dilation_rate == (1, 1)
        if not (training and self.trainable and wide) or tf.config.list_physical_devices("GPU"):
            return super().call(inputs)
        y = self._convolve(inputs, self.kernel.value)
        return self.activation(y + self.bias.value if self.use_bias else y)

    def _convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        strides, padding = [1, *self.strides, 1], self.padding.upper()

        @tf.custom_gradient
        def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                to_x = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                    input_sizes=tf.shape(x), filter=kernel, out_backprop=upstream, strides=strides, padding=padding
                )
                return to_x, self._kernel_gradient(x, upstream)

            return tf.nn.depthwise_conv2d(x, kernel, strides, padding), gradient

        return convolve(x, kernel)

    def _kernel_gradient(self, x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """Return the gradient [h,w,C,M] of the kernel, computed FAST_COLUMNS at a time and joined."""
        rows, columns, *channels = self.kernel.shape
        steps = tf.shape(upstream)[1:3] - 1
        missing = tf.maximum(0, steps * self.strides + self.kernel_size - tf.shape(x)[1:3])  # of padding `same`
        x = tf.pad(x, tf.stack([[0, 0], *([lack // 2, lack - lack // 2] for lack in tf.unstack(missing)), [0, 0]]))
        parts = []
        for first in range(0, columns, FAST_COLUMNS):
            width = min(FAST_COLUMNS, columns - first)
            part = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
                input=x[:, :, first : first + steps[1] * self.strides[1] + width],
                filter_sizes=[rows, width, *channels],
                out_backprop=upstream,
                strides=[1, *self.strides, 1],
                padding="VALID",
            )
            parts.append(part)
        return tf.concat(parts, axis=1)


class BatchNorm(keras.layers.BatchNormalization):
    """Keras's batch normalisation of [B,H,W,C], with TensorFlow's fused kernel and fewer messages in training.

    Keras 3 composes it of small operations: with the ReLU, forward and backward take 12.1 ms instead of 4.4 ms (2 CPU
    cores, 8x72x96x48). Weights, their names and results are the same as Keras's. See models.batch_statistics.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:  # noqa: FBT001, the signature of Keras
        """Normalise: in training by the batch's statistics, otherwise by the moving ones."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        channels = inputs.shape[-1:]
        gamma = tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(channels)
        beta = tf.cast(self.beta, tf.float32) if self.center else tf.zeros(channels)
        if self.synchronized:
            near = tf.cast(self.moving_mean, tf.float32)
            x, mean, variance = batch_statistics.by_all(inputs, gamma, beta, self.epsilon, near=near)
        else:
            x, mean, variance = batch_statistics.by_own(inputs, gamma, beta, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return x


def norm(x: keras.KerasTensor, *, name: str, relu: bool = True, synchronized: bool = False) -> keras.KerasTensor:
    """Apply batch normalisation and, if `relu`, a ReLU: `<name>_norm`, `<name>_relu`."""
    x = BatchNorm(momentum=0.9, epsilon=1e-5, synchronized=synchronized, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def logits(x: keras.KerasTensor, images: keras.KerasTensor, num_classes: int, *, factor: int = 1) -> keras.KerasTensor:
    """Map features to logits by a 1x1 convolution, upsample them by `factor` and crop them to the images' size."""
    x = keras.layers.Conv2D(num_classes, 1, name="logits", dtype="float32")(x)
    if factor > 1:
        x = Upsample(factor, name="upsample", dtype="float32")(x)
    return CropLike(name="crop", dtype="float32")(x, images)


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    relu: bool = True,
    synchronized: bool = False,
) -> keras.KerasTensor:
    """Apply a convolution, batch normalisation and, if `relu`, a ReLU: `<name>_conv`, `<name>_norm`, `<name>_relu`."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=strides,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return norm(x, name=name, relu=relu, synchronized=synchronized)


def residual(
    x: keras.KerasTensor,
    filters: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    relu: bool = True,
    synchronized: bool = False,
) -> keras.KerasTensor:
    """Apply a basic residual block (He et al. 2016): two 3x3 convolutions and a shortcut, projected if needed.

    The last ReLU is applied if `relu`. With strides, the shortcut is pooled before its 1x1 convolution (ResNet-D, He et
    al. 2019): a strided 1x1 convolution ignores three pixels of four, and its weight gradient corrupts memory for a
    batch of one on a CPU (TensorFlow 2.21 with oneDNN, input 1x16x16x8).
    """
    shortcut = x
    if strides > 1:
        shortcut = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_shortcut_pool")(shortcut)
    if x.shape[-1] != filters:
        shortcut = convolution(shortcut, filters, 1, relu=False, synchronized=synchronized, name=f"{name}_shortcut")
    y = convolution(x, filters, 3, strides=strides, dilation=dilation, synchronized=synchronized, name=f"{name}_a")
    y = convolution(y, filters, 3, dilation=dilation, relu=False, synchronized=synchronized, name=f"{name}_b")
    y = keras.layers.Add(name=f"{name}_add")([y, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(y) if relu else y
