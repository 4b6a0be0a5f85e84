"""TensorBoard events of a training, written by TensorBoard's own writer: TensorFlow's does not support resuming.

No result of a training depends on this module.
"""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.histogram_pb2 import HistogramProto
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

BINS = 64
"""Bins of a histogram, between the least and the greatest value."""


class TensorBoardWriter:
    """Writes the events of a training into a folder, from a thread of its own.

    Args:
        folder: TensorBoard's folder; all processes of a training, resumed ones too, write into it.
        done: Steps done before this process. TensorBoard hides events of later steps that an earlier process wrote.
    """

    def __init__(self, folder: Path, *, done: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))
        self._writer.add_event(Event(step=done + 1, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write the numbers of a step, {"train/loss": 0.8, ...}."""
        self._add(step, *(Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()))

    def image(self, step: int, tag: str, picture: np.ndarray) -> None:
        """Write a picture of a step, uint8 [H,W,3]."""
        height, width, channels = picture.shape
        encoded = io.BytesIO()
        Image.fromarray(picture).save(encoded, format="PNG")
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue())
        self._add(step, Summary.Value(tag=tag, image=image))

    def histogram(self, step: int, tag: str, values: np.ndarray) -> None:
        """Write a histogram of an array, of any shape, at a step."""
        values = values.astype(np.float64).ravel()
        counts, edges = np.histogram(values, BINS)
        histogram = HistogramProto(
            min=values.min(),
            max=values.max(),
            num=values.size,
            sum=values.sum(),
            sum_squares=values @ values,
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )
        self._add(step, Summary.Value(tag=tag, histo=histogram))

    def graph(self, graph: bytes) -> None:
        """Write a serialised tf.GraphDef."""
        self._writer.add_event(Event(graph_def=graph, wall_time=time.time()))

    def settings(self, values: Mapping[str, Any]) -> None:
        """Write the settings for the HParams page, {"train.epochs": 40, ...}."""
        plain = {
            key: value if isinstance(value, bool | int | float | str) else str(value) for key, value in values.items()
        }
        self._writer.add_event(Event(wall_time=time.time(), summary=_converted(summary.session_start_pb(plain))))

    def end(self) -> None:
        """Write for the HParams page that the training is complete."""
        success = api_pb2.Status.Value("STATUS_SUCCESS")
        self._writer.add_event(Event(wall_time=time.time(), summary=_converted(summary.session_end_pb(success))))

    def flush(self) -> None:
        """Write pending events to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush, and end the thread."""
        self._writer.close()

    def _add(self, step: int, *values: Summary.Value) -> None:
        self._writer.add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=values)))


def _converted(summary: Any) -> Summary:
    """Return a summary as TensorBoard's message type: with TensorFlow installed it has TensorFlow's type."""
    return Summary.FromString(summary.SerializeToString())
