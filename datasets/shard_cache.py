"""Finished shards outlive a killed conversion; those whose raw files have not changed serve the next one.

A shard is kept under a name made of everything that its bytes depend on, and is shared with the records by a hard link.
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
"""How long a shard is kept that no folder of records holds: time enough to come back to an interrupted conversion."""

WRITER = re.compile(rf"{re.escape(INCOMPLETE)}(?P<signed>{SIGNATURE})\.[0-9a-f]{{32}}")
"""Who writes an unfinished shard, or its report."""


@dataclass(frozen=True)
class ShardCache:
    """A folder of finished shards, all made by the same code.

    Attributes:
        folder: Where they lie. On the file system of the records, so that they can be linked.
        digests: {name in the raw folder: digest of the contents}. A file in a zip is known by its checksum there.
        anew: Whether every shard is written anew, in place of the one that lies there, which others may be using.
    """

    folder: Path
    digests: Mapping[str, str]
    anew: bool = field(default=False, kw_only=True)

    def place(self, shards: Sequence[Shard], raw: RawFolder, settings: Sequence[object]) -> list[Shard]:
        """Give the shards with the paths that they have in the cache.

        Args:
            shards: As planned.
            raw: The raw folder.
            settings: Whatever else decides their bytes; it must be JSON.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return [replace(shard, path=self.folder / f"{self._key(shard, raw, settings)}.tfrecord") for shard in shards]

    def require_steady(self, reports: Iterable[ShardReport]) -> None:
        """Raise ConversionError where a file that once could be read could not be: a result without it would stay."""
        found = (problem for report in reports for problem in report.problems)
        lost = [one for one in found if one.kind is Kind.UNREADABLE and one.file in self.digests]
        if lost:
            named = ", ".join(f"{one.file} ({one.detail})" for one in lost[:3]) + ", ..." * (len(lost) > 3)
            raise ConversionError(
                f"{len(lost)} files could be read before and cannot be now, as if the disk or the network had failed: "
                f"{named}. Nothing was written without them. Give the same command again."
            )

    def _key(self, shard: Shard, raw: RawFolder, settings: Sequence[object]) -> str:
        names = {name for pair in shard.pairs for name in (pair.image, pair.mask) if name}
        # A file without a digest (a dangling link, one that came a moment ago) keeps its shard from being used again.
        digests = {name: raw.checksum(name) or self.digests.get(name) or uuid4().hex for name in sorted(names)}
        text = json.dumps([*settings, shard.split, [astuple(pair) for pair in shard.pairs], digests])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def finished(shard: Shard) -> bool:
    """Whether a shard and its report lie there, every file could be read, and the shard is as it was written."""
    try:
        report = ShardReport.read(report_path(shard.path))
        if any(problem.kind is Kind.UNREADABLE for problem in report.problems):
            return False  # it may be readable now
        return shard.path.stat().st_size == report.bytes and tfrecord.checksum(shard.path) == report.checksum
    except (FileNotFoundError, ValueError, TypeError):  # absent, no JSON, or a report of another form
        return False


def link(kept: Path, path: Path) -> None:
    """Make `path` the same file as `kept`, or a copy where the file system has no hard links."""
    try:
        os.link(kept, path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(kept, path)


def sweep(folder: Path) -> None:
    """Remove what is of no more use below `folder`: what dead writers left, and old files that no records hold.

    Another process may be at work there, and sweep too.
    """
    oldest = time.time() - KEPT_SECONDS
    for path in sorted(folder.rglob("*"), key=lambda path: (-len(path.parts), path)):  # a shard before its report
        with suppress(FileNotFoundError):
            if _is_of_no_use(path, oldest):
                path.rmdir() if path.is_dir() else path.unlink()


def _is_of_no_use(path: Path, oldest: float) -> bool:
    """Whether a file or folder may go: its writer died, or it is older than `oldest` and nothing needs it."""
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
    return shard == path or not shard.exists()  # an audit, a fault, or a report whose shard has gone
