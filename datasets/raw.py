"""The raw files of a dataset, in folders or still in the zip files that were downloaded: one view over both."""

import os
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets.audit import BadFileError, Kind, Problem
from datasets.errors import DatasetError
from datasets.workspace_mark import is_workspace

JUNK = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
"""What file managers leave behind. It is passed over, as is every name that begins with a dot."""


class RawFolder:
    """A folder, and the zip files that lie in it, as if they were extracted there. Nothing is extracted or copied.

    Names are relative to the folder, with "/" between their parts. A file on disk stands before one in a zip. It can be
    pickled: a worker opens the zip files again. A file whose name is no UTF-8, which no record and no JSON could hold,
    is not given to anybody; `problems` tells of it. A workspace in the folder is passed over.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._unnameable: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_unnameable": self._unnameable}

    def files(self, pattern: str) -> list[str]:
        """Names of the files that match, sorted. `*` and `?` stay within a part of the name, `**/` is any folders.

        Dangling links are among them: reading them is what fails.
        """
        wanted = re.compile(_expression(pattern))
        parts = pattern.split("/")
        fixed = next(index for index, part in enumerate(parts) if index == len(parts) - 1 or set(part) & set("*?"))
        depth = None if "**" in parts else len(parts) - fixed
        found = {name for name in _walk(self.path, "/".join(parts[:fixed]), depth) if wanted.fullmatch(name)}
        unnameable = {name for name in found if not _is_utf8(name)}
        self._unnameable |= unnameable
        return sorted((found - unnameable).union(name for name in self._members if wanted.fullmatch(name)))

    def has(self, name: str) -> bool:
        """Whether there is a file or a folder of this name."""
        return name in self._members or name in self._folders or os.path.lexists(self.path / name)

    def folders(self, parent: str = "") -> list[str]:
        """Names of the folders in the folder `parent`, sorted; hidden ones and workspaces are left out."""
        place = self.path / parent
        there = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
        found = {path.name for path in there if not is_workspace(path)}
        start = f"{parent}/" if parent else ""
        found |= {
            name[len(start) :] for name in self._folders if name.startswith(start) and "/" not in name[len(start) :]
        }
        return [f"{start}{name}" for name in sorted(found - {""}) if not _hidden(name)]

    def folder_with(self, *names: str) -> str | None:
        """Find the folder that holds any of these files and folders: this one, or one up to two levels below.

        Returns:
            What to put before such a name: "" or, say, "CamVid/". None where nothing of the kind is there.
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
        """Read a file that must be there, lie within the folder and hold something, or raise BadFileError.

        Args:
            name: The file.
            most: Bytes above which it is refused unread.
        """
        if most is not None and (size := self.size(name)) > most:
            raise BadFileError(Kind.TOO_LARGE, f"{size} bytes, which no image of so many pixels has")
        try:
            content = self._read(name)
        except OSError as error:
            raise BadFileError(Kind.UNREADABLE, error.strerror or str(error)) from error
        except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:  # damaged, or encrypted
            raise BadFileError(Kind.UNREADABLE, f"{self._members[name][0].name}: {error}") from error
        if not content:
            raise BadFileError(Kind.EMPTY)
        return content

    def lines(self, name: str) -> list[str]:
        """Read the lines of a text file (UTF-8) that hold something, or raise BadFileError."""
        try:
            text = self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadFileError(Kind.UNREADABLE, f"no UTF-8 text: {error.reason} at byte {error.start}") from error
        return [line.strip() for line in text.splitlines() if line.strip()]

    def size(self, name: str) -> int:
        """Size in bytes; 0 for what cannot be read, of which the audit tells later."""
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return self._members[name][1].file_size if name in self._members else 0

    def checksum(self, name: str) -> str | None:
        """What names the contents of a file that lies in a zip: its CRC-32 and size there. None for one on disk."""
        if name not in self._members or os.path.lexists(self.path / name):
            return None
        member = self._members[name][1]
        return f"crc32:{member.CRC:08x}:{member.file_size}"

    @property
    def problems(self) -> list[Problem]:
        """Members of zip files whose names lead out of the folder, and names met by `files` that are no UTF-8."""
        outside = [
            Problem(Kind.OUTSIDE, "", f"{archive.name}: {member.filename}", "", "its name leads out of the folder")
            for archive, member in self._all_members()
            if _leads_out(member.filename)
        ]
        return outside + [Problem(Kind.NAME, "", _escaped(name), "") for name in sorted(self._unnameable)]

    def listing(self) -> list[str]:
        """Names at the top of the folder, folders with a "/" behind them."""
        return sorted(f"{path.name}/" if path.is_dir() else path.name for path in self.path.iterdir())

    def _read(self, name: str) -> bytes:
        path = self.path / name
        if name in self._members and not os.path.lexists(path):
            archive, member = self._members[name]
            return self._archives[archive].read(member)
        target = os.path.realpath(path)
        if not target.startswith(self._root + os.sep):
            raise BadFileError(Kind.OUTSIDE, f"it leads to {target}")
        if path.is_symlink() and not path.exists():
            raise BadFileError(Kind.UNREADABLE, f"a link to {path.readlink()}, which is not there")
        if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe might never end
            raise BadFileError(Kind.UNREADABLE, "no regular file")
        return path.read_bytes()

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.path)

    @cached_property
    def _archives(self) -> dict[Path, zipfile.ZipFile]:
        paths = sorted(path for path in self.path.glob("*.zip") if path.is_file() and not _hidden(path.name))
        return {path: _open(path) for path in paths}

    @cached_property
    def _members(self) -> dict[str, tuple[Path, zipfile.ZipInfo]]:
        found: dict[str, tuple[Path, zipfile.ZipInfo]] = {}
        for archive, member in self._all_members():
            # What `zip` is given as "./" is stored so, and some programs store Windows' own separator.
            name = posixpath.normpath(member.filename.replace("\\", "/"))
            if not (_leads_out(member.filename) or _hidden(name)):
                found.setdefault(name, (archive, member))
        return found

    @cached_property
    def _folders(self) -> set[str]:
        return {name[: slash.start()] for name in self._members for slash in re.finditer("/", name)}

    def _all_members(self) -> Iterator[tuple[Path, zipfile.ZipInfo]]:
        for path, archive in self._archives.items():
            yield from ((path, member) for member in archive.infolist() if not member.filename.endswith(("/", "\\")))


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read: {error}. Finish its download, or move it out of the folder."
        ) from None


