"""The share of each class in each result of `segline predict`, as a table that spreadsheets read."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.workspace import digest

FILE = "shares.csv"
"""In the results folder: a row for each image or video."""


def write(out: Path, classes: Sequence[str], rows: Iterable[tuple[str, str, Sequence[int]]]) -> None:
    """Write FILE: file, result, pixels, and for each class its share of them, 0..1.

    Args:
        out: Folder of the results.
        classes: Name of each class.
        rows: Path of the source, of its first result below `out`, and the number of pixels of each class.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "result", "pixels", *classes])
    for source, result, pixels in rows:
        total = sum(pixels)
        table.writerow([source, result, total, *(f"{count / total:.6f}" for count in pixels)])
    digest.write_atomically(out / FILE, text.getvalue().encode("utf-8", "backslashreplace").decode())
