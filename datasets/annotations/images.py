"""Find the image file that a name in an annotation file means."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote


class Images:
    """The image files of the raw folder, by name.

    Args:
        files: Their names in the raw folder.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for file in files:
            self._by_name[_normal(file).rpartition("/")[2]].append(file)

    def match(self, names: Sequence[str], near: str) -> list[list[str]]:
        """Return the files that each name may mean: one, none, or several that fit equally well.

        A name may have folders that are not there, and may lack those that are: files whose path ends with the whole
        name come first, then those of the same last part that no other name means. Of several the nearest to the
        annotation file counts.

        Args:
            names: Names as the annotation file has them.
            near: The annotation file's own name.
        """
        wanted = [_normal(name) for name in names]
        files = [_nearest([file for file in self._of(name) if _ends_with(file, name)], near) for name in wanted]
        taken = {fitting[0] for fitting in files if len(fitting) == 1}
        for index, name in enumerate(wanted):
            if len(files[index]) != 1:
                files[index] = _nearest([file for file in self._of(name) if file not in taken], near)
        return files

    def _of(self, name: str) -> list[str]:
        return self._by_name.get(name.rpartition("/")[2], [])


def _nearest(files: list[str], near: str) -> list[str]:
    shared = [_shared_folders(file, near) for file in files] if len(files) > 1 else [0] * len(files)
    return [file for file, number in zip(files, shared, strict=True) if number == max(shared)]


def _normal(name: str) -> str:
    """Write a name as paths are: "/" between its parts, Unicode's composed form, no leading "./"."""
    return unicodedata.normalize("NFC", name.replace("\\", "/")).removeprefix("./").lstrip("/")


def _ends_with(file: str, name: str) -> bool:
    normal = _normal(file)
    return normal == name or normal.endswith(f"/{name}")


def _shared_folders(file: str, other: str) -> int:
    """Number of folders that two files share, from the top, plus one for a folder that the other's name mentions."""
    folders, others = PurePosixPath(file).parent.parts, PurePosixPath(other).parent.parts
    shared = 0
    while shared < min(len(folders), len(others)) and folders[shared] == others[shared]:
        shared += 1
    return 2 * shared + any(
        len(folder) > 2 and folder.lower() in PurePosixPath(other).stem.lower() for folder in folders
    )


def plain_name(address: str) -> str:
    """Return the path of an address: without its host, its query and its %-escapes."""
    path = address.split("://", 1)[-1].partition("/")[2] if "://" in address else address
    if "?d=" in path:  # Label Studio's local files: /data/local-files/?d=folder/a.jpg
        return unquote(path.partition("?d=")[2])
    return unquote(path.partition("?")[0])
