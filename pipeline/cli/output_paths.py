"""Where a command is told to write: what cannot be is said before the work, and not after it."""

from pathlib import Path

from pipeline.errors import UserError


def require_folder(path: Path, option: str = "--out") -> None:
    """Raise UserError where `path` can be no folder, as a file is in its place or in that of one above it."""
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    if there is not None and not there.is_dir():
        raise UserError(f"{option} must be a folder, to be made or there already. Received: {path}; {there} is a file.")
