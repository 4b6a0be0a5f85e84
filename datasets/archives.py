"""The zip files of a raw folder: which files they hold, and the bytes of one. Nothing is extracted to the disk."""

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from datasets import foreign_text
from datasets.audit import BadFileError, Kind, Problem
from datasets.errors import DatasetError

MEMBER_BYTES = 2**30
"""Of a file in a zip that is read as a whole, where no other limit is given: a zip of a megabyte can hold it."""

METHODS = {zipfile.ZIP_STORED: "none", zipfile.ZIP_DEFLATED: "deflate"}
"""Compressions that are read: zipfile decompresses the others in one go, however large the result is."""


class Archives:
    """The zip files in a folder, as one view: {name: member}, of equal names the first.

    Args:
        folder: The folder.
        is_hidden: Tells names that are passed over.

    Raises:
        DatasetError: A zip file is damaged.
    """

    def __init__(self, folder: Path, is_hidden: Callable[[str], bool]) -> None:
        paths = sorted(path for path in folder.glob("*.zip") if path.is_file() and not is_hidden(path.name))
        self._is_hidden = is_hidden
        self._archives = {path: _open(path) for path in paths}
        self.members: dict[str, tuple[Path, zipfile.ZipInfo]] = {}
        for archive, member in self._all_members():
            name = _normal(member.filename)
            if not (_leads_out(member.filename) or foreign_text.fault(name) or is_hidden(name)):
                self.members.setdefault(name, (archive, member))

    @cached_property
    def folders(self) -> set[str]:
        """The folders that hold the members."""
        return {name[: slash.start()] for name in self.members for slash in re.finditer("/", name)}

    def read(self, name: str, most: int | None) -> bytes:
        """Decompress a member of at most `most` bytes, and compare its checksum.

        Raises:
            BadFileError: It is larger, damaged, encrypted, or compressed in another way than zip files usually are.
        """
        archive, member = self.members[name]
        most = MEMBER_BYTES if most is None else most
        if member.file_size > most:
            detail = f"{archive.name}: {member.file_size} bytes, allowed are {most}; extract it"
            raise BadFileError(Kind.UNREADABLE, detail)
        if member.compress_type not in METHODS:
            allowed = ", ".join(METHODS.values())
            detail = f"{archive.name}: compression method {member.compress_type}; allowed are {allowed}"
            raise BadFileError(Kind.UNREADABLE, detail)
        try:
            with self._archives[archive].open(member) as file:
                return file.read(member.file_size)  # never more, whatever the compressed bytes hold
        except Exception as error:  # the type of zipfile's exception depends on where the damage is
            raise BadFileError(Kind.UNREADABLE, f"{archive.name}: {error or type(error).__name__}") from error

    def problems(self) -> Iterator[Problem]:
        """Yield the members that are left out: names that lead out of the folder, or are no plain text."""
        for archive, member in self._all_members():
            shown = foreign_text.escape(f"{archive.name}: {member.filename}")
            if _leads_out(member.filename):
                yield Problem(Kind.OUTSIDE, "", shown, "", "its name leads out of the folder")
            elif (why := foreign_text.fault(member.filename)) and not self._is_hidden(_normal(member.filename)):
                yield Problem(Kind.NAME, "", shown, "", why)

    def _all_members(self) -> Iterator[tuple[Path, zipfile.ZipInfo]]:
        for path, archive in self._archives.items():
            yield from ((path, member) for member in archive.infolist() if not member.filename.endswith(("/", "\\")))


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # the type of zipfile's exception depends on where the damage is
        raise DatasetError(
            f"{path} cannot be read: {error}. Finish its download, or move it out of the folder."
        ) from None


def _normal(name: str) -> str:
    """Return a member's name without what some programs store: a leading "./", Windows' separator."""
    return posixpath.normpath(name.replace("\\", "/"))


def _leads_out(name: str) -> bool:
    return name.startswith(("/", "\\")) or ":" in name.split("/")[0] or ".." in re.split(r"[/\\]", name)
