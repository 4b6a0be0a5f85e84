"""From what a user names to a list of image files and the names of their results."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath

from pipeline.errors import UserError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
"""What counts as an image inside a folder; a file that is named itself is taken whatever its name."""

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""What counts as a video, in a folder or named itself."""


@dataclass(frozen=True)
class ImageFile:
    """An image and where its results go.

    Attributes:
        path: The file.
        result: Relative path of a result, ending in .png.
    """

    path: Path
    result: PurePath

    @property
    def is_video(self) -> bool:
        """Whether it is read frame by frame."""
        return self.path.suffix.lower() in VIDEOS


def find(paths: Sequence[Path], out: Path) -> list[ImageFile]:
    """List images and videos, and those in folders at any depth, in the order given and by name within a folder.

    A file's results bear its name. Those of a folder keep the path below it; of several folders, each has its own name
    in front. `1.png` and `1.jpg` side by side become `1.png.png` and `1.jpg.png`.

    Args:
        paths: Files and folders.
        out: Where results go; what lies there from before is not taken for an image.

    Raises:
        UserError: A path is not there, a folder holds no image, or two images would have results of one name.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UserError(f"No such file or folder: {', '.join(map(repr, missing))} (looked from {Path.cwd()}).")
    several = sum(path.is_dir() for path in paths) > 1
    named: list[tuple[Path, PurePath]] = []
    empty = []
    for path in paths:
        if not path.is_dir():
            named.append((path, PurePath(path.name)))
            continue
        found = _images(path, out.resolve())
        front = PurePath(path.resolve().name) if several else PurePath()
        named += [(file, front / file.relative_to(path)) for file in found]
        if not found:
            empty.append(str(path))
    if empty:
        kinds = ", ".join(sorted(SUFFIXES))
        raise UserError(f"No image ({kinds}) in: {', '.join(map(repr, empty))}.")
    files = [
        ImageFile(path, name) for (path, _), name in zip(named, _results([name for _, name in named]), strict=True)
    ]
    _refuse_collisions(files)
    return files


def partial(result: Path) -> Path:
    """Where a result is written before it is whole: beside it, under a short name, as its own may be of full length."""
    return result.with_name(f".partial-{sha256(os.fsencode(result.name)).hexdigest()[:16]}{result.suffix}")


def _images(folder: Path, out: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES | VIDEOS and path.is_file())
    return sorted(path for path in files if out not in path.resolve().parents)


def _results(names: Sequence[PurePath]) -> list[PurePath]:
    """Give each result the image's name with .png, or after the image's own suffix where two would be the same."""
    count = Counter(name.with_suffix(".png") for name in names)
    return [
        name.with_suffix(".png") if count[name.with_suffix(".png")] == 1 else name.with_name(f"{name.name}.png")
        for name in names
    ]


def _refuse_collisions(files: Iterable[ImageFile]) -> None:
    groups: dict[PurePath, list[str]] = {}
    for file in files:
        groups.setdefault(file.result, []).append(str(file.path))
    doubles = [f"  {result}: {', '.join(paths)}" for result, paths in groups.items() if len(paths) > 1]
    if doubles:
        raise UserError(
            "Several images would write the same result. Name their common folder instead, or run them apart:\n"
            + "\n".join(doubles)
        )
