"""What grows with the number of images: each light and each heavy part by itself, and what it comes to at 10 million.

    python tests/benchmarks/scale.py                     # 1,000 5,000 20,000 images of 24 x 32; minutes
    python tests/benchmarks/scale.py 1000 --workers 1 2 4

Images are small, so that what is counted is the cost of a file, a record and an entry, not of its pixels; for those add
the figures of tests/benchmarks/ingest.py.
"""

import argparse
import contextlib
import io
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))
GOAL = 10_000_000


def main() -> None:
    """Print a table: seconds for each number of images, and the last one's rate applied to GOAL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", metavar="N", type=int, nargs="*", default=[1000, 5000, 20_000])
    parser.add_argument("--workers", metavar="W", type=int, nargs="*", default=[], help="processes of ingest, at max N")
    options = parser.parse_args()
    rows: dict[str, list[float]] = {}
    with TemporaryDirectory() as scratch:
        for count in options.counts:
            raw = Path(scratch, f"raw{count}")
            draw(raw, count)
            for name, seconds in measure(raw, Path(scratch, f"out{count}")).items():
                rows.setdefault(name, []).append(seconds)
        table(options.counts, rows)
        base = rows["ingest"][-1]
        for workers in options.workers:
            took = in_processes(raw, Path(scratch, f"workers{workers}"), workers)
            print(f"ingest, {workers} processes: {took:7.1f} s, {base / took:.2f} times as fast as in-process")
    print(f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


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


def measure(raw: Path, out: Path) -> dict[str, float]:
    """Seconds of each part for one raw folder."""
    from pipeline import digest
    from pipeline import recipe as recipes
    from pipeline.steps import ingest, validate

    settings = [f"data.manual_dir={raw}", "validate.same_image_in_two_splits=ignore"]
    recipe = recipes.load(str(PROJECT / "tests/tiny.yaml"), settings)
    patterns, memory = recipe.data.spec().patterns, out / "memory.json"
    found = {}
    found["digest, first"] = timed(lambda: digest.remembered(raw, patterns, memory))
    found["digest, again"] = timed(lambda: digest.remembered(raw, patterns, memory))
    for name, step, inputs in (
        ("ingest", ingest, {"raw": raw}),
        ("validate", validate, {"ingest": out / "ingest"}),
    ):
        (out / name).mkdir()
        found[name] = timed(lambda: step.run(recipe, inputs, out / name))  # noqa: B023
    found["seal"] = timed(lambda: digest.manifest(out / "ingest"))
    return found


def in_processes(raw: Path, out: Path, workers: int) -> float:
    """Seconds of ingest in several processes."""
    from pipeline import recipe as recipes
    from pipeline.steps import ingest

    out.mkdir()
    settings = [f"data.manual_dir={raw}", "ingest.runner=multi_processing", f"ingest.workers={workers}"]
    recipe = recipes.load(str(PROJECT / "tests/tiny.yaml"), [*settings, "ingest.min_shards=8"])
    return timed(lambda: ingest.run(recipe, {"raw": raw}, out))


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes; what it prints is dropped."""
    began = time.monotonic()
    with contextlib.redirect_stdout(io.StringIO()):
        work()
    return time.monotonic() - began


def table(counts: list[int], rows: dict[str, list[float]]) -> None:
    """Print the seconds, the cost of an image at the largest number, and the hours at GOAL."""
    head = "".join(f"{count:>11,}" for count in counts)
    print(f"{'seconds for images':<20}{head}   us/image   hours at {GOAL / 1e6:.0f} million")
    for name, seconds in rows.items():
        each = seconds[-1] / counts[-1]
        cells = "".join(f"{value:>11.2f}" for value in seconds)
        print(f"{name:<20}{cells}{each * 1e6:>11.0f}{each * GOAL / 3600:>12.2f}")


if __name__ == "__main__":
    main()