def _walk(root: Path, folder: str, depth: int | None) -> Iterator[str]:
    """Names of all files below a folder, at most `depth` parts deeper. Links to folders are followed, loops are not."""
    above = {os.path.realpath(root / folder)}
    yield from _walk_on(root / folder, f"{folder}/" if folder else "", depth, above)


def _walk_on(path: Path, start: str, depth: int | None, above: set[str]) -> Iterator[str]:
    if not path.is_dir() or (start and is_workspace(path)):
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if _hidden(entry.name):
                continue
            if not entry.is_dir():
                yield start + entry.name
            elif depth is None or depth > 1:
                place = os.path.realpath(entry.path)
                if place not in above:
                    deeper = None if depth is None else depth - 1
                    yield from _walk_on(Path(entry.path), f"{start}{entry.name}/", deeper, {*above, place})


def _expression(pattern: str) -> str:
    """Give the regular expression of a pattern."""
    signs = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*|\?)", pattern))


def _hidden(name: str) -> bool:
    return any(part in JUNK or part.startswith(".") for part in name.split("/"))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(name: str) -> str:
    """Write the bytes that are no UTF-8 as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _leads_out(name: str) -> bool:
    return name.startswith(("/", "\\")) or ":" in name.split("/")[0] or ".." in re.split(r"[/\\]", name)
