"""Measure the input pipeline against a PyTorch DataLoader with albumentations, alternating on the same cores.

    python tests/benchmarks/input.py --camvid CamVid --peer-python VENV/bin/python

The peer's Python needs torch, albumentations and opencv-python-headless, in a separate environment. Both zoom by
0.5 to 2, pad, crop to 360 x 480, flip, and change brightness and contrast.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

SIZE = (360, 480)
BATCH_SIZE = 8

OURS = {
    "from PNG": {"cache": "none"},
    "from memory": {"cache": "memory"},
    "from disk": {"cache": "disk"},
    "memory, on device": {"cache": "memory", "augment_on": "device"},
}
PEER = {"from PNG": [], "from memory": ["--keep"]}

LIMITS = {"from PNG": 1.6, "from memory": 3.0}
"""Required images/s, relative to the peer from PNG."""

DEVICE_LIMIT = 0.5
"""CPU ms per image that the host may use if the device augments."""


def main() -> None:
    """Measure all variants in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="folder with train, trainannot, val, valannot")
    parser.add_argument("--peer-python", help="a Python with torch and albumentations; without: no ratios")
    parser.add_argument("--images", type=int, default=1600, help="images per measurement (default: 1600)")
    parser.add_argument("--repeats", type=int, default=3, help="(default: 3)")
    parser.add_argument("--cores", type=int, default=2, help="cores of each variant (default: 2)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.measure:
        print(json.dumps(measure(options.camvid, OURS[options.measure], options.images)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        records = ingest(options.camvid.resolve(), Path(scratch))
        measured = measure_in_turns(options, records)
    report({name: summary(rows) for name, rows in measured.items()}, options)


def measure_in_turns(options: argparse.Namespace, records: Path) -> dict[str, list[dict[str, float]]]:
    """Measure each variant in its own process, one after the other, and repeat the whole round."""
    measured: dict[str, list[dict[str, float]]] = {}
    ours = [sys.executable, __file__, "--camvid", str(records), "--images", str(options.images), "--measure"]
    ours[2:2] = ["--cores", str(options.cores)]
    peer = [options.peer_python, str(Path(__file__).with_name("input_peer.py")), str(options.camvid)]
    peer += ["--size", *map(str, SIZE), "--images", str(options.images), "--batch-size", str(BATCH_SIZE)]
    peer += ["--workers", str(options.cores)]
    for _ in range(options.repeats):
        for name, more in PEER.items() if options.peer_python else ():
            measured.setdefault(f"peer, {name}", []).append(run([*peer, *more]))
        for name in OURS:
            measured.setdefault(name, []).append(run([*ours, name]))
    return measured


def run(command: list[str]) -> dict[str, float]:
    """Run a measurement and parse the last line that it prints."""
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=PROJECT, text=True).stdout
    row: dict[str, float] = json.loads(output.splitlines()[-1])
    return row


def ingest(camvid: Path, scratch: Path) -> Path:
    """Ingest CamVid as a run does, and return the records folder."""
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.steps import ingest as step

    config = load_recipe("camvid_fast", [f"data.manual_dir={camvid}", "data.allow_partial=true"])
    step.run(config.only(("data", "ingest")), {"raw": camvid}, scratch)
    return scratch / "records"


def measure(records: Path, settings: dict[str, str], images: int) -> dict[str, float]:
    """Read `images` images of the training input, after a warm-up."""
    from pipeline.config.input import AugmentConfig, InputConfig
    from pipeline.input import batches

    augment = AugmentConfig(flip=True, scale=(0.5, 2.0), crop=SIZE, brightness=0.2, contrast=0.2)
    config = InputConfig(augment=augment, **settings)
    dataset = batches.train_dataset(
        records, config, batch_size=BATCH_SIZE, seed=0, epoch=0, cache=records.parent / "cache"
    )
    batch_iterator = iter(dataset)
    for _ in range(4):  # warm-up: batches that are already prefetched would cost nothing
        next(batch_iterator)
    began, before = time.monotonic(), cpu_seconds()
    for _ in range(images // BATCH_SIZE):
        next(batch_iterator)
    count = images // BATCH_SIZE * BATCH_SIZE
    wall, used = time.monotonic() - began, cpu_seconds() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"images_per_s": count / wall, "cpu_ms": 1e3 * used / count, "megabytes": megabytes}


def cpu_seconds() -> float:
    """Return the CPU seconds of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians over the repeats."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def report(medians: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print the table, and the measured values beside the required ones."""
    base = medians.get("peer, from PNG")
    print(f"CamVid 360 x 480, {options.cores} cores, batches of {BATCH_SIZE}, median of {options.repeats} rounds\n")
    print(f"{'':<20}{'images/s':>10}{'CPU ms/image':>14}{'peak MB':>10}{'x peer from PNG':>17}")
    for name, row in medians.items():
        ratio = f"{row['images_per_s'] / base['images_per_s']:.2f}" if base else ""
        print(f"{name:<20}{row['images_per_s']:>10.0f}{row['cpu_ms']:>14.2f}{row['megabytes']:>10.0f}{ratio:>17}")
    print()
    for name, limit in LIMITS.items() if base else ():
        times = medians[name]["images_per_s"] / base["images_per_s"]
        print(f"{name}: {times:.2f} x the peer's images/s; required: {limit:g}")
    host = medians["memory, on device"]["cpu_ms"]
    print(f"memory, on device: {host:.2f} CPU ms per image on the host; required: at most {DEVICE_LIMIT:g}")


if __name__ == "__main__":
    main()
