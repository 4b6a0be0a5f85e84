"""A folder that is a link out of the raw folder: said once, not once for each file behind it."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from datasets.audit import Kind, Problem
from datasets.pairs import Split

ADVICE = "Links out of the folder are not followed: put the files in their place (cp -rL)."


def folded(root: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Put one problem, which names the link, in place of those of all files behind it.

    Args:
        root: The raw folder.
        problems: What was found, a file each.
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


def behind_links(root: Path, found: Mapping[str, Split]) -> list[Problem]:
    """Give a problem for each pair that lies behind such a link, by names alone."""
    links = Links(root)
    return [
        Problem(Kind.OUTSIDE, split, file, pair.id)
        for split, of_split in found.items()
        for pair in of_split.pairs
        for file in dict.fromkeys((pair.image, pair.mask))  # they may be one
        if file and links.above(file)
    ]


class Links:
    """Knows which folders below `root` lead out of it. Each folder is looked at once."""

    def __init__(self, root: Path) -> None:
        self._root, self._target = root, os.path.realpath(root)
        self._leads_out: dict[str, bool] = {}

    def above(self, file: str) -> str | None:
        """Give the topmost folder above a file that is a link out of the root; None where there is none."""
        folders = [str(folder) for folder in PurePosixPath(file).parents][-2::-1]  # the first is "."
        return next((folder for folder in folders if self._out(folder)), None)

    def _out(self, folder: str) -> bool:
        if folder not in self._leads_out:
            path = self._root / folder
            out = not os.path.realpath(path).startswith(self._target + os.sep)
            self._leads_out[folder] = path.is_symlink() and out
        return self._leads_out[folder]
