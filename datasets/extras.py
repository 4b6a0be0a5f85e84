"""Files that lie beside the records: of every image or of none, as evaluation needs them of each that it measures."""

from collections.abc import Sequence

from datasets.audit import listed
from datasets.errors import DatasetError
from datasets.raw import RawFolder


def require_all_or_none(raw: RawFolder, missing: Sequence[str], *, of: int, without: str) -> None:
    """Refuse a set of files that is there in part: after a training would be late to learn it.

    Args:
        raw: The raw folder.
        missing: Names of the files that are not there.
        of: How many there would be.
        without: What to do to go without them all, and what that costs: a sentence.

    Raises:
        DatasetError: Some are missing and some are not; they are named.
    """
    if 0 < len(missing) < of:
        verb = "is" if len(missing) == 1 else "are"
        raise DatasetError(
            f"In {raw.path}: {len(missing)} of {of} files that evaluation reads {verb} missing: {listed(missing)}.\n"
            f"Put {'it' if len(missing) == 1 else 'them'} there. {without}"
        )
