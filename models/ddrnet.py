"""DDRNet-23-slim, a real-time network: a fine branch at 1/8 and a coarse one down to 1/64 that exchange features.

Hong, Pan, Sun, Jia: Deep dual-resolution networks, arXiv:2101.06085 (IEEE T-ITS 2022). With 19 classes and without the
auxiliary head it has 5,695,923 trainable weights, 64 fewer than the authors' definition (ydhongHIT/DDRNet), whose stem
has a bias before its normalisation; the paper's table for Cityscapes says 5.7M, and 36.3 G multiply-adds at 1024x2048.
"""

import keras

from models import auxiliary, blocks
from models.typed_values import Positive

STRIDE = 32
"""Images are padded to a multiple of this; the catalogue reads it, and rejects smaller images.

32 suffices although the context is at 1/64, because the context is resized to the fine branch.
"""

MIN_BATCH_SIZE = 2
"""Batch normalisation needs two images in training: the context pools each to one pixel (the catalogue reads this)."""

HEAD = "auxiliary"
"""Name of the auxiliary head, at 1/8, on the fine branch after the first exchange."""


def build(
    num_classes: int, *, synchronized: bool = False, width: Positive = 32, head_width: Positive = 64
) -> keras.Model:
    """Build DDRNet.

    >>> outputs = build(num_classes=2, width=4, head_width=4).output
    >>> {name: logits.shape for name, logits in outputs.items()}
    {'logits': (None, None, None, 2), 'auxiliary': (None, None, None, 2)}

    Args:
        num_classes: Number of classes: channels of the logits.
        synchronized: Share batch statistics between replicas.
        width: Channels at 1/4. 32 is DDRNet-23-slim; 64, with head_width 128, is DDRNet-23.
        head_width: Channels of the last convolution before the logits.

    Returns:
        Model of images [B,H,W,3] in 0..255, any size -> {"logits": ..., "auxiliary": ...}, each float32
        [B,H,W,num_classes] (see models.auxiliary).
    """
    net = _Layers(synchronized=synchronized)
    images = blocks.image_input()
    x = blocks.normalise(images)
    x = blocks.PadToMultiple(STRIDE, name="pad", dtype="float32")(x)
    for name in ("stem_a", "stem_b"):
        x = blocks.convolution(x, width, 3, strides=2, name=name, synchronized=synchronized)
    x = net.basic(x, width, "layer1")
    x = shared = net.basic(net.relu(x, "layer1"), 2 * width, "layer2", strides=2)

    coarse = net.basic(net.relu(x, "layer2"), 4 * width, "coarse3", strides=2)
    fine = net.basic(net.relu(shared, "fine2"), 2 * width, "fine3")
    coarse, fine = net.exchange(coarse, fine, "exchange3", [4 * width], 2 * width)
    early = fine
    coarse = net.basic(net.relu(coarse, "exchange3_coarse"), 8 * width, "coarse4", strides=2)
    fine = net.basic(net.relu(fine, "exchange3_fine"), 2 * width, "fine4")
    coarse, fine = net.exchange(coarse, fine, "exchange4", [4 * width, 8 * width], 2 * width)
    fine = net.bottleneck(net.relu(fine, "exchange4_fine"), 2 * width, "fine5")
    coarse = net.bottleneck(net.relu(coarse, "exchange4_coarse"), 8 * width, "coarse5", strides=2)
    coarse = net.context(coarse, 128, 4 * width)
    x = keras.layers.Add(name="fuse")([blocks.ResizeLike(name="context_resize")(coarse, fine), fine])

    outputs = {auxiliary.MAIN: net.head(x, images, head_width, num_classes, "logits")}
    outputs[HEAD] = net.head(early, images, head_width, num_classes, HEAD)
    return keras.Model(images, outputs, name="ddrnet")


