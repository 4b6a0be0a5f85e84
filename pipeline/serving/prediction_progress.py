"""Journal of `segline predict`: results that exist for the same model, settings and source files are reused."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.export import facts
from pipeline.serving.served_model import cannot_be_loaded
from pipeline.workspace import digest

FILE = ".segline-predict.jsonl"
"""In the results folder: a line with the model and the settings, then a line for each result."""

PARTS = ("saved_model.pb", "variables/variables.index", str(facts.FILE))
"""Files that identify a model; the index holds a checksum of every weight."""

Source = tuple[str, int, int]
"""Identity of a source file: its resolved path, size in bytes, mtime in ns."""

UNKNOWN: Source = ("", 0, 0)
"""Source of results that are being overwritten: they may be of the old file or of the new one."""


class Journal:
    """Records which results exist, so that an interrupted or repeated prediction reuses them.

    Each result appends a line [name, *Source, pixels of each class] with a single write, from any thread; the last line
    of a name counts. A line that was truncated by a kill is ignored, and its results are written again.

    Args:
        out: Folder of the results.
        model: Folder of the SavedModel.
        settings: All other values that the results depend on, JSON-serialisable.
        dry_run: Only read the journal.
    """

    def __init__(self, out: Path, model: Path, settings: Mapping[str, Any], *, dry_run: bool = False) -> None:
        head = {"model": _digest(model), "settings": json.loads(json.dumps(settings))}
        self._out = out
        self._sources: dict[Path, Source] = {}
        self._done, lines = _read(out / FILE, head)
        if dry_run:
            return
        if lines == 0 or lines > 1 + 2 * len(self._done):  # new, or most lines are superseded
            entries = [json.dumps([name, *source, pixels]) for name, (source, pixels) in self._done.items()]
            digest.write_atomically(out / FILE, "\n".join([json.dumps(head), *entries]))
        self._journal = (out / FILE).open("ab", buffering=0)

    def is_done(self, source: Path, results: Sequence[Path]) -> bool:
        """Whether all results of a file exist, written with these settings from the file's present contents."""
        try:
            status = source.stat()
        except OSError:
            return False
        # The identity is taken before the file is read: if it changes meanwhile, the next run predicts it again.
        self._sources[source] = (os.path.realpath(source), status.st_size, status.st_mtime_ns)
        known, _ = self._done.get(self._name(results), (UNKNOWN, []))
        return known == self._sources[source] and all(map(os.path.isfile, results))

    @contextmanager
    def writing(self, source: Path, results: Sequence[Path]) -> Iterator[list[int]]:
        """Context manager around writing results: their source is UNKNOWN until the block has succeeded.

        It gives a list to which the block may add the number of pixels of each class.
        """
        name, pixels = self._name(results), list[int]()
        if name in self._done:
            self._append(name, UNKNOWN, pixels)
        yield pixels
        if source in self._sources:
            self._append(name, self._sources[source], pixels)

    def pixels(self) -> Iterator[tuple[str, str, list[int]]]:
        """Yield the source, the first result and the pixels of each class of all results that are there."""
        for name, ((source, _, _), pixels) in sorted(self._done.items()):
            if source and (self._out / name).is_file():
                yield source, name, pixels

    def close(self) -> None:
        """Close the journal, after the last result."""
        self._journal.close()

    def _name(self, results: Sequence[Path]) -> str:
        """Name of a file's results in the journal: the first path, as they differ only in their folder."""
        return results[0].relative_to(self._out).as_posix()

    def _append(self, name: str, source: Source, pixels: list[int]) -> None:
        self._done[name] = source, pixels
        # The newline comes first, so that nothing is appended to a truncated line.
        self._journal.write(b"\n" + json.dumps([name, *source, pixels]).encode("ascii"))


def _digest(model: Path) -> str:
    try:
        return hashlib.sha256(b"".join((model / part).read_bytes() for part in PARTS)).hexdigest()
    except OSError as error:
        raise cannot_be_loaded(model, error) from None


def _read(path: Path, head: Mapping[str, Any]) -> tuple[dict[str, tuple[Source, list[int]]], int]:
    """Sources and pixels by the name of their result, and the number of lines; none if the head differs."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return {}, 0
    if _parse(lines[0]) != head:
        return {}, 0
    entries: dict[str, tuple[Source, list[int]]] = {}
    for entry in map(_parse, lines[1:]):
        if isinstance(entry, list) and len(entry) == 5:
            entries[str(entry[0])] = (entry[1], entry[2], entry[3]), entry[4]
    return {name: entry for name, entry in entries.items() if entry[0] != UNKNOWN}, len(lines)


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
