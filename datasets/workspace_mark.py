"""A workspace of Segline's may lie in a raw folder, where `segline run` is given there: nothing in it is raw data."""

import os
from pathlib import Path

STORE = "store.sqlite"
"""The file by which a workspace is known: each has it before raw files are looked at."""


def is_workspace(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a workspace."""
    return Path(folder, STORE).is_file()