class _Layers:
    """Creates the parts of the network, with or without synchronised normalisation."""

    def __init__(self, *, synchronized: bool) -> None:
        self._synchronized = synchronized

    def relu(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def conv(
        self, x: keras.KerasTensor, filters: int, kernel: int, name: str, *, strides: int = 1, relu: bool = False
    ) -> keras.KerasTensor:
        return blocks.convolution(
            x, filters, kernel, strides=strides, relu=relu, synchronized=self._synchronized, name=name
        )

    def preactivated(self, x: keras.KerasTensor, filters: int, kernel: int, name: str) -> keras.KerasTensor:
        """Apply batch normalisation and ReLU, then a convolution."""
        x = blocks.norm(x, name=name, synchronized=self._synchronized)
        return keras.layers.Conv2D(
            filters, kernel, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv"
        )(x)

    def basic(self, x: keras.KerasTensor, filters: int, name: str, *, strides: int = 1) -> keras.KerasTensor:
        """Apply two basic residual blocks, the second without its last ReLU."""
        x = blocks.residual(x, filters, strides=strides, synchronized=self._synchronized, name=f"{name}_1")
        return blocks.residual(x, filters, relu=False, synchronized=self._synchronized, name=f"{name}_2")

    def bottleneck(self, x: keras.KerasTensor, filters: int, name: str, *, strides: int = 1) -> keras.KerasTensor:
        """Apply a bottleneck block to 2 * `filters` channels without its last ReLU, strided as in blocks.residual."""
        shortcut = x
        if strides > 1:
            shortcut = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_shortcut_pool")(x)
        shortcut = self.conv(shortcut, 2 * filters, 1, f"{name}_shortcut")
        x = self.conv(x, filters, 1, f"{name}_a", relu=True)
        x = self.conv(x, filters, 3, f"{name}_b", strides=strides, relu=True)
        return keras.layers.Add(name=f"{name}_add")([self.conv(x, 2 * filters, 1, f"{name}_c"), shortcut])

    def exchange(
        self, coarse: keras.KerasTensor, fine: keras.KerasTensor, name: str, down: list[int], up: int
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Add each branch to the other: the fine one after strided convolutions, the coarse one upsampled."""
        lowered = self.relu(fine, f"{name}_down")
        for number, filters in enumerate(down, start=1):
            last = number == len(down)
            lowered = self.conv(lowered, filters, 3, f"{name}_down{number}", strides=2, relu=not last)
        raised = self.conv(self.relu(coarse, f"{name}_up"), up, 1, f"{name}_compress")
        raised = blocks.Upsample(2 ** len(down), name=f"{name}_upsample")(raised)
        coarse = keras.layers.Add(name=f"{name}_coarse")([coarse, lowered])
        return coarse, keras.layers.Add(name=f"{name}_fine")([fine, raised])

    def context(self, x: keras.KerasTensor, branch: int, filters: int) -> keras.KerasTensor:
        """Apply deep aggregation pyramid pooling (DAPPM): five scales, each added to the one before."""
        scales = [self.preactivated(x, branch, 1, "context0")]
        for number, (size, strides) in enumerate(((5, 2), (9, 4), (17, 8), (None, None)), start=1):
            name = f"context{number}"
            pooled = (
                keras.layers.AveragePooling2D(size, strides, padding="same", name=f"{name}_pool")(x)
                if size
                else keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
            )
            y = self.preactivated(pooled, branch, 1, f"{name}_scale")
            y = blocks.ResizeLike(name=f"{name}_resize")(y, scales[0])
            y = keras.layers.Add(name=f"{name}_add")([y, scales[-1]])
            scales.append(self.preactivated(y, branch, 3, name))
        y = self.preactivated(keras.layers.Concatenate(name="context")(scales), filters, 1, "context_compress")
        return keras.layers.Add(name="context_add")([y, self.preactivated(x, filters, 1, "context_shortcut")])

    def head(
        self, x: keras.KerasTensor, images: keras.KerasTensor, width: int, num_classes: int, name: str
    ) -> keras.KerasTensor:
        """Compute logits at the images' size."""
        x = self.preactivated(x, width, 3, f"{name}_hidden")
        x = blocks.norm(x, name=name, synchronized=self._synchronized)
        x = keras.layers.Conv2D(num_classes, 1, name=name, dtype="float32")(x)
        x = blocks.Upsample(8, name=f"{name}_upsample", dtype="float32")(x)
        return blocks.CropLike(name=f"{name}_crop", dtype="float32")(x, images)
