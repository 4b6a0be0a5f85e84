"""What a `segline predict` that was stopped has done already: results of the same model, with the same settings."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import digest
from pipeline.export import facts

FILE = ".segline-predict.json"
"""In the folder of results: the model and the settings they were made with, and since when."""

PARTS = ("saved_model.pb", "variables/variables.index", str(facts.FILE))
"""Files that tell one model from another; the index holds a checksum of every weight."""


class Progress:
    """Tells which results need not be made again.

    Args:
        out: Folder of the results.
        model: Folder of the SavedModel.
        settings: Whatever else the results depend on, as plain values.
        dry_run: Do not note that results are made with these settings from now on.
    """

    def __init__(self, out: Path, model: Path, settings: Mapping[str, Any], *, dry_run: bool = False) -> None:
        contents = hashlib.sha256(b"".join((model / part).read_bytes() for part in PARTS)).hexdigest()
        made_with = {"model": contents, "settings": json.loads(json.dumps(settings))}
        found = _read(out / FILE)
        if any(found.get(key) != value for key, value in made_with.items()):
            found = {**made_with, "since": time.time()}
            if not dry_run:
                digest.write_atomically(out / FILE, json.dumps(found, indent=2))
        self._since: float = found["since"]

    def has(self, source: Path, results: list[Path]) -> bool:
        """Whether all results of a file are there, made with these settings and after the file's last change."""
        try:
            newest = max(self._since, source.stat().st_mtime)
            return all(result.stat().st_mtime >= newest for result in results)
        except OSError:
            return False


def _read(path: Path) -> dict[str, Any]:
    """What the file holds; nothing where it is not there or is not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("since"), float) else {}
