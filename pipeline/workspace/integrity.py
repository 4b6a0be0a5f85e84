"""Whether an artifact is still what was published: its files against its seal.

A file is read only if its size or mtime is not that of the last comparison, as after a copy of the workspace: then
once, and it is accepted where its contents are those of the seal. So the check costs a stat for each file.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import SEAL, Seal, damaged, read_seal

MAX_NAMED = 8
"""Damaged files of one artifact that are named; the others are counted."""


def require_intact(workspace: Workspace, artifact: Path, *, contents: bool = False) -> Seal:
    """Compare the files of an artifact with its seal; return the seal.

    Args:
        workspace: Remembers what was compared.
        artifact: artifacts/<step>/<fingerprint>.
        contents: Read every file, whatever its size and mtime.

    Raises:
        DamagedError: The seal, or a file, is damaged or missing, or a file was added.
    """
    seal, memory = read_seal(artifact), workspace.checked(artifact)
    known = {} if contents else digest.recall(memory)
    now = _manifest(artifact, known)
    problems = differences(seal["files"], contents_of(now))
    if problems and known:  # the memory may be wrong: it is a file of the cache
        now = _manifest(artifact, {})
        problems = differences(seal["files"], contents_of(now))
    if problems:
        raise damaged(artifact, ", ".join(problems), seal["step"])
    if now != known:
        digest.keep(memory, now)
    return seal


def remember(workspace: Workspace, artifact: Path, contents: Mapping[str, str]) -> None:
    """Note size and mtime of the files of an artifact, given {file: digest} as they were just read."""
    entries: digest.Manifest = {}
    for name, content in contents.items():
        status = (artifact / name).stat()
        entries[name] = (status.st_size, status.st_mtime_ns, content)
    digest.keep(workspace.checked(artifact), entries)


def differences(recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Name the files that are damaged, missing or added; both mappings are {file: digest}."""
    problems = [
        f"{name} {'is missing' if name not in present else 'is damaged'}"
        for name in recorded
        if present.get(name) != recorded[name]
    ]
    problems += [f"{name} was added" for name in present if name not in recorded]
    more = len(problems) - MAX_NAMED
    return [*problems[:MAX_NAMED], *([f"and {more} more files"] if more > 0 else [])]


def contents_of(files: digest.Manifest) -> dict[str, str]:
    """Return {file: digest} of a manifest."""
    return {name: content for name, (_, _, content) in files.items()}


def _manifest(artifact: Path, known: digest.Manifest) -> digest.Manifest:
    status = (artifact / SEAL).stat()  # given as known, it is not read again
    known = {**known, SEAL: (status.st_size, status.st_mtime_ns, "")}
    files = digest.manifest(artifact, known=known, note_unreadable=True)
    return {name: entry for name, entry in files.items() if name != SEAL}
