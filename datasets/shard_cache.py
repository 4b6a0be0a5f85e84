"""A cache of finished shards: they survive a killed conversion, and are reused while their raw files are unchanged.

A shard's name is a digest of everything that its bytes depend on. The records share the file through a hard link.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from datasets import tfrecord
from datasets.audit import Kind
from datasets.errors import ConversionError
from datasets.raw import RawFolder
from datasets.shards import INCOMPLETE, REPORT, Shard, ShardReport, report_path
from datasets.writers import SIGNATURE, has_died

KEPT_SECONDS = 7 * 24 * 3600
"""Age at which a shard that no records folder uses is removed: long enough to resume an interrupted conversion."""

WRITER = re.compile(rf"{re.escape(INCOMPLETE)}(?P<signed>{SIGNATURE})\.[0-9a-f]{{32}}")
"""The writer's signature in the name of an unfinished shard or report."""


@dataclass(frozen=True)
class ShardCache:
    """A folder of finished shards, all made by the same code.

    Attributes:
        folder: The folder. It must be on the file system of the records, so that shards can be linked.
        digests: {name in the raw folder: digest of the contents}. For files in a zip their checksum there is used.
        overwrite: Rewrite every shard, replacing the existing files, which other processes may be using.
    """

    folder: Path
    digests: Mapping[str, str]
    overwrite: bool = field(default=False, kw_only=True)

    def place(self, shards: Sequence[Shard], raw: RawFolder, settings: Sequence[object]) -> list[Shard]:
        """Return the shards with their paths in the cache.

        Args:
            shards: The shards of the records.
            raw: The raw folder.
            settings: Everything else that their bytes depend on, as JSON values.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return [replace(shard, path=self.folder / f"{self._key(shard, raw, settings)}.tfrecord") for shard in shards]

    def require_readable(self, reports: Iterable[ShardReport]) -> None:
        """Raise ConversionError for files that were readable before, lest a passing failure leave them out for good."""
        problems = (problem for report in reports for problem in report.problems)
        lost = [problem for problem in problems if problem.kind is Kind.UNREADABLE and problem.file in self.digests]
        if lost:
            names = ", ".join(f"{problem.file} ({problem.detail})" for problem in lost[:3]) + ", ..." * (len(lost) > 3)
            raise ConversionError(
                f"{len(lost)} files could be read before and cannot be now, as if the disk or the network had failed: "
                f"{names}. Nothing was written without them. Run the same command again."
            )

    def _key(self, shard: Shard, raw: RawFolder, settings: Sequence[object]) -> str:
        names = {name for pair in shard.pairs for name in pair.files}
        # A file without a digest (a dangling link, a file just added) gets a random one: its shard is never reused.
        digests = {name: raw.checksum(name) or self.digests.get(name) or uuid4().hex for name in sorted(names)}
        text = json.dumps([*settings, shard.split, [astuple(pair) for pair in shard.pairs], digests])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_finished(shard: Shard) -> bool:
    """Whether a shard and its report exist, all its files could be read, and the shard is undamaged."""
    try:
        report = ShardReport.read(report_path(shard.path))
        if any(problem.kind is Kind.UNREADABLE for problem in report.problems):
            return False  # the file may be readable now
        return shard.path.stat().st_size == report.bytes and tfrecord.checksum(shard.path) == report.checksum
    except (FileNotFoundError, ValueError, TypeError):  # absent, no JSON, or a report of another form
        return False


def link(kept: Path, path: Path) -> None:
    """Hard-link `path` to `kept`, or copy it where the file system has no hard links."""
    try:
        os.link(kept, path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(kept, path)


def sweep(folder: Path) -> None:
    """Remove the leftovers of dead writers below `folder`, and old files that no records use.

    It is safe while other processes write or sweep there.
    """
    oldest = time.time() - KEPT_SECONDS
    for path in sorted(folder.rglob("*"), key=lambda path: (-len(path.parts), path)):  # a shard before its report
        with suppress(FileNotFoundError):
            if _is_unused(path, oldest):
                path.rmdir() if path.is_dir() else path.unlink()


def _is_unused(path: Path, oldest: float) -> bool:
    """Whether the writer of a file or folder has died, or it is older than `oldest` and nothing uses it."""
    writer = WRITER.search(path.name)
    if writer and has_died(writer["signed"], path):
        return True
    status = path.stat()
    if status.st_mtime >= oldest:
        return False
    if path.is_dir():
        return not any(path.iterdir())
    if path.suffix == ".tfrecord":
        return status.st_nlink == 1
    shard = path.with_name(path.name.removesuffix(REPORT))
    return shard == path or not shard.exists()  # an audit, a traceback, or a report without its shard
