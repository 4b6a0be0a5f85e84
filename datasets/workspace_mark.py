"""How to recognise a Segline workspace. One may be inside a raw folder, and nothing in it is raw data."""

import os
from pathlib import Path

STORE = "store.sqlite"
"""The file that every workspace has, from before any raw file is listed."""


def is_workspace(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a workspace."""
    return Path(folder, STORE).is_file()
