"""What TensorBoard shows of a training besides scalars: validation samples, confusion matrix, layers, graph.

No result of a training depends on this module.
"""

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from datasets.spec import DatasetSpec
from pipeline.drawing import channel_grid, confusion_picture, render
from pipeline.training.job import Display
from pipeline.training.validation import Sample, Validation

if TYPE_CHECKING:
    import keras


def draw(model: "keras.Model", display: Display, validation: Validation) -> dict[str, np.ndarray]:
    """Draw a validation, and the layers that the display names, with the model's present weights.

    Returns:
        {name: uint8 [H,W,3]}: "confusion"; image, label and prediction side by side, over a legend, under the id of
        each sample; see channel_grid.training_pictures for the layers.
    """
    pictures = {"confusion": confusion_picture.draw(validation.confusion, display.spec.classes)}
    for sample in validation.samples[: display.samples]:
        pictures[sample.id] = _side_by_side(sample, display.spec)
    if display.layers and validation.samples:
        image = validation.samples[0].image
        pictures |= channel_grid.training_pictures(model, display.layers, display.fit, image)
    return pictures


def trace_graph(model: "keras.Model", size: tuple[int | None, int | None]) -> bytes:
    """Trace the network's inference for images [B, *size, 3]; return its serialised tf.GraphDef, without weights."""
    spec = tf.TensorSpec([None, *size, 3], tf.float32)
    traced = tf.function(lambda images: model(images, training=False)).get_concrete_function(spec)
    graph: bytes = traced.graph.as_graph_def().SerializeToString()
    return graph


def _side_by_side(sample: Sample, spec: DatasetSpec) -> np.ndarray:
    """Draw image, label and prediction, with the names of the classes below."""
    masks = [render.colour(mask, spec.colours) for mask in (sample.label, sample.prediction)]
    row = render.side_by_side([sample.image, *masks])
    return render.stack([row, render.legend(spec.classes, spec.colours, row.shape[1])])
