"""One view of a dataset's raw files, whether in folders or still in the downloaded zip files."""

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from datasets import foreign_text
from datasets.archives import Archives
from datasets.audit import BadFileError, Kind, Problem
from datasets.workspace_mark import is_workspace

SHEET = "segline.png"
"""Name of the contact sheet that `segline init` draws beside a layout in the raw folder."""

JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini", "Icon\r", SHEET})
"""Files of operating systems, and our own. They are ignored, as are all names that begin with a dot."""

WILDCARDS = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
"""{wildcard of a pattern: its regular expression}."""


class Part(NamedTuple):
    """The bytes of a file that describe one image: all of them, or those of a JSON object among many.

    Attributes:
        file: Name in the raw folder.
        start: Position of the first byte.
        length: Number of bytes; None: to the end.
    """

    file: str
    start: int = 0
    length: int | None = None


class RawFolder:
    """A folder and the zip files in it, as if they were extracted there. Nothing is extracted or copied.

    Names are relative to the folder, with "/" between their parts. A file on disk takes precedence over one in a zip.
    Files whose names are not UTF-8, which no record and no JSON can hold, or hold what cannot be seen, such as line
    ends and control characters, are left out and are among `problems`.
    Workspaces in the folder are ignored. A RawFolder is picklable: each worker opens the zip files itself.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._unnameable: set[str] = set()
        self._kept = ("", b"")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_unnameable": self._unnameable, "_kept": ("", b"")}

    def files(self, pattern: str) -> list[str]:
        """Return the names of the matching files, sorted. `*` and `?` match within a part, `**/` any number of folders.

        Dangling links are included; reading them fails.
        """
        wanted = re.compile(to_regex(pattern), re.DOTALL)  # a name may hold a line end
        parts = pattern.split("/")
        fixed = next(index for index, part in enumerate(parts) if index == len(parts) - 1 or set(part) & set("*?"))
        depth = None if "**" in parts else len(parts) - fixed
        names = {name for name in _walk(self.path, "/".join(parts[:fixed]), depth) if wanted.fullmatch(name)}
        unnameable = {name for name in names if foreign_text.fault(name)}
        self._unnameable |= unnameable
        return sorted((names - unnameable).union(name for name in self._zipped.members if wanted.fullmatch(name)))

    def has(self, name: str) -> bool:
        """Whether a file or a folder of this name exists."""
        return name in self._zipped.members or name in self._zipped.folders or os.path.lexists(self.path / name)

    def folders(self, parent: str = "") -> list[str]:
        """Return the names of the folders in the folder `parent`, sorted, without hidden ones and workspaces."""
        folder = self.path / parent
        on_disk = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
        names = {path.name for path in on_disk if not is_workspace(path)}
        start = f"{parent}/" if parent else ""
        zipped = {name.removeprefix(start) for name in self._zipped.folders if name.startswith(start)}
        names |= {name for name in zipped if "/" not in name}
        return [f"{start}{name}" for name in sorted(names - {""}) if not _is_hidden(name)]

    def folder_with(self, *names: str) -> str | None:
        """Find the folder that holds any of these files and folders: this one, or one up to two levels below.

        Returns:
            The prefix of these names: "" or, say, "CamVid/". None where there is no such folder.
        """
        level = [""]
        for _ in range(3):
            for folder in level:
                start = f"{folder}/" if folder else ""
                if any(self.has(start + name) for name in names):
                    return start
            level = [inner for folder in level for inner in self.folders(folder)]
        return None

    def read(self, name: str, most: int | None = None) -> bytes:
        """Read a file.

        Args:
            name: The file.
            most: Limit of its size, bytes; a larger file is not read. None: that of `archives` for a file in a zip.

        Raises:
            BadFileError: It is missing, unreadable, empty, too large, or outside the folder.
        """
        if most is not None and (size := self.size(name)) > most:
            raise BadFileError(Kind.TOO_LARGE, f"{size} bytes, more than any image within that limit has")
        try:
            content = self._zipped.read(name, most) if self._is_zipped(name) else self._checked(name).read_bytes()
        except OSError as error:
            raise BadFileError(Kind.UNREADABLE, error.strerror or str(error)) from error
        if not content:
            raise BadFileError(Kind.EMPTY)
        return content

    def read_parts(self, parts: Iterable[Part], most: int | None = None) -> list[tuple[str, bytes]]:
        """Read (name, bytes) of each part, in their order; no file on disk is read as a whole for a part of it.

        Raises BadFileError as `read` does.
        """
        contents = []
        for name, group in itertools.groupby(parts, key=lambda part: part.file):
            wanted = list(group)
            if wanted == [(name, 0, None)]:
                contents.append((name, self.read(name, most)))
            elif self._is_zipped(name):
                content = self._member(name)
                contents += [(name, content[start : start + (length or len(content))]) for _, start, length in wanted]
            else:
                contents += [(name, content) for content in self._read_slices(name, wanted)]
        return contents

    def lines(self, name: str) -> list[str]:
        """Read the non-empty lines of a UTF-8 text file, stripped, or raise BadFileError."""
        try:
            text = self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadFileError(Kind.UNREADABLE, f"no UTF-8 text: {error.reason} at byte {error.start}") from error
        return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]

    def size(self, name: str) -> int:
        """Return the size in bytes; 0 for a file that cannot be read, which the audit reports later."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return self._zipped.members[name][1].file_size if name in self._zipped.members else 0

    def checksum(self, name: str) -> str | None:
        """Return the CRC-32 and size of a file in a zip, as a digest of its contents; None for a file on disk."""
        if not self._is_zipped(name):
            return None
        member = self._zipped.members[name][1]
        return f"crc32:{member.CRC:08x}:{member.file_size}"

    @property
    def problems(self) -> list[Problem]:
        """Members of zip files that are left out, and the files that `files` left out for their names."""
        unnameable = (Problem(Kind.NAME, "", *_described(name)) for name in sorted(self._unnameable))
        return [*self._zipped.problems(), *unnameable]

    def listing(self) -> list[str]:
        """Return the names at the top of the folder, sorted; names of folders end in "/"."""
        return sorted(f"{path.name}/" if path.is_dir() else path.name for path in self.path.iterdir())

    def _is_zipped(self, name: str) -> bool:
        return name in self._zipped.members and not os.path.lexists(self.path / name)

    def _read_slices(self, name: str, parts: Iterable[Part]) -> list[bytes]:
        try:
            with self._checked(name).open("rb") as file:
                return [os.pread(file.fileno(), length or 2**31, start) for _, start, length in parts]
        except OSError as error:
            raise BadFileError(Kind.UNREADABLE, error.strerror or str(error)) from error

    def _member(self, name: str) -> bytes:
        """Read a file in a zip; the last one is kept, as its parts are read one image after the other."""
        if self._kept[0] != name:
            self._kept = (name, self.read(name))
        return self._kept[1]

    def _checked(self, name: str) -> Path:
        """Return the path of a file on disk; raise BadFileError if it is outside the folder or no regular file."""
        path = self.path / name
        target = os.path.realpath(path)
        if not target.startswith(self._root + os.sep):
            raise BadFileError(Kind.OUTSIDE, f"it leads to {target}")
        if path.is_symlink() and not path.exists():
            raise BadFileError(Kind.UNREADABLE, f"a link to {path.readlink()}, which is not there")
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe might block forever
            raise BadFileError(Kind.UNREADABLE, "no regular file")
        return path

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.path)

    @cached_property
    def _zipped(self) -> Archives:
        return Archives(self.path, _is_hidden)


