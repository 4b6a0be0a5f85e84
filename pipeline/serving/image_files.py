"""From what a user names to a list of image files and the names of their results."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePath

from pipeline.errors import UserError
from pipeline.serving.prediction_progress import FILE

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
"""What counts as an image inside a folder; a file that is named itself is taken whatever its name."""

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"})
"""What counts as a video, in a folder or named itself."""

LISTED = 10


@dataclass(frozen=True)
class ImageFile:
    """An image and where its results go.

    Attributes:
        path: The file.
        result: Relative path of a result, ending in .png.
        named: Whether the user named the file itself, rather than a folder around it.
    """

    path: Path
    result: PurePath
    named: bool

    @property
    def is_video(self) -> bool:
        """Whether it is read frame by frame."""
        return self.path.suffix.lower() in VIDEOS


def find(paths: Sequence[Path], out: Path, written: re.Pattern[str]) -> list[ImageFile]:
    """List images and videos, and those in folders at any depth, in the order given and by name within a folder.

    A file's results bear its name. Those of a folder keep the path below it; of several folders, each has its own name
    in front. `1.png` and `1.jpg` side by side become `1.png.png` and `1.jpg.png`.

    Args:
        paths: Files and folders.
        out: Where results go; it may hold the images too.
        written: Paths below `out` of what `segline predict` writes; from before, it is not taken for an image.

    Raises:
        UserError: A path is not there, a folder holds no image, or an image lies where results go.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UserError(f"No such file or folder: {', '.join(map(repr, missing))} (looked from {Path.cwd()}).")
    several = sum(path.is_dir() for path in paths) > 1
    found: list[tuple[Path, PurePath]] = []
    empty = []
    for path in paths:
        if not path.is_dir():
            found.append((path, PurePath(path.name)))
            continue
        inside = _images(path, out, written)
        front = PurePath(path.resolve().name) if several else PurePath()
        found += [(file, front / file.relative_to(path)) for file in inside]
        if not inside:
            empty.append(str(path))
    if empty:
        kinds = ", ".join(sorted(SUFFIXES))
        raise UserError(f"No image ({kinds}) in: {', '.join(map(repr, empty))}. Results in --out do not count.")
    _refuse(_where_results_go((path for path in paths if not path.is_dir()), out, written), out)
    names = _results([name for _, name in found])
    named = set(paths)
    return [ImageFile(path, name, path in named) for (path, _), name in zip(found, names, strict=True)]


def refuse_collisions(results: Iterable[tuple[Path, ImageFile]]) -> None:
    """Raise UserError where two images would write one file.

    Args:
        results: A result of each image, the same of all.
    """
    groups: dict[Path, list[Path]] = {}
    for result, file in results:
        groups.setdefault(result, []).append(file.path)
    doubles = [f"{result}: {', '.join(map(str, paths))}" for result, paths in groups.items() if len(paths) > 1]
    if doubles:
        raise UserError(
            "Several images would write the same result. Run them apart, each with an --out of its own, or (not for "
            "--format) name their common folder instead:\n" + _listed(doubles)
        )


def partial(result: Path) -> Path:
    """Where a result is written before it is whole: beside it, under a short name, as its own may be of full length."""
    return result.with_name(f".partial-{sha256(os.fsencode(result.name)).hexdigest()[:16]}{result.suffix}")


def _images(folder: Path, out: Path, written: re.Pattern[str]) -> list[Path]:
    """Images and videos below a folder, without earlier results."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES | VIDEOS and path.is_file())
    results = _where_results_go(files, out, written)
    if not (out / FILE).is_file():
        _refuse(results, out)  # as nothing was written there yet, they are the user's own
    return [path for path in files if path not in results]


def _where_results_go(files: Iterable[Path], out: Path, written: re.Pattern[str]) -> set[Path]:
    root = out.resolve()
    places = ((path, path.resolve()) for path in files)
    return {
        path
        for path, place in places
        if place.is_relative_to(root) and written.fullmatch(place.relative_to(root).as_posix())
    }


def _refuse(images: Collection[Path], out: Path) -> None:
    if images:
        raise UserError(
            f"--out {str(out)!r}: results would go among images. Choose another folder. There are:\n"
            + _listed([str(path) for path in images])
        )


def _listed(lines: Collection[str]) -> str:
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "\n".join(f"  {line}" for line in [*sorted(lines)[:LISTED], *more])


def _results(names: Sequence[PurePath]) -> list[PurePath]:
    """Give each result the image's name with .png, or after the image's own suffix where two would be the same."""
    count = Counter(name.with_suffix(".png") for name in names)
    return [
        name.with_suffix(".png") if count[name.with_suffix(".png")] == 1 else name.with_name(f"{name.name}.png")
        for name in names
    ]
