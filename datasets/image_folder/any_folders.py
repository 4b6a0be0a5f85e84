"""Pair folders whose names do not say that they hold images, by their contents: scans/ with masks/, x/ with y/."""

from collections.abc import Sequence

from datasets.image_folder import names, rivals
from datasets.image_folder.families import find_families, inner_families
from datasets.image_folder.names import Match
from datasets.raw import RawFolder


def matches(files: Sequence[str], *, listed: bool = False) -> list[Match]:
    """Return every way to pair the files of a folder of any name with those of another one, the most pairs first.

    Args:
        files: Names of all files.
        listed: Whether lists define the splits; then groups without pairs may stay.
    """
    known = find_families(files)
    inner = [one for family in known if not family.is_mask for one in inner_families(family, known)]
    pairings = [
        names.with_unused(match, known, (images, masks))
        for images in inner
        for masks in (*(one for one in known if one.is_mask), *inner)
        if images is not masks
        for match in names.ways(images, masks, listed=listed)
    ]
    return sorted(pairings, key=lambda match: (not match.is_named, -match.pairs))


def of_contents(raw: RawFolder, pairings: Sequence[Match]) -> list[Match]:
    """Return the matches whose images hold many colours, and whose masks few unless their folder's name says masks."""
    named = [match for match in pairings if match.is_named]
    few = rivals.of_few_colours(raw, pairings, of=lambda match: match.image_examples)
    return [match for match in named or rivals.of_few_colours(raw, pairings) if match not in few]
