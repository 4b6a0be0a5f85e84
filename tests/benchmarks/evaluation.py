"""Measure the speed of the confusion matrix of 1024 x 2048 images, and of a whole evaluation.

    python tests/benchmarks/evaluation.py [--images 20] [--no-model]

The confusion matrix is compared with cityscapesScripts' evaluator (pip install cityscapesscripts) on the same
predictions in memory, so without reading PNG files. Truth and predictions are generated; no data is needed.
"""

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

SHAPE, CLASSES = (1024, 2048), 19
LABEL_IDS = np.array([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33], np.uint8)


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction, uint8 [H,W]: patches of classes, shifted by 3 pixels; 5 % are ignored."""
    small = rng.integers(0, CLASSES, (SHAPE[0] // 32, SHAPE[1] // 32)).astype(np.uint8)
    truth = small.repeat(32, axis=0).repeat(32, axis=1)
    prediction = np.roll(truth, 3, axis=1).copy()
    truth[:51] = 255
    return truth, prediction


def official() -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """Return the pixel counter of cityscapesScripts for two arrays in memory; None if it is not installed."""
    try:
        script: Any = importlib.import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    except ImportError:
        return None
    script.args.evalInstLevelScore = script.args.evalPixelAccuracy = False
    script.args.quiet = True
    matrix = script.generateMatrix(script.args)
    read = script.Image.open

    def count(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        pictures = {"truth": script.Image.fromarray(truth), "prediction": script.Image.fromarray(prediction)}
        script.Image.open = pictures.__getitem__
        try:
            script.evaluatePair("prediction", "truth", matrix, {}, {}, script.args)
        finally:
            script.Image.open = read
        return matrix

    return count


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest wall time of several calls."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def counting(images: int) -> None:
    """Print the time per image of both implementations."""
    from models import metrics

    truth, prediction = scene(np.random.default_rng(0))
    ids = (np.where(truth == 255, 0, LABEL_IDS[np.minimum(truth, 18)]).astype(np.uint8), LABEL_IDS[prediction])
    rows = {"Segline": lambda: metrics.confusion_matrix(truth, prediction, CLASSES)}
    peer = official()
    if peer:
        rows = {"cityscapesScripts": lambda: peer(*ids), **rows}
    print(f"{'counting 1024 x 2048, 19 classes':<34} {'ms/image':>9} {'images/s':>9} {'ratio':>6}")
    first = None
    for name, work in rows.items():
        work()
        took = seconds(work, images)
        first = first or took
        print(f"{name:<34} {took * 1000:>9.1f} {1 / took:>9.1f} {first / took:>6.1f}")
    if peer is None:
        print("cityscapesScripts is not installed: no ratio to it.")


def evaluating(images: int) -> None:
    """Print the time per image of the network and of all measurements of an evaluation."""
    import tensorflow as tf

    from datasets.spec import DatasetSpec
    from models import catalog, inference
    from pipeline.evaluation.measurement import Measurement
    from pipeline.evaluation.protocols.boundary import BoundaryF1
    from pipeline.evaluation.scoring import Batch

    spec = DatasetSpec("drawn", tuple(map(str, range(CLASSES))), ((0, 0, 0),) * CLASSES, {}, (), "", "", "")
    model = catalog.build("fast", CLASSES, {})
    truth, prediction = scene(np.random.default_rng(0))
    picture = np.random.default_rng(1).integers(0, 256, (1, *SHAPE, 3)).astype(np.uint8)
    network = tf.function(lambda image, label: inference.predict(model, image, label, None))
    outputs = network(picture, truth[None]).numpy()
    from models import metrics

    confusion = metrics.confusion_matrix(truth, prediction, CLASSES)[None]
    batch = Batch(["a"], ["g"], [0], picture, truth[None], prediction[None], confusion, outputs)
    plain, full = Measurement(spec, {}), Measurement(spec, {"boundary": BoundaryF1(spec.classes)})
    rows = {
        "network and probabilities": lambda: network(picture, truth[None]).numpy(),
        "slices, calibration, pictures": lambda: plain.add(batch),
        "the same with boundary F1": lambda: full.add(batch),
    }
    print(f"\n{'evaluating 1024 x 2048, fast':<34} {'ms/image':>9} {'images/s':>9}")
    for name, work in rows.items():
        took = seconds(work, max(2, images // 4))
        print(f"{name:<34} {took * 1000:>9.1f} {1 / took:>9.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20, help="repeats of each measurement (default: 20)")
    parser.add_argument("--no-model", action="store_true", help="only the confusion matrix")
    options = parser.parse_args()
    counting(options.images)
    if not options.no_model:
        evaluating(options.images)


if __name__ == "__main__":
    main()
