"""Check of paths before the work, so that a long command does not fail at its end, or after TensorFlow's import."""

from pathlib import Path

from pipeline.errors import UserError


def require_folder(path: Path, option: str = "--out") -> None:
    """Check that `path` is a folder or can be created as one.

    Raises:
        UserError: A file is in its place, or in that of a folder above it.
    """
    existing = next((place for place in (path, *path.parents) if place.exists()), None)
    if existing is not None and not existing.is_dir():
        raise UserError(f"{option} must be a folder, new or existing. Received: {path}; {existing} is a file.")


def require_file(path: Path, option: str) -> None:
    """Raise UserError unless `path` is a file."""
    if not path.is_file():
        raise UserError(f"{option}: there is no file {str(path)!r} (relative to {Path.cwd()}).")
