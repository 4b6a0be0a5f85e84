"""Require room on the disk for records."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.errors import DatasetError


@contextmanager
def require(folder: Path, needed: int, dataset: str) -> Iterator[None]:
    """Raise DatasetError if the disk of a folder has less than `needed` bytes free, or fills up inside the block.

    Args:
        folder: Where the records are written.
        needed: Their size, bytes.
        dataset: The name in the message.
    """
    if shutil.disk_usage(folder).free < needed:
        raise _error(folder, needed, dataset)
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _error(folder, needed, dataset) from error


def _error(folder: Path, needed: int, dataset: str) -> DatasetError:
    free = shutil.disk_usage(folder).free
    return DatasetError(
        f"No space left for the records of {dataset} in {folder}: they take about {needed / 1e6:.0f} MB, "
        f"{free / 1e6:.0f} MB are free. Make room there, then run the same command again."
    )
