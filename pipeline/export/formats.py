"""Other formats of an exported model, LiteRT and ONNX: written, measured on the evaluated split, and checked.

They hold only the network, for one image of one size: `image` float32 [1,H,W,3], 0..255 RGB -> `logits` float32
[1,H,W,C]. An image of another size must be brought to this one as `fit` in segline.json says (bilinear, antialiased if
it shrinks), and the logits back to the image's size before the argmax; `measure` does the same.
"""

import os
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from models import litert, onnx_file, segmenter
from models.fit import Fit
from models.metrics import Margins, confusion_matrix
from pipeline.config.input import Size
from pipeline.errors import GateError
from pipeline.evaluation.metric_text import number, share_of_pixels
from pipeline.export import on_device
from pipeline.export.parity import MAX_SHARE
from pipeline.input import examples
from pipeline.input.examples import Example
from pipeline.input.records import TRAIN
from pipeline.training import trained_model

if TYPE_CHECKING:
    import keras

FILES = {
    "litert_float32": "model_float32.tflite",
    "litert_float16": "model_float16.tflite",
    "litert_int8": "model_int8.tflite",
    "onnx": "model.onnx",
}
"""File of each format, in the folder of segline.json."""

EXACT = ("litert_float32", "onnx")
"""Formats with the evaluated model's own weights, whose class maps must equal its own. float16 rounds each weight to 11
binary digits, int8 to 8, which changes pixels where two classes are nearly tied: these two are checked by their mIoU
only, and the share of differing pixels is reported."""

CALIBRATION = 100
"""Training images from which int8 derives the ranges of its activations; it is measured on other images. TensorFlow's
guide advises 100 to 500. The first ones are a random sample, as records are in the order of a digest."""

SAVED_MODEL = "SavedModel"

Classify = Callable[[np.ndarray], tuple[np.ndarray, float]]
"""From an image uint8 [H,W,3] to its class map uint8 [H,W] and the model's own time in seconds."""


@dataclass
class Tally:
    """Counts of one format: confusion int64 [C,C], seconds of each call, pixels compared and pixels that differ."""

    confusion: np.ndarray
    seconds: list[float] = field(default_factory=list)
    compared: int = 0
    different: int = 0


def commonest_size(data: Path, split: str) -> Size:
    """Return the most frequent (height, width) of a split's images."""
    sizes = Counter(example.image.shape[:2] for example in examples.read(data, split))
    height, width = sizes.most_common(1)[0][0]
    return height, width


def write(folder: Path, model: "keras.Model", fit: Fit, names: tuple[str, ...], data: Path) -> None:
    """Write a file for each format into a folder, and on_device.py, which reads image files for them.

    Args:
        folder: Folder to write to.
        model: The evaluated model.
        fit: How an image is brought to the files' input size.
        names: Names of formats, keys of FILES.
        data: The records folder, on whose training images int8 is calibrated.

    Raises:
        ModelError: A library is missing, or a format does not support the network.
    """
    network = litert.Network(model, fit.size)
    shutil.copyfile(on_device.__file__, folder / Path(on_device.__file__).name)
    for name in names:
        content = onnx_file.convert(network) if name == "onnx" else _litert(network, name, fit, data)
        (folder / FILES[name]).write_bytes(content)


def _litert(network: litert.Network, name: str, fit: Fit, data: Path) -> bytes:
    chosen = islice(examples.read(data, TRAIN), CALIBRATION)
    samples = (segmenter.fit_images(example.image, _for(example.image, fit)).numpy() for example in chosen)
    return litert.convert(network, name.removeprefix("litert_"), samples)  # type: ignore[arg-type]


