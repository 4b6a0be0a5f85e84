"""Measure the cost of ingest against a plain loop that reads, checks and maps the same bytes and writes TFRecords.

    .venv/bin/python tests/benchmarks/ingest.py [PART ...] [--camvid DIR] [--ccp DIR] [--rounds N]

Parts: loop (CPU per image against the loop, CamVid and CCP), startup, processes (2 against 1, CCP), memory (500 against
5,000 images), flat (cost per image from 1,000 to 20,000 small images). Without a PART: all of them. Without a folder,
sample data is drawn. Each measurement has a process of its own; CPU is user + system, children included. Cases
alternate, so that a busy machine slows all alike; medians are printed.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PARTS = ("loop", "startup", "processes", "memory", "flat")
CCP_IMAGES = 1004
SMALL = (48, 64)
"""Height and width of generated images, pixels."""


def worker(kind: str, dataset: str, raw: Path, options: dict[str, str]) -> None:
    """Run one measurement in this process and print the result as JSON. `kind`: ingest or loop."""
    import tensorflow as tf  # in both cases and before the clock starts, so that its import is not measured

    from datasets import audit, catalog, labels
    from datasets.raw import RawFolder
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.steps import ingest

    _feature, _bytes, _int64 = tf.train.Feature, tf.train.BytesList, tf.train.Int64List
    out = Path(tempfile.mkdtemp(prefix="segline-benchmark-"))
    before, began = _cpu(), time.monotonic()
    if kind == "ingest":
        overrides = [f"data.name={dataset}", f"data.manual_dir={raw}", *(f"{k}={v}" for k, v in options.items())]
        config = load_recipe(str(PROJECT / "tests" / "tiny.yaml"), overrides)
        ingest.run(config.only(("data", "ingest")), {"raw": raw}, out)
    else:
        builder = catalog.builder(dataset, data_dir=out, allow_partial=True)
        folder = RawFolder(raw)
        reader = builder.reader()
        for split, files in builder.find(folder).items():
            with tf.io.TFRecordWriter(str(out / f"{split}.tfrecord")) as writer:
                for pair in files.pairs:
                    image = reader.image(folder.read(pair.image))
                    size = audit.image_size(image)
                    label = reader.mask(folder.read(pair.mask))
                    assert label.shape == size
                    texts = {"image": image, "label": labels.encode(label), "id": pair.id.encode()}
                    texts["group"] = pair.group.encode()
                    features = {key: _feature(bytes_list=_bytes(value=[value])) for key, value in texts.items()}
                    for key, value in zip(("height", "width"), size, strict=True):
                        features[key] = _feature(int64_list=_int64(value=[value]))
                    example = tf.train.Example(features=tf.train.Features(feature=features))
                    writer.write(example.SerializeToString())
    cpu, wall = _cpu() - before, time.monotonic() - began
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    shutil.rmtree(out)
    print(json.dumps({"cpu": cpu, "wall": wall, "peak": peak}))


def measure(kind: str, dataset: str, raw: Path, **options: str) -> dict[str, float]:
    """Run a measurement in a process of its own; return CPU and wall seconds, and peak memory in MiB."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, __file__, "--worker", kind, dataset, str(raw), json.dumps(options)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        sys.exit(f"{kind} of {dataset} failed:\n{process.stderr}")
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result


