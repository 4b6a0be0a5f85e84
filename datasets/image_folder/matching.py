"""Match the names of files with the patterns of a layout: one matcher for `segline init` and for ingest."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from datasets.raw import RawFolder, to_regex

# The number of a further mask is that of a_mask_1, a_mask1 and a_mask (1); right after an id it must be separated.
PLACEHOLDERS = {"id": ".+", "split": "[^/]+", "group": "[^/]+", "number": r"[-_ ]?\(?\d+\)?",
                "separated": r"[-_ ]\(?\d+\)?"}  # fmt: skip


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


def match_files(raw: RawFolder, patterns: Iterable[str], skip: Collection[str] = ()) -> Sequence[Matched]:
    """Return the files that match any of the patterns, sorted by name, without those to `skip`.

    Names are compared in Unicode's composed form; suffixes may be in capitals.
    """
    matched: dict[str, Matched] = {}
    for pattern in map(_composed, patterns):
        wanted = _to_regex(pattern)
        for file in _candidates(raw, pattern):
            if file not in skip and file not in matched and (match := wanted.fullmatch(_composed(file))):
                values = defaultdict(str, match.groupdict())
                matched[file] = Matched(file, values["split"], values["id"], values["group"], values["id"])
    return [matched[file] for file in sorted(matched)]


def match_numbered(raw: RawFolder, patterns: Iterable[str]) -> Sequence[Matched]:
    """Return the files whose names are those of masks with a number: a_mask_1 for `{id}_mask`, with the id a."""
    numbered = []
    for stem, dot, suffix in (pattern.rpartition(".") for pattern in patterns):
        number = "{separated}" if stem.endswith("}") else "{number}"
        numbered += [f"{stem}{number}{dot}{suffix}"] if dot else []
    return match_files(raw, numbered)


def values_of(file: str, patterns: Iterable[str]) -> list[dict[str, str]]:
    """Return {placeholder: what it stands for in the name of a file} of each pattern that matches it."""
    matches = (_to_regex(_composed(pattern)).fullmatch(_composed(file)) for pattern in patterns)
    return [match.groupdict() for match in matches if match]


@lru_cache(maxsize=256)
def _to_regex(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, in which the suffix may be in capitals, and a name hold line ends."""
    stem, dot, suffix = pattern.rpartition(".")
    if not re.fullmatch(r"\w+", suffix):
        stem, dot, suffix = pattern, "", ""
    return re.compile(f"{to_regex(stem, **PLACEHOLDERS)}(?i:{re.escape(dot + suffix)})", re.DOTALL)


def _candidates(raw: RawFolder, pattern: str) -> list[str]:
    """Return the files in the folder that a pattern names, or all, as the folder's name may be encoded differently."""
    folder = re.split(r"[{*?]", pattern)[0].rpartition("/")[0]
    return raw.files(f"{folder}/**/*" if folder and raw.has(folder) else "**/*")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
