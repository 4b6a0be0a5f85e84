"""A seal for tests that make an artifact by hand."""

from pathlib import Path
from typing import Any

from pipeline.workspace import digest, integrity
from pipeline.workspace.seal import SEAL, write_seal

EMPTY = {"settings": {}, "inputs": {}, "code": {}, "libraries": {}, "version": 1}
"""A fingerprint of nothing."""


def seal(folder: Path, **facts: Any) -> str:
    """Seal the files of artifacts/<step>/<name>; return their digest. `facts` replace parts of the seal."""
    (folder / SEAL).unlink(missing_ok=True)
    files = digest.manifest(folder)
    given = {"step": folder.parent.name, "run": folder.name, "execution": 1, "made": 1.0, "code": "git 0"}
    contents = {"digest": digest.digest(files), "files": integrity.contents_of(files), "fingerprint": EMPTY}
    write_seal(folder, {**given, **contents, **facts})
    return contents["digest"]
