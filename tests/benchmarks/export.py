"""Measure one model in each exported format, in the same run, on the same CPU threads.

    python tests/benchmarks/export.py [MODEL] [--size 360 480] [--seconds 3] [--threads N]

MODEL is a name of models/ with its default options (default: fast) and random weights, which do not affect speed.
Latency is the median of single images; throughput is images per second in batches of 8 (LiteRT and ONNX files take one
image, so theirs is that of single images). Every format returns a class map; the ratio is to Keras `predict`.
LiteRT and ONNX Runtime are skipped, with a note, if they are not installed.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[2]))

from models import catalog, libraries, litert, onnx_file, servable
from pipeline.export import on_device

BATCH = 8
CLASSES = 19


def main() -> None:
    """Measure all formats and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="fast")
    parser.add_argument("--size", type=int, nargs=2, default=(360, 480))
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each measurement")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    size = tuple(options.size)
    images = np.random.default_rng(0).integers(0, 256, (BATCH, *size, 3), np.uint8)
    model = catalog.build(options.model, CLASSES, {})
    print(
        f"{options.model}, {size[0]} x {size[1]}, {options.threads} threads, {model.count_params() / 1e6:.2f} M weights"
    )
    print(f"\n{'format':<18} {'ms, one image':>14} {'images/s':>9} {'x Keras':>8}")
    base = None
    for name, one, many in formats(model, size, images, options.threads):
        latency = statistics.median(timed(one, options.seconds))
        rate = BATCH / statistics.median(timed(many, options.seconds)) if many else 1 / latency
        base = base or rate
        print(f"{name:<18} {latency * 1e3:>14.1f} {rate:>9.1f} {rate / base:>8.2f}", flush=True)
    for name in ("litert", "onnx"):
        if libraries.missing(name):
            print(f"{name}: not installed (pip install 'segline[{name}]')")


def formats(model, size, images, threads):
    """Yield (name, function that predicts one image, function that predicts a batch, or None)."""
    single = images[:1]
    yield "Keras predict", lambda: predict(model, single), lambda: predict(model, images)
    with tempfile.TemporaryDirectory() as folder:
        module = servable.Servable(model, None, outputs=("argmax",))
        tf.saved_model.save(module, folder, signatures=module.signatures())
        classify = (loaded := tf.saved_model.load(folder)).signatures["serving_default"]
    one, many = tf.constant(single), tf.constant(images)
    yield (
        "SavedModel",
        lambda: classify(images=one)["classes"].numpy(),
        lambda: classify(images=many)["classes"].numpy(),
    )
    del loaded
    network, floats = litert.Network(model, size), images.astype(np.float32)
    for precision in ("float32", "float16", "int8") if not libraries.missing("litert") else ():
        runner = loaded_from("model.tflite", litert.convert(network, precision, list(floats)), threads)
        yield f"LiteRT {precision}", lambda runner=runner: runner(floats[:1]).argmax(-1), None
    if not libraries.missing("onnx"):
        session = loaded_from("model.onnx", onnx_file.convert(network), threads)
        yield "ONNX Runtime", lambda: session(floats[:1]).argmax(-1), None


def loaded_from(name: str, content: bytes, threads: int):
    """Return what computes logits with a file of this name and content."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(content)
        return on_device.load(file, threads)[0]


def predict(model, images) -> np.ndarray:
    """Return class maps by plain Keras, without Segline."""
    return model.predict(images, verbose=0).argmax(-1)


def timed(function: Callable[[], object], seconds: float) -> list[float]:
    """Return the seconds of each call: two for warm-up, then at least three and until `seconds` have passed."""
    function(), function()
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    main()
