"""Measure seconds and memory of each part by the number of images, and extrapolate to 10 million images.

    python tests/benchmarks/scale.py                     # 1,000 5,000 20,000 images of 24 x 32; minutes
    python tests/benchmarks/scale.py 1000 --workers 1 2 4

Images are small, to measure the cost of a file, a record and an entry, not of its pixels; for those add the results of
tests/benchmarks/ingest.py. Each part runs in a process of its own, to measure its memory.
"""

import argparse
import contextlib
import io
import multiprocessing
import resource
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))
GOAL = 10_000_000


class Cost(NamedTuple):
    """Cost of one part: seconds, and the peak memory of its process in bytes."""

    seconds: float
    memory: int


def main() -> None:
    """Print tables: seconds and memory for each number of images, extrapolated to GOAL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", metavar="N", type=int, nargs="*", default=[1000, 5000, 20_000])
    parser.add_argument("--workers", metavar="W", type=int, nargs="*", default=[], help="processes of ingest, at max N")
    options = parser.parse_args()
    rows: dict[str, list[Cost]] = {}
    with TemporaryDirectory() as scratch:
        for count in options.counts:
            raw, out = Path(scratch, f"raw{count}"), Path(scratch, f"out{count}")
            draw(raw, count)
            for name in PARTS:
                rows.setdefault(name, []).append(in_fresh_process(name, raw, out))
        table(options.counts, rows)
        base = rows["ingest"][-1].seconds
        for workers in options.workers:
            seconds = in_processes(raw, Path(scratch, f"workers{workers}"), workers)
            print(f"ingest, {workers} processes: {seconds:7.1f} s, {base / seconds:.2f} times as fast as in-process")


def draw(raw: Path, count: int) -> None:
    """Write `count` copies of a few scenes in CamVid's layout, nine in ten for training; no two images are equal."""
    from datasets.camvid import sample

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        sample.write(raw / "seed", count=10, seed=0, size=(24, 32))
    image = next((raw / "seed/train").glob("*")).read_bytes()
    mask = next((raw / "seed/trainannot").glob("*")).read_bytes()
    for number in range(count):
        split = "val" if number % 10 == 0 else "train"
        for folder, content in ((split, image + number.to_bytes(8)), (f"{split}annot", mask)):
            (raw / folder).mkdir(exist_ok=True)
            (raw / folder / f"{number:08}.png").write_bytes(content)
    shutil.rmtree(raw / "seed")


def part(name: str, raw: Path, out: Path) -> Cost:
    """Measure one part on one raw folder, in this process."""
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.steps import ingest, validate
    from pipeline.workspace import digest

    settings = [f"data.manual_dir={raw}", "validate.same_image_in_two_splits=ignore"]
    recipe = load_recipe(str(PROJECT / "tests/tiny.yaml"), settings)
    (out / name).mkdir(parents=True, exist_ok=True)
    kept = {"cache": out / "cache" / "shards", "digests": out / "memory.json"}
    work: dict[str, Callable[[], object]] = {
        "digest, first": lambda: digest.remembered(raw, recipe.data.spec().patterns, out / "memory.json"),
        "digest, again": lambda: digest.remembered(raw, recipe.data.spec().patterns, out / "memory.json"),
        "ingest": lambda: ingest.run(recipe, {"raw": raw}, out / name),
        "ingest, as run does": lambda: ingest.run(recipe, {"raw": raw, **kept}, out / name),
        "validate": lambda: validate.run(recipe, {"ingest": out / "ingest"}, out / name),
        "seal": lambda: digest.manifest(out / "ingest"),
    }
    seconds = timed(work[name])
    return Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


PARTS = ("digest, first", "digest, again", "ingest", "ingest, as run does", "validate", "seal")
"""In this order, as validate reads the records of ingest. `segline run` also caches shards by their digests."""


def in_fresh_process(name: str, raw: Path, out: Path) -> Cost:
    """Measure one part in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(part, name, raw, out).result()


def in_processes(raw: Path, out: Path, workers: int) -> float:
    """Return the seconds of ingest with several processes."""
    from pipeline.orchestration.recipe_loader import load_recipe
    from pipeline.steps import ingest

    out.mkdir()
    settings = [f"data.manual_dir={raw}", "ingest.runner=multi_processing", f"ingest.workers={workers}"]
    recipe = load_recipe(str(PROJECT / "tests/tiny.yaml"), [*settings, "ingest.min_shards=8"])
    return timed(lambda: ingest.run(recipe, {"raw": raw}, out))


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of a call; its output is discarded."""
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    return time.monotonic() - began


def table(counts: list[int], rows: dict[str, list[Cost]]) -> None:
    """Print seconds and memory, the cost of an image at the largest number, and the total at GOAL."""
    head = "".join(f"{count:>11,}" for count in counts)
    print(f"{'seconds for images':<20}{head}   us/image   hours at {GOAL / 1e6:.0f} million")
    for name, costs in rows.items():
        each = costs[-1].seconds / counts[-1]
        cells = "".join(f"{cost.seconds:>11.2f}" for cost in costs)
        print(f"{name:<20}{cells}{each * 1e6:>11.0f}{each * GOAL / 3600:>12.2f}")
    print(f"{'MB for images':<20}{head}   kB/image   GB at {GOAL / 1e6:.0f} million")
    for name, costs in rows.items():
        # A difference, to exclude the memory of the libraries.
        each = (costs[-1].memory - costs[0].memory) / max(1, counts[-1] - counts[0])
        cells = "".join(f"{cost.memory / 1e6:>11.0f}" for cost in costs)
        print(f"{name:<20}{cells}{each / 1e3:>11.2f}{each * GOAL / 1e9:>9.1f}")


if __name__ == "__main__":
    main()
