"""All places from which weights come. A new one is a file with a SOURCE, and an entry here."""

import difflib

from pipeline.errors import UserError
from pipeline.host import hub_downloads, keras_downloads, weight_packages
from pipeline.host.weight_offer import Offer, Source

SOURCES = (weight_packages.SOURCE, keras_downloads.SOURCE, hub_downloads.SOURCE)
"""In the order in which `segline weights` lists them."""


def lines() -> list[str]:
    """Return the table of all weights, each line of at most 80 columns."""
    table = [_row("backbone", "weights", "top-1", "MB", "licence", "here")]
    for source in SOURCES:
        table += ["", source.title]
        table += [
            _row(
                offer.backbone,
                offer.weights,
                f"{offer.top1:.1f}" if offer.top1 else "-",
                str(offer.megabytes),
                offer.licence,
                "yes" if offer.is_here else "no",
            )
            for offer in source.offers()
        ]
        table += [source.note] if source.note else []
    return table


def find(name: str) -> tuple[Source, Offer]:
    """Return the weights that a name means, and where they come from.

    Raises:
        UserError: There are none of this name.
    """
    known = {alias: (source, offer) for source in SOURCES for offer in source.offers() for alias in offer.names}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    first = ", ".join(offer.names[0] for source in SOURCES for offer in source.offers())
    raise UserError(f"There are no weights {name!r} to fetch.{guess} There are: {first}.")


def _row(backbone: str, weights: str, top1: str, megabytes: str, licence: str, here: str) -> str:
    network = f"{backbone:<18}  {weights}"  # the name of a whole network fills both columns
    return f"{network:<38}  {top1:>5}  {megabytes:>3}  {licence:<22}  {here}".rstrip()
