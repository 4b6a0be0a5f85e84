"""Match the names of files with the patterns of a layout: one matcher for `segline init` and for ingest."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from datasets.raw import RawFolder, to_regex

NUMBER, SEPARATED = r"[-_ ]?\(?\d+\)?", r"[-_ ]\(?\d+\)?"
"""The number of a further mask, as in a_mask_1, a_mask1 and a_mask (1); right after an id it must be separated."""


@dataclass(frozen=True)
class Matched:
    """A file that matches a pattern.

    Attributes:
        file: Its name in the raw folder.
        part: Value of `{split}`; empty where the pattern has none.
        id: Value of `{id}`, in Unicode's composed form, as macOS and others may encode a name differently.
        group: Value of `{group}`; empty where the pattern has none.
        name: Id of the record, which pairs image and mask: `id`, or group/id where several groups have the same ids.
    """

    file: str
    part: str
    id: str
    group: str
    name: str


def match_files(raw: RawFolder, patterns: Iterable[str], skip: frozenset[str]) -> list[Matched]:
    """Return the files that match any of the patterns, sorted by name, without those to `skip`.

    Names are compared in Unicode's composed form; suffixes may be in capitals.
    """
    matched: dict[str, Matched] = {}
    for pattern in map(_composed, patterns):
        wanted = _to_regex(pattern, id=r".+", split="[^/]+", group="[^/]+")
        for file in _candidates(raw, pattern):
            match = wanted.fullmatch(_composed(file))
            if match and file not in skip and file not in matched:
                parts = match.groupdict()
                matched[file] = Matched(
                    file, parts.get("split") or "", parts["id"], parts.get("group") or "", parts["id"]
                )
    return [matched[file] for file in sorted(matched)]


def match_numbered(raw: RawFolder, patterns: Iterable[str]) -> list[Matched]:
    """Return the files whose names are those of masks with a number: a_mask_1 for `{id}_mask`, with the id a."""
    matched: dict[str, Matched] = {}
    for pattern in map(_composed, patterns):
        stem, dot, suffix = pattern.rpartition(".")
        number = SEPARATED if stem.endswith("}") else NUMBER
        wanted = _to_regex(f"{stem}{{number}}{dot}{suffix}", id=".+", split="[^/]+", group="[^/]+", number=number)
        for file in _candidates(raw, pattern):
            match = wanted.fullmatch(_composed(file))
            if match and dot:
                parts = match.groupdict()
                numbered = Matched(file, parts.get("split") or "", parts["id"], parts.get("group") or "", parts["id"])
                matched.setdefault(file, numbered)
    return [matched[file] for file in sorted(matched)]


def _to_regex(pattern: str, **placeholders: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, in which the suffix may be in capitals, and a name hold line ends."""
    match = re.fullmatch(r"(.*)(\.\w+)", pattern, re.DOTALL)
    stem, suffix = match.groups() if match else (pattern, "")
    return re.compile(f"{to_regex(stem, **placeholders)}(?i:{re.escape(suffix)})", re.DOTALL)


def _candidates(raw: RawFolder, pattern: str) -> list[str]:
    """Return the files in the folder that a pattern names, or all, as the folder's name may be encoded differently."""
    folder = re.split(r"[{*?]", pattern)[0].rpartition("/")[0]
    return raw.files(f"{folder}/**/*" if folder and raw.has(folder) else "**/*")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
