"""scalars.jsonl: the numbers that TensorBoard shows, one JSON object per line, to read without TensorBoard."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE = "scalars.jsonl"


class ScalarLog:
    """Appends lines {"step": 12, "train/loss": 0.8, ...}; steps are counted from 1 over the whole training.

    Args:
        path: The file; all processes of a training, resumed ones too, append to it.
        done: Steps done before this process. Lines of later steps that an earlier process wrote are removed.
    """

    def __init__(self, path: Path, *, done: int) -> None:
        kept = [(line, values) for line in _lines(path) if (values := json.loads(line))["step"] <= done]
        self._written = {(done, name) for _, values in kept if values["step"] == done for name in values}
        partial = path.with_name(f"partial.{path.name}")
        partial.write_text("".join(line for line, _ in kept), encoding="utf-8")
        partial.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append a line; every value must be finite.

        An earlier process may have died between logging a validation and writing its checkpoint. The validation is then
        repeated; values that the file already holds for the last step done are left out.
        """
        if new := {name: value for name, value in values.items() if (step, name) not in self._written}:
            self._file.write(json.dumps({"step": step, **new}, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Write pending lines to disk."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()


def read(path: Path) -> list[dict[str, float]]:
    """Read every line, in order."""
    return [json.loads(line) for line in _lines(path)]


def _lines(path: Path) -> Iterator[str]:
    """Yield every complete line: the last one may be cut off where a process was killed."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.endswith("\n"))