def measure(
    folder: Path,
    saved_model: Path,
    names: tuple[str, ...],
    *,
    fit: Fit,
    chosen: Iterator[Example],
    evaluated: "keras.Model",
    num_classes: int,
    parity_images: int,
    parity_share: float,
    counted: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Measure the SavedModel and every other format on the same images, on the CPU, one image at a time.

    Args:
        folder: Folder of the files.
        saved_model: Folder of the SavedModel, for comparison.
        names: Names of formats, keys of FILES.
        fit: How an image is brought to the files' input size.
        chosen: The images.
        evaluated: The evaluated model; class maps are compared with its own at the files' input size.
        num_classes: C.
        parity_images: Number of images whose class maps are compared, the first ones.
        parity_share: Share of their pixels in which the SavedModel differs, from the parity check.
        counted: Is called after each image.

    Returns:
        A row for each: {"format", "file", "megabytes", "milliseconds": median of one call, "miou", "miou_drop":
        under the SavedModel's, "different_pixels": share of those compared, 0..1}.
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    runners: dict[str, Classify] = {SAVED_MODEL: _saved_model(saved_model)}
    runners |= {name: _file(folder / FILES[name], fit, threads) for name in names}
    tallies = {name: Tally(np.zeros([num_classes, num_classes], np.int64)) for name in runners}
    with tf.device("CPU:0"):
        for number, example in enumerate(chosen):
            expected = None
            if number < parity_images:
                expected = trained_model.class_map(evaluated, example.image, _for(example.image, fit))
            for name, classify in runners.items():
                _add(tallies[name], example.truth, *classify(example.image), expected)
            counted()
    miou = {name: float(Margins.of(tally.confusion).mean_iou()) for name, tally in tallies.items()}
    files = {SAVED_MODEL: [saved_model / "saved_model.pb", *(saved_model / "variables").iterdir()]}
    files |= {name: [folder / FILES[name]] for name in names}
    return [
        {
            "format": name,
            "file": FILES.get(name, ""),
            "megabytes": sum(file.stat().st_size for file in files[name]) / 1e6,
            "milliseconds": statistics.median(tally.seconds[1:] or tally.seconds) * 1e3,  # the first call compiles
            "miou": None if np.isnan(miou[name]) else miou[name],
            "miou_drop": None if np.isnan(miou[name]) else miou[SAVED_MODEL] - miou[name],
            "different_pixels": parity_share if name == SAVED_MODEL else tally.different / tally.compared,
        }
        for name, tally in tallies.items()
    ]


def require(rows: list[dict[str, Any]], max_drop: float) -> None:
    """Raise GateError, naming every such format, if one differs from the evaluated model by more than allowed."""
    failed = []
    for row in rows:
        share, drop = row["different_pixels"], row["miou_drop"]
        if row["format"] in EXACT and share > MAX_SHARE:
            failed.append(
                f"{row['format']}: {share_of_pixels(share)} of the pixels differ; allowed: {share_of_pixels(MAX_SHARE)}"
            )
        if row["format"] in FILES and (drop is None or drop > max_drop):
            reason = "its mIoU is undefined" if drop is None else f"its mIoU is {drop:.4f} lower; allowed: {max_drop:g}"
            failed.append(f"{row['format']}: {reason} (export.max_drop)")
    if failed:
        lines = "\n".join(f"  {line}" for line in failed)
        raise GateError(
            f"These formats are not as good as the evaluated model:\n{lines}\nNothing was published. Remove them "
            "from `export.formats`, or raise `export.max_drop`."
        )


def _add(tally: Tally, truth: np.ndarray, received: np.ndarray, seconds: float, expected: np.ndarray | None) -> None:
    tally.confusion += confusion_matrix(truth, received, len(tally.confusion))
    tally.seconds.append(seconds)
    if expected is not None:
        tally.compared += expected.size
        tally.different += int((expected != received).sum())


def _for(image: np.ndarray, fit: Fit) -> Fit:
    """Return how this image is brought to the files' input size; padding does not make a large one smaller."""
    small = image.shape[0] <= fit.size[0] and image.shape[1] <= fit.size[1]
    return fit if small or fit.how != "pad" else replace(fit, how="resize_pad")


def _saved_model(folder: Path) -> Classify:
    loaded = tf.saved_model.load(str(folder))

    def classify(image: np.ndarray) -> tuple[np.ndarray, float]:
        batch = tf.constant(image[None])
        began = time.perf_counter()
        classes = loaded.signatures["serving_default"](images=batch)["classes"].numpy()[0]
        return classes, time.perf_counter() - began

    return classify


def _file(file: Path, fit: Fit, threads: int) -> Classify:
    """Answer as a program does that has the file and on_device.py only."""
    runner, size = on_device.load(file, threads)
    described = {"fit": asdict(fit)}

    def classify(image: np.ndarray) -> tuple[np.ndarray, float]:
        resized = on_device.to_input(image, size, described)
        began = time.perf_counter()
        logits = runner(resized)
        took = time.perf_counter() - began
        return on_device.to_classes(logits, image.shape[:2], described), took

    return classify


def lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each format with its measurements, of at most 70 columns."""
    return [
        f"{row['format']:<14} {row['megabytes']:7.2f} MB {row['milliseconds']:8.1f} ms  mIoU {number(row['miou'])}  "
        f"{share_of_pixels(row['different_pixels'])} differ"
        for row in rows
    ]
