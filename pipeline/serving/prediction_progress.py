"""What a `segline predict` that was stopped has done already: results of the same model, with the same settings."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.export import facts
from pipeline.workspace import digest

FILE = ".segline-predict.jsonl"
"""In the folder of results: a line with the model and the settings they were made with, then lines of results."""

PARTS = ("saved_model.pb", "variables/variables.index", str(facts.FILE))
"""Files that tell one model from another; the index holds a checksum of every weight."""

Source = tuple[str, int, int]
"""What a result was made from: the file's path without links, its size in bytes, its mtime in ns."""

NOTHING: Source = ("", 0, 0)
"""Stands for the source of results that are being replaced: of the old file or the new one, nobody could say."""


class Progress:
    """Tells which results need not be made again.

    Each result is one more line of a file, written at once and whole, by whichever thread: [its name, *Source]. Of
    several lines the last holds. A line that a kill cut off is passed over, and the results are made again.

    Args:
        out: Folder of the results.
        model: Folder of the SavedModel.
        settings: Whatever else the results depend on, as plain values.
        dry_run: Write nothing, and let nothing be made.
    """

    def __init__(self, out: Path, model: Path, settings: Mapping[str, Any], *, dry_run: bool = False) -> None:
        contents = hashlib.sha256(b"".join((model / part).read_bytes() for part in PARTS)).hexdigest()
        head = {"model": contents, "settings": json.loads(json.dumps(settings))}
        self._out = out
        self._seen: dict[Path, Source] = {}
        self._made, lines = _read(out / FILE, head)
        if dry_run:
            return
        if lines == 0 or lines > 1 + 2 * len(self._made):
            made = [json.dumps([name, *source]) for name, source in self._made.items()]
            digest.write_atomically(out / FILE, "\n".join([json.dumps(head), *made]))
        self._journal = (out / FILE).open("ab", buffering=0)

    def has(self, source: Path, results: Sequence[Path]) -> bool:
        """Whether all results of a file are there, made with these settings from this file as it is now."""
        try:
            status = source.stat()
        except OSError:
            return False
        # What is noted later is the file before it was read: changed meanwhile, it is another one the next time.
        self._seen[source] = (os.path.realpath(source), status.st_size, status.st_mtime_ns)
        return self._made.get(self._name(results)) == self._seen[source] and all(map(os.path.isfile, results))

    @contextmanager
    def making(self, source: Path, results: Sequence[Path]) -> Iterator[None]:
        """Note that the results are the file's once the block is done, and that they are nobody's until then."""
        name = self._name(results)
        if name in self._made:
            self._note(name, NOTHING)
        yield
        if source in self._seen:
            self._note(name, self._seen[source])

    def close(self) -> None:
        """Close the file, after the last result is made."""
        self._journal.close()

    def _name(self, results: Sequence[Path]) -> str:
        """A file's results differ in their folder alone: the first stands for all."""
        return results[0].relative_to(self._out).as_posix()

    def _note(self, name: str, source: Source) -> None:
        # The line's end comes first, so that nothing is joined to a line that was cut off.
        self._journal.write(b"\n" + json.dumps([name, *source]).encode("ascii"))


def _read(path: Path, head: Mapping[str, Any]) -> tuple[dict[str, Source], int]:
    """Sources by the name of their result, and the number of lines; none where the file has another head."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return {}, 0
    if _parsed(lines[0]) != head:
        return {}, 0
    made: dict[str, Source] = {}
    for entry in map(_parsed, lines[1:]):
        if isinstance(entry, list) and len(entry) == 4:
            made[str(entry[0])] = (entry[1], entry[2], entry[3])
    return {name: source for name, source in made.items() if source != NOTHING}, len(lines)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
