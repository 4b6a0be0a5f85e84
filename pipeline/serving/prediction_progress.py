"""Journal of `segline predict`: results that exist for the same model, settings and source files are reused."""

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
"""In the results folder: a line with the model and the settings, then a line for each result."""

PARTS = ("saved_model.pb", "variables/variables.index", str(facts.FILE))
"""Files that identify a model; the index holds a checksum of every weight."""

Source = tuple[str, int, int]
"""Identity of a source file: its resolved path, size in bytes, mtime in ns."""

UNKNOWN: Source = ("", 0, 0)
"""Source of results that are being overwritten: they may be of the old file or of the new one."""


class Progress:
    """Records which results exist, so that an interrupted or repeated prediction reuses them.

    Each result appends a line [name, *Source] with a single write, from any thread; the last line of a name counts.
    A line that was truncated by a kill is ignored, and its results are written again.

    Args:
        out: Folder of the results.
        model: Folder of the SavedModel.
        settings: All other values that the results depend on, JSON-serialisable.
        dry_run: Only read the journal.
    """

    def __init__(self, out: Path, model: Path, settings: Mapping[str, Any], *, dry_run: bool = False) -> None:
        model_digest = hashlib.sha256(b"".join((model / part).read_bytes() for part in PARTS)).hexdigest()
        head = {"model": model_digest, "settings": json.loads(json.dumps(settings))}
        self._out = out
        self._sources: dict[Path, Source] = {}
        self._done, lines = _read(out / FILE, head)
        if dry_run:
            return
        if lines == 0 or lines > 1 + 2 * len(self._done):  # new, or most lines are superseded
            entries = [json.dumps([name, *source]) for name, source in self._done.items()]
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
        return self._done.get(self._name(results)) == self._sources[source] and all(map(os.path.isfile, results))

    @contextmanager
    def writing(self, source: Path, results: Sequence[Path]) -> Iterator[None]:
        """Context manager around writing results: their source is UNKNOWN until the block has succeeded."""
        name = self._name(results)
        if name in self._done:
            self._append(name, UNKNOWN)
        yield
        if source in self._sources:
            self._append(name, self._sources[source])

    def close(self) -> None:
        """Close the journal, after the last result."""
        self._journal.close()

    def _name(self, results: Sequence[Path]) -> str:
        """Name of a file's results in the journal: the first path, as they differ only in their folder."""
        return results[0].relative_to(self._out).as_posix()

    def _append(self, name: str, source: Source) -> None:
        # The newline comes first, so that nothing is appended to a truncated line.
        self._journal.write(b"\n" + json.dumps([name, *source]).encode("ascii"))


def _read(path: Path, head: Mapping[str, Any]) -> tuple[dict[str, Source], int]:
    """Sources by the name of their result, and the number of lines; none if the head differs."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    except OSError:
        return {}, 0
    if _parse(lines[0]) != head:
        return {}, 0
    sources: dict[str, Source] = {}
    for entry in map(_parse, lines[1:]):
        if isinstance(entry, list) and len(entry) == 4:
            sources[str(entry[0])] = (entry[1], entry[2], entry[3])
    return {name: source for name, source in sources.items() if source != UNKNOWN}, len(lines)


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
