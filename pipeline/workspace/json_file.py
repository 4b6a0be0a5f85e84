"""JSON files that people read too: indented, UTF-8, and without the NaN that JSON does not have."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """Return the value in a JSON file. Raises ValueError where it is no JSON, or nested too deeply to be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write plain values. Raises ValueError for NaN and infinity: write None for an undefined metric."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
