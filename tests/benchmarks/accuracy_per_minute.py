"""Print the val mIoU of trainings after some minutes, from their histories.

    python tests/benchmarks/accuracy_per_minute.py workspace/runs/*/train/history.json --minutes 5 10 20 38

Minutes are those of timed steps: without compiling, validations and checkpoints. Each figure is that of the last
validation until then, and a schedule that ends later has not settled by then; `-`: none until then.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

WIDTH = 9


def at_minutes(history: Sequence[Mapping[str, Any]], minutes: Sequence[float]) -> list[float | None]:
    """Return the mIoU of the last validation within each number of minutes; None: there is none.

    >>> epochs = [{"seconds": 60, "miou": 0.2}, {"seconds": 60, "miou": None}, {"seconds": 61, "miou": 0.5}]
    >>> at_minutes(epochs, [0.5, 1, 3, 4])
    [None, 0.2, 0.2, 0.5]
    """
    ends = list(accumulate(entry["seconds"] for entry in history))
    measured = [(end, entry["miou"]) for end, entry in zip(ends, history, strict=True) if entry["miou"] is not None]
    return [next((miou for end, miou in reversed(measured) if end <= 60 * limit), None) for limit in minutes]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("histories", nargs="+", type=Path, help="files history.json of train steps")
    parser.add_argument("--minutes", nargs="+", type=float, default=[5, 10, 20, 38])
    options = parser.parse_args()
    print("".join(f"{f'{limit:g} min':>{WIDTH}}" for limit in options.minutes) + "  history")
    for path in options.histories:
        values = at_minutes(json.loads(path.read_text(encoding="utf-8")), options.minutes)
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        print("".join(f"{cell:>{WIDTH}}" for cell in cells) + f"  {path}")


if __name__ == "__main__":
    main()
