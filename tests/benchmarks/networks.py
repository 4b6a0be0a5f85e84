"""Measure a training step and an inference of each network, against Keras and PyTorch in the same run.

    python tests/benchmarks/networks.py --networks fast ddrnet --batch 4 --threads 2

Seconds are per image, the minimum of the rounds. `x Keras` is Segline's time divided by that of Keras's `fit` and
`predict_on_batch` with the same network; `x torch` by that of segmentation_models_pytorch's network of the same kind,
if there is one (pip install -e '.[bench]'; or name the Python of another environment: --torch-python). Each side of
each network runs in a separate process, with the same batch and number of threads, one after the other.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
CLASSES = 12

OPTIONS: dict[str, dict[str, Any]] = {"unet_backbone": {"backbone": "densenet121"}, "keras_hub": {"weights": "random"}}

TORCH = {
    "fpn": ("FPN", "tu-tf_efficientnet_lite0"),
    "unet_backbone": ("Unet", "densenet121"),
    "deeplabv3plus": ("DeepLabV3Plus", "resnet50"),
    "segformer": ("Segformer", "mit_b0"),
}
"""Architecture and encoder of segmentation_models_pytorch; `tu-` names an encoder of timm."""

Seconds = dict[str, float]


def least(work: Callable[[], Any], rounds: int) -> float:
    """Measure the seconds of the fastest round, after a warm-up round."""
    work()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def keras_side(name: str, batch: int, size: tuple[int, int], threads: int, rounds: int) -> Seconds:
    """Measure Segline's step and inference, then Keras's, on the same network."""
    import keras
    import numpy as np
    import tensorflow as tf

    from models import auxiliary, catalog, optimizers, segmenter
    from pipeline.training.train_step import make_update

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (batch, *size, 3), np.uint8))
    labels = tf.constant(rng.integers(0, CLASSES, (batch, *size), np.uint8))
    model = catalog.build(name, CLASSES, OPTIONS.get(name, {}))
    optimizer = optimizers.build("sgd", 1e-4)
    optimizer.build(model.trainable_variables)
    update = make_update(model, optimizer, tf.distribute.get_strategy())
    infer = tf.function(lambda batch_images: segmenter.logits(model, batch_images))
    measured = {
        "weights": auxiliary.without_heads(model).count_params(),
        "step": least(lambda: float(update({"image": images, "label": labels})["loss"]), rounds),
        "inference": least(lambda: infer(images).numpy(), rounds),
    }
    outputs = list(model.output) if isinstance(model.output, dict) else [auxiliary.MAIN]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    several = len(outputs) > 1
    model.compile(
        keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True),
        loss=dict.fromkeys(outputs, loss) if several else loss,
        loss_weights={key: 1.0 if key == auxiliary.MAIN else auxiliary.WEIGHT for key in outputs} if several else None,
        jit_compile=False,
    )
    truth = dict.fromkeys(outputs, labels) if several else labels
    data = tf.data.Dataset.from_tensors((tf.cast(images, tf.float32), truth)).cache().repeat()
    model.fit(data, steps_per_epoch=1, epochs=1, verbose=0)
    measured["keras_step"] = least(lambda: model.fit(data, steps_per_epoch=1, epochs=1, verbose=0), rounds)
    measured["keras_inference"] = least(lambda: model.predict_on_batch(images), rounds)
    return measured


def torch_side(name: str, batch: int, size: tuple[int, int], threads: int, rounds: int) -> Seconds:
    """Measure PyTorch's step and inference; sizes are padded to multiples of 32, as Segline's networks do inside."""
    import segmentation_models_pytorch as smp
    import torch

    torch.set_num_threads(threads)
    architecture, encoder = TORCH[name]
    height, width = (side + -side % 32 for side in size)
    images = torch.randn(batch, 3, height, width).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch, height, width))
    model = getattr(smp, architecture)(encoder, encoder_weights=None, classes=CLASSES)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, nesterov=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    measured = {"step": least(step, rounds)}
    model.eval()
    with torch.inference_mode():
        measured["inference"] = least(lambda: model(images), rounds)
    return measured


def measure(python: str, side: str, name: str, options: argparse.Namespace) -> Seconds | None:
    """Run one side in a separate process; None if it fails."""
    command = [python, __file__, "--side", side, "--networks", name, "--batch", str(options.batch)]
    command += ["--threads", str(options.threads), "--rounds", str(options.rounds), "--size", options.size]
    threads = {key: str(options.threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    environment = {**os.environ, **threads, "PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(f"{name}: no result of {side}: {ended.stderr.strip().splitlines()[-1][:120]}", file=sys.stderr)
        return None
    measured: Seconds = json.loads(ended.stdout.splitlines()[-1])
    return measured


def row(name: str, options: argparse.Namespace) -> str:
    """Measure one network and return its line of the table."""
    ours = measure(sys.executable, "keras", name, options)
    if ours is None:
        return f"{name:<15}  no result"
    torch = measure(options.torch_python, "torch", name, options) if name in TORCH else None
    cells = [f"{name:<15}{ours['weights'] / 1e6:>8.2f}"]
    for kind in ("step", "inference"):
        ratio = f"{ours[kind] / torch[kind]:.2f}" if torch else "-"
        cells.append(f"{ours[kind] / options.batch:>9.3f}{ours[kind] / ours[f'keras_{kind}']:>9.2f}{ratio:>9}")
    return "".join(cells)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", help="default: all")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="360x480", help="HEIGHTxWIDTH")
    parser.add_argument("--torch-python", default=sys.executable, help="Python that has segmentation_models_pytorch")
    parser.add_argument("--side", choices=("keras", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        height, width = map(int, options.size.split("x"))
        side = keras_side if options.side == "keras" else torch_side
        measured = side(options.networks[0], options.batch, (height, width), options.threads, options.rounds)
        print(json.dumps(measured))
        return
    sys.path.insert(0, str(PROJECT))
    from models import catalog

    print(f"{options.batch} images of {options.size}, {options.threads} threads, minimum of {options.rounds} rounds\n")
    print(f"{'':<15}{'million':>8}{'step':>9}{'':>18}{'inference':>9}")
    print(f"{'network':<15}{'weights':>8}" + f"{'s/image':>9}{'x Keras':>9}{'x torch':>9}" * 2)
    for name in options.networks or catalog.names():
        print(row(name, options), flush=True)


if __name__ == "__main__":
    main()
