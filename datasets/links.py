"""Symbolic links out of the raw folder: reported once per linked folder instead of once per file behind it."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from datasets.audit import Kind, Problem
from datasets.pairs import Split

ADVICE = "Links out of the folder are not followed: put the files in their place (cp -rL)."


def fold(root: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Replace the problems of all files behind a link by a single problem that names the link.

    Args:
        root: The raw folder.
        problems: One problem per file.
    """
    links, kept = Links(root), []
    behind: Counter[str] = Counter()
    for problem in problems:
        link = links.above(problem.file) if problem.kind is Kind.OUTSIDE else None
        if link is None:
            kept.append(problem)
        else:
            behind[link] += 1
    for link, files in behind.items():
        detail = f"a link to {os.path.realpath(root / link)}; behind it {files} file{'s' * (files > 1)}"
        kept.append(Problem(Kind.OUTSIDE, "", f"{link}/", "", detail))
    return kept


def find(root: Path, splits: Mapping[str, Split]) -> list[Problem]:
    """Return a problem for each file of a pair that is behind such a link; no file is opened."""
    links = Links(root)
    return [
        Problem(Kind.OUTSIDE, name, file, pair.id)
        for name, split in splits.items()
        for pair in split.pairs
        for file in pair.files
        if links.above(file)
    ]


class Links:
    """The folders below `root` that are links out of it. Each folder is checked once."""

    def __init__(self, root: Path) -> None:
        self._root, self._target = root, os.path.realpath(root)
        self._leads_out: dict[str, bool] = {}

    def above(self, file: str) -> str | None:
        """Return the topmost folder above `file` that is a link out of the root; None where there is none."""
        folders = [str(folder) for folder in PurePosixPath(file).parents][-2::-1]  # the first is "."
        return next((folder for folder in folders if self._is_link_out(folder)), None)

    def _is_link_out(self, folder: str) -> bool:
        if folder not in self._leads_out:
            path = self._root / folder
            outside = not os.path.realpath(path).startswith(self._target + os.sep)
            self._leads_out[folder] = path.is_symlink() and outside
        return self._leads_out[folder]