def _walk(root: Path, folder: str, depth: int | None) -> Iterator[str]:
    """Yield the names of all files below a folder, at most `depth` levels. Links to folders are followed, loops not."""
    above = {os.path.realpath(root / folder)}
    yield from _walk_on(root / folder, f"{folder}/" if folder else "", depth, above)


def _walk_on(path: Path, start: str, depth: int | None, above: set[str]) -> Iterator[str]:
    if not path.is_dir() or (start and is_workspace(path)):
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if _is_hidden(entry.name):
                continue
            if not entry.is_dir():
                yield start + entry.name
            elif depth is None or depth > 1:
                target = os.path.realpath(entry.path)
                if target not in above:
                    deeper = None if depth is None else depth - 1
                    yield from _walk_on(Path(entry.path), f"{start}{entry.name}/", deeper, {*above, target})


def has_too_many_wildcards(pattern: str) -> bool:
    """Whether a pattern has over 2 of `*` in a part of a path or 3 in all: time grows with the names' length^number."""
    counts = [len(re.findall(r"\*+", part)) for part in pattern.split("/")]
    return max(counts) > 2 or sum(counts) > 3


def to_regex(pattern: str, **placeholders: str) -> str:
    """Return the regular expression of a pattern.

    Args:
        pattern: `*` and `?` match within a part of a path, `**/` any number of folders.
        placeholders: {name: regular expression of `{name}`}, a named group. A repeated one must match the same text.
    """
    regex, seen = "", set()
    for part in re.split(r"(\*\*/|\*|\?|\{\w+\})", pattern):
        name = part[1:-1]
        if part.startswith("{") and name in placeholders:
            regex += f"(?P={name})" if name in seen else f"(?P<{name}>{placeholders[name]})"
            seen.add(name)
        else:
            regex += WILDCARDS.get(part, re.escape(part))
    return regex


def _is_hidden(name: str) -> bool:
    return any(part in JUNK or part.startswith(".") for part in name.split("/"))


def _described(name: str) -> tuple[str, str, str]:
    """Return the name as it can be shown, no id, and what is wrong with it."""
    shown = foreign_text.escape(os.fsencode(name).decode("utf-8", "backslashreplace"))  # bytes that are not UTF-8
    return shown, "", "its name is not UTF-8" if re.search("[\ud800-\udfff]", name) else foreign_text.fault(name) or ""
