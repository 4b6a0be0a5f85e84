"""How fast the input is, against a PyTorch DataLoader with albumentations on the same cores, taking turns.

    python tests/benchmarks/input.py --camvid CamVid --peer-python VENV/bin/python

The peer's Python needs torch, albumentations and opencv-python-headless, in an environment of their own. Both zoom by
0.5 to 2, pad, cut to 360 x 480, mirror, and change brightness and contrast.
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
"""What is asked of images/s over the peer's from PNG."""

DEVICE_LIMIT = 0.5
"""CPU ms an image that the host may take where the device augments."""


def main() -> None:
    """Measure everything in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="folder with train, trainannot, val, valannot")
    parser.add_argument("--peer-python", help="a Python with torch and albumentations; without: no ratios")
    parser.add_argument("--images", type=int, default=1600, help="images of each measurement (default: 1600)")
    parser.add_argument("--repeats", type=int, default=3, help="(default: 3)")
    parser.add_argument("--cores", type=int, default=2, help="cores that each may use (default: 2)")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.measure:
        print(json.dumps(measure(options.camvid, OURS[options.measure], options.images)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        records = ingest(options.camvid.resolve(), Path(scratch))
        found = in_turns(options, records)
    report({name: summary(rows) for name, rows in found.items()}, options)


def in_turns(options: argparse.Namespace, records: Path) -> dict[str, list[dict[str, float]]]:
    """Measure each kind in a process of its own, one after the other, and all over again."""
    found: dict[str, list[dict[str, float]]] = {}
    ours = [sys.executable, __file__, "--camvid", str(records), "--images", str(options.images), "--measure"]
    ours[2:2] = ["--cores", str(options.cores)]
    peer = [options.peer_python, str(Path(__file__).with_name("input_peer.py")), str(options.camvid)]
    peer += ["--size", *map(str, SIZE), "--images", str(options.images), "--batch-size", str(BATCH_SIZE)]
    peer += ["--workers", str(options.cores)]
    for _ in range(options.repeats):
        for name, more in PEER.items() if options.peer_python else ():
            found.setdefault(f"peer, {name}", []).append(ask([*peer, *more]))
        for name in OURS:
            found.setdefault(name, []).append(ask([*ours, name]))
    return found


def ask(command: list[str]) -> dict[str, float]:
    """Run a measurement and read the last line that it prints."""
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=PROJECT, text=True).stdout
    answer: dict[str, float] = json.loads(told.splitlines()[-1])
    return answer


def ingest(camvid: Path, scratch: Path) -> Path:
    """Write the records of CamVid, as a run does."""
    from pipeline.config import recipe_file
    from pipeline.steps import ingest as step

    config = recipe_file.load("camvid_fast", [f"data.manual_dir={camvid}", "data.allow_partial=true"])
    step.run(config.only(("data", "ingest")), {"raw": camvid}, scratch)
    return scratch / "records"


def measure(records: Path, settings: dict[str, str], images: int) -> dict[str, float]:
    """Take so many images from the training input, as the training does."""
    from pipeline.config.recipe import AugmentConfig, InputConfig
    from pipeline.input import batches

    augment = AugmentConfig(flip=True, scale=(0.5, 2.0), crop=SIZE, brightness=0.2, contrast=0.2)
    config = InputConfig(augment=augment, **settings)
    dataset = batches.train_dataset(
        records, config, batch_size=BATCH_SIZE, seed=0, epoch=0, cache=records.parent / "cache"
    )
    shown = iter(dataset)
    for _ in range(4):  # what is prefetched would count as taken in no time
        next(shown)
    began, before = time.monotonic(), cpu_seconds()
    for _ in range(images // BATCH_SIZE):
        next(shown)
    count = images // BATCH_SIZE * BATCH_SIZE
    wall, used = time.monotonic() - began, cpu_seconds() - before
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"images_per_s": count / wall, "cpu_ms": 1e3 * used / count, "megabytes": megabytes}


def cpu_seconds() -> float:
    """CPU seconds of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the repeats."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def report(found: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print the table, and what is asked beside what was found."""
    base = found.get("peer, from PNG")
    print(f"CamVid 360 x 480, {options.cores} cores, batches of {BATCH_SIZE}, median of {options.repeats} turns\n")
    print(f"{'':<20}{'images/s':>10}{'CPU ms/image':>14}{'peak MB':>10}{'x peer from PNG':>17}")
    for name, row in found.items():
        ratio = f"{row['images_per_s'] / base['images_per_s']:.2f}" if base else ""
        print(f"{name:<20}{row['images_per_s']:>10.0f}{row['cpu_ms']:>14.2f}{row['megabytes']:>10.0f}{ratio:>17}")
    print()
    for name, limit in LIMITS.items() if base else ():
        times = found[name]["images_per_s"] / base["images_per_s"]
        print(f"{name}: {times:.2f} x the peer's images/s; asked: {limit:g}")
    host = found["memory, on device"]["cpu_ms"]
    print(f"memory, on device: {host:.2f} CPU ms an image on the host; asked: {DEVICE_LIMIT:g}")


if __name__ == "__main__":
    main()
