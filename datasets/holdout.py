"""Groups that are left out of train and make up val instead: how good is a model on a drive it has never seen."""

from collections.abc import Mapping, Sequence

from datasets.errors import DatasetError
from datasets.pairs import Split

TRAIN, VAL = "train", "val"


def hold_out(found: Mapping[str, Split], groups: Sequence[str]) -> dict[str, Split]:
    """Leave groups out of train; val becomes all that train and val have of them.

    What val has of other groups serves neither: it would flatter, as train holds its neighbours. Other splits stay.

    Args:
        found: The splits, as they are published.
        groups: Names of groups of train. None: nothing changes.

    Raises:
        DatasetError: Train has no such group, or nothing else.
    """
    if not groups:
        return dict(found)
    train, val = (found.get(name, Split(())) for name in (TRAIN, VAL))
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
    return {name: changed.get(name, split) for name, split in {**found, **changed}.items()}
