"""Files beside the records, such as instance masks: there for all images or for none, as evaluation needs them all."""

from collections.abc import Sequence

from datasets.audit import join_names
from datasets.errors import DatasetError
from datasets.raw import RawFolder


def require_all_or_none(raw: RawFolder, missing: Sequence[str], *, of: int, without: str) -> None:
    """Raise DatasetError for an incomplete set of files, before training rather than at evaluation.

    Args:
        raw: The raw folder.
        missing: Names of the missing files.
        of: Number of files in the complete set.
        without: A sentence: how to do without all of them, and what is lost.

    Raises:
        DatasetError: Some files are missing, but not all; the missing ones are named.
    """
    if 0 < len(missing) < of:
        verb, object_ = ("is", "it") if len(missing) == 1 else ("are", "them")
        raise DatasetError(
            f"In {raw.path}: {len(missing)} of {of} files that evaluation reads {verb} missing: "
            f"{join_names(missing)}.\nPut {object_} there. {without}"
        )
