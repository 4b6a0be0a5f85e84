"""Resolve the paths that a user gives to image files and the names of their results."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath

from datasets import audit
from pipeline.errors import UserError
from pipeline.serving.prediction_progress import FILE

SUFFIXES = audit.SUFFIXES - {".mat", ".npy"}
"""Images inside a folder, of every format that training reads; a file that is given directly may have any suffix."""

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""Videos, in a folder or given directly."""

LISTED = 10


@dataclass(frozen=True)
class ImageFile:
    """An image or video, and the name of its results.

    Attributes:
        path: The file.
        result: Relative path of a result, ending in .png.
        named: Whether the user gave the file itself rather than a folder that contains it.
    """

    path: Path
    result: PurePath
    named: bool

    @property
    def is_video(self) -> bool:
        """Whether the file is a video, by its suffix."""
        return self.path.suffix.lower() in VIDEOS


def find(paths: Sequence[Path], out: Path, written: re.Pattern[str]) -> list[ImageFile]:
    """List images and videos, including those in folders at any depth, in the given order, sorted within a folder.

    A result has its file's name, with the path below the given folder; with several folders, their names are prefixed.
    `1.png` and `1.jpg` in one folder become `1.png.png` and `1.jpg.png`.

    Args:
        paths: Files and folders.
        out: Folder of the results; it may contain the images.
        written: Matches the paths below `out` that `segline predict` writes: earlier results are not images.

    Raises:
        UserError: A path does not exist, a folder holds no image, or a result could overwrite an image.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UserError(f"No such file or folder: {', '.join(map(repr, missing))} (relative to {Path.cwd()}).")
    several = sum(path.is_dir() for path in paths) > 1
    files: list[tuple[Path, PurePath]] = []
    empty = []
    for path in paths:
        if not path.is_dir():
            files.append((path, PurePath(path.name)))
            continue
        inside = _images(path, out, written)
        prefix = PurePath(path.resolve().name) if several else PurePath()
        files += [(file, prefix / file.relative_to(path)) for file in inside]
        if not inside:
            empty.append(str(path))
    if empty:
        kinds = ", ".join(sorted(SUFFIXES))
        raise UserError(f"No image ({kinds}) in: {', '.join(map(repr, empty))}. Results in --out are ignored.")
    _refuse(_among_results((path for path in paths if not path.is_dir()), out, written), out)
    names = _result_names([name for _, name in files])
    named = set(paths)
    return [ImageFile(path, name, path in named) for (path, _), name in zip(files, names, strict=True)]


def require_distinct(results: Iterable[tuple[Path, ImageFile]]) -> None:
    """Raise UserError if two images would write the same file.

    Args:
        results: The path of each image's first result, with the image.
    """
    groups: dict[Path, list[Path]] = {}
    for result, file in results:
        groups.setdefault(result, []).append(file.path)
    collisions = [f"{result}: {', '.join(map(str, paths))}" for result, paths in groups.items() if len(paths) > 1]
    if collisions:
        raise UserError(
            "Several images would write the same result. Predict them separately, each with its own --out, or, except "
            "with --format, give their common folder instead:\n" + _listed(collisions)
        )


def partial_path(result: Path) -> Path:
    """Temporary path beside a result, renamed when complete. Hashed, as the result's name may have maximal length."""
    return result.with_name(f".partial-{sha256(os.fsencode(result.name)).hexdigest()[:16]}{result.suffix}")


def _images(folder: Path, out: Path, written: re.Pattern[str]) -> list[Path]:
    """List images and videos below a folder, without earlier results."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES | VIDEOS and path.is_file())
    results = _among_results(files, out, written)
    if not (out / FILE).is_file():
        _refuse(results, out)  # nothing was written there before: these files are the user's
    return [path for path in files if path not in results]


def _among_results(files: Iterable[Path], out: Path, written: re.Pattern[str]) -> set[Path]:
    root = out.resolve()
    resolved = ((path, path.resolve()) for path in files)
    return {
        path
        for path, target in resolved
        if target.is_relative_to(root) and written.fullmatch(target.relative_to(root).as_posix())
    }


def _refuse(images: Collection[Path], out: Path) -> None:
    if images:
        raise UserError(
            f"--out {str(out)!r}: results could overwrite images. Choose another folder. Images in it:\n"
            + _listed([str(path) for path in images])
        )


def _listed(lines: Collection[str]) -> str:
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "\n".join(f"  {line}" for line in [*sorted(lines)[:LISTED], *more])


def _result_names(names: Sequence[PurePath]) -> list[PurePath]:
    """Replace each suffix by .png; where two names would become equal, append .png instead."""
    count = Counter(name.with_suffix(".png") for name in names)
    return [
        name.with_suffix(".png") if count[name.with_suffix(".png")] == 1 else name.with_name(f"{name.name}.png")
        for name in names
    ]
