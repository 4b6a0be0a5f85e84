"""Group hold-out: whole groups move from train to val, to measure a model on, say, a drive it has never seen."""

from collections.abc import Mapping, Sequence

from datasets.errors import DatasetError
from datasets.pairs import Split

TRAIN, VAL = "train", "val"


def hold_out(splits: Mapping[str, Split], groups: Sequence[str]) -> dict[str, Split]:
    """Move groups from train to val, and drop the other groups from val. Other splits are unchanged.

    The rest of val is dropped because it would be too optimistic: train holds other images of the same groups.

    Args:
        splits: The published splits, by name.
        groups: Names of groups of train; empty: nothing changes.

    Returns:
        The new splits, by name.

    Raises:
        DatasetError: Train has no such group, or no other group.
    """
    if not groups:
        return dict(splits)
    train, val = (splits.get(name, Split(())) for name in (TRAIN, VAL))
    known = sorted({pair.group for pair in train.pairs})
    if unknown := sorted(set(groups) - set(known)):
        raise DatasetError(
            f"data.holdout_groups: train has no group {', '.join(unknown)}. Its groups: {', '.join(known)}."
        )
    if set(known) <= set(groups):
        raise DatasetError(f"data.holdout_groups: nothing is left to train on. All groups: {', '.join(known)}.")
    kept = tuple(pair for pair in train.pairs if pair.group not in groups)
    held = tuple(pair for pair in (*train.pairs, *val.pairs) if pair.group in groups)
    changed = {TRAIN: Split(kept, train.problems), VAL: Split(held, val.problems)}
    return {name: changed.get(name, split) for name, split in {**splits, **changed}.items()}
