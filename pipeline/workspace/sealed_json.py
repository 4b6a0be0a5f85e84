"""JSON files that carry a digest of themselves, so that damage to them is noticed where they are read."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

OWN = "digest_of_this"
"""Key of the digest of all other keys: SHA-256 of their canonical JSON. Older files lack it."""


def text(content: Mapping[str, Any], indent: int | None = None) -> str:
    """Return the text of a file: its content as JSON, with the digest of it."""
    return json.dumps({**content, OWN: _digest(content)}, indent=indent)


def parse(data: bytes) -> dict[str, Any]:
    """Return the content of a file, with OWN where the file has it.

    Raises:
        ValueError: The bytes are no JSON object, or not those that were written; the text says which.
    """
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it is no JSON" if data else "it is empty") from None
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    if OWN in content and content[OWN] != _digest(content):
        raise ValueError("it is not what was written: its digest of itself differs")
    return content


def require_kinds(content: Mapping[str, Any], needed: Mapping[str, type], optional: Mapping[str, type]) -> None:
    """Raise ValueError unless a content has every needed key and no key but these, all with values of their types."""
    allowed = {**needed, **optional, OWN: str}
    problems = [f"{key!r} is missing" for key in needed if key not in content]
    problems += [f"{key!r} is not known" for key in content if key not in allowed]
    problems += [f"{key!r} is no {kind.__name__}" for key, kind in allowed.items() if not _fits(content, key, kind)]
    if problems:
        raise ValueError(f"it has another shape: {', '.join(problems)}")


def _fits(content: Mapping[str, Any], key: str, kind: type) -> bool:
    return key not in content or (isinstance(content[key], kind) and not isinstance(content[key], bool))


def _digest(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != OWN}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