def medians(rounds: int, cases: dict[str, Callable[[], dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each quantity of each case; the cases alternate."""
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            measured[name].append(case())
    return {
        name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in measured.items()
    }


def loop(camvid: Path, ccp: Path, rounds: int, empty: Path) -> None:
    """Compare CPU per image with the loop; the start-up, measured on 10 images, is subtracted from both."""
    print(f"{'CPU per image':<16} {'ingest ms':>10} {'loop ms':>10} {'ratio':>8}   at most 2")
    for dataset, raw in (("camvid", camvid), ("ccp", ccp)):
        images = count(dataset, raw)
        cases = {
            "ingest": lambda dataset=dataset, raw=raw: measure("ingest", dataset, raw),
            "loop": lambda dataset=dataset, raw=raw: measure("loop", dataset, raw),
            "start": lambda: measure("ingest", "camvid", empty),
            "loop start": lambda: measure("loop", "camvid", empty),
        }
        results = medians(rounds, cases)
        ingest = (results["ingest"]["cpu"] - results["start"]["cpu"]) / images * 1e3
        plain = (results["loop"]["cpu"] - results["loop start"]["cpu"]) / images * 1e3
        print(f"{f'{dataset}, {images}':<16} {ingest:10.2f} {plain:10.2f} {ingest / plain:8.2f}")


def startup(rounds: int, empty: Path) -> None:
    """Measure the ingest step on 10 images from the start of Python, imports included."""
    command = [sys.executable, "-c", "import sys; exec(sys.argv[1])", _STARTUP, str(empty)]
    wall, cpu = [], []
    for _ in range(rounds):
        before, began = _cpu(), time.monotonic()
        subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall.append(time.monotonic() - began)
        cpu.append(_cpu() - before)
    shown = f"{statistics.median(wall):8.2f} s wall, {statistics.median(cpu):.2f} s CPU"
    print(f"{'start-up':<16} {shown}, in-process, 10 images   at most 4 s")


def processes(ccp: Path, rounds: int) -> None:
    """Compare two processes with one, both started by Beam; the start-up is subtracted."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = (repeated(ccp, Path(folder) / str(number), number) for number in (16, CCP_IMAGES))
        cases = {
            f"{number} {size}": lambda number=number, raw=raw: measure(
                "ingest",
                "ccp",
                raw,
                **{
                    "ingest.runner": "multi_processing",
                    "ingest.workers": str(number),
                    "ingest.num_shards": "16",
                },
            )
            for number in (1, 2)
            for size, raw in (("all", many), ("few", few))
        }
        results = medians(rounds, cases)
    one, two = (results[f"{number} all"]["wall"] - results[f"{number} few"]["wall"] for number in (1, 2))
    print(f"{'2 processes':<16} {one:8.2f} s with 1, {two:.2f} s with 2, ratio {one / two:.2f}   at least 1.6")


def memory(rounds: int) -> None:
    """Compare the peak memory of 500 and of 5,000 images."""
    peak = {number: _small(rounds, number)["peak"] for number in (500, 5000)}
    ratio = peak[5000] / peak[500]
    print(f"{'peak memory':<16} {peak[500]:8.0f} MiB for 500, {peak[5000]:.0f} MiB for 5,000, ratio {ratio:.2f}")


def flat(rounds: int) -> None:
    """Measure CPU per image from 1,000 to 20,000 small images."""
    cpu_of = {number: _small(rounds, number)["cpu"] for number in (1000, 5000, 10_000, 20_000)}
    print(f"{'images':<16} {'CPU ms per image, start-up included':>36}")
    for number, cpu in cpu_of.items():
        print(f"{number:<16} {cpu / number * 1e3:36.3f}")
    marginal = [(cpu_of[b] - cpu_of[a]) / (b - a) * 1e3 for a, b in ((1000, 5000), (5000, 10_000), (10_000, 20_000))]
    print(f"{'each further one':<16} {', '.join(f'{ms:.3f}' for ms in marginal):>36}")


def count(dataset: str, raw: Path) -> int:
    """Return the number of images of a dataset's raw folder."""
    from datasets import catalog

    return sum(catalog.builder(dataset, data_dir=raw, allow_partial=True).survey(raw).values())


def repeated(ccp: Path, out: Path, number: int) -> Path:
    """Make a folder of `number` images in CCP's layout by repeating those of another folder."""
    masks = sorted((ccp / "annotations/pixel-level").glob("*.mat"))
    for folder in ("photos", "annotations/pixel-level"):
        (out / folder).mkdir(parents=True)
    for index in range(number):
        mask = masks[index % len(masks)]
        shutil.copy(mask, out / "annotations/pixel-level" / f"{index + 1:04}.mat")
        shutil.copy(ccp / "photos" / f"{mask.stem}.jpg", out / "photos" / f"{index + 1:04}.jpg")
    return out


def generate(out: Path, number: int) -> Path:
    """Write small random images and masks in the layout of camvid, in two splits."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for split, images in (("train", number - number // 5), ("val", number // 5)):
        for folder in (split, f"{split}annot"):
            (out / folder).mkdir(parents=True)
        for index in range(images):
            pixels = rng.integers(0, 256, (*SMALL, 3), np.uint8)
            Image.fromarray(pixels).save(out / split / f"{index:06}.png", compress_level=1)
            Image.fromarray(pixels[..., 0] % 12).save(out / f"{split}annot" / f"{index:06}.png", compress_level=1)
    return out


def _small(rounds: int, number: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        raw = generate(Path(folder) / "raw", number)
        return medians(rounds, {"small": lambda: measure("ingest", "camvid", raw)})["small"]


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


_STARTUP = """
import sys, tempfile
from pathlib import Path
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.steps import ingest
raw = Path(sys.argv[2])
config = load_recipe("tests/tiny.yaml", [f"data.manual_dir={raw}"])
with tempfile.TemporaryDirectory() as out:
    ingest.run(config.only(("data", "ingest")), {"raw": raw}, Path(out))
"""


def main() -> None:
    """Measure the chosen parts and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--camvid", type=Path, help="the SegNet tutorial's CamVid")
    parser.add_argument("--ccp", type=Path, help="clothing-co-parsing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, dataset, raw, settings = options.worker
        worker(kind, dataset, Path(raw), json.loads(settings))
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(unknown)}. Parts: {', '.join(PARTS)}.")
    parts = options.parts or PARTS
    sys.path.insert(0, str(PROJECT))
    from datasets import catalog

    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder)
        empty = generate(drawn / "two", 10)
        camvid, ccp = options.camvid, options.ccp
        if "loop" in parts and not camvid:
            camvid = drawn / "camvid"
            catalog.sample("camvid").write(camvid, count=100, seed=0)
        if {"loop", "processes"} & set(parts) and not ccp:
            ccp = drawn / "ccp"
            catalog.sample("ccp").write(ccp, count=100, seed=0)
        for part in parts:
            arguments = {
                "loop": lambda: loop(camvid, ccp, options.rounds, empty),
                "startup": lambda: startup(options.rounds, empty),
                "processes": lambda: processes(ccp, options.rounds),
                "memory": lambda: memory(options.rounds),
                "flat": lambda: flat(options.rounds),
            }
            arguments[part]()


if __name__ == "__main__":
    main()
