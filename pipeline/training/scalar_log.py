"""scalars.jsonl: the numbers that TensorBoard shows, one JSON object a line, for whoever has no TensorBoard."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE = "scalars.jsonl"


class ScalarLog:
    """Appends lines {"step": 12, "train/loss": 0.8, ...}; steps are counted from 1 over the whole training.

    Args:
        path: The file; several sittings of one training share it.
        done: Steps done before this sitting. What an earlier one wrote about later steps is removed.
    """

    def __init__(self, path: Path, *, done: int) -> None:
        kept = [(line, told) for line in _lines(path) if (told := json.loads(line))["step"] <= done]
        self._told = {(done, name) for _, told in kept if told["step"] == done for name in told}
        partial = path.with_name(f"partial.{path.name}")
        partial.write_text("".join(line for line, _ in kept), encoding="utf-8")
        partial.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write a line; every value must be finite.

        A sitting may have ended after it had told of a validation and before its checkpoint: what is found again, after
        the last step that it had done, stands there already.
        """
        if new := {name: value for name, value in values.items() if (step, name) not in self._told}:
            self._file.write(json.dumps({"step": step, **new}, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Bring to disk what was written."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


def read(path: Path) -> list[dict[str, float]]:
    """Read every line, in order."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> Iterator[str]:
    """Every whole line: the last one may be cut where a sitting was killed."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.endswith("\n"))
