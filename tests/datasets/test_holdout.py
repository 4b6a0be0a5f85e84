"""Held-out groups: none of their images stays in train, val holds only them, and all else is unchanged."""

from pathlib import Path

import pytest

from datasets.camvid.camvid_dataset_builder import Builder
from datasets.errors import DatasetError
from datasets.holdout import hold_out
from datasets.pairs import Pair, Split
from datasets.raw import RawFolder


def split(*names: str) -> Split:
    """Pairs whose group is the first letter of their name."""
    return Split(tuple(Pair(name, name[0], f"{name}.jpg", f"{name}.png") for name in names))


SPLITS = {"train": split("a1", "a2", "b1", "c1"), "val": split("a3", "b2"), "test": split("d1")}


def ids(splits: dict[str, Split]) -> dict[str, list[str]]:
    return {name: [pair.id for pair in split.pairs] for name, split in splits.items()}


def test_a_group_moves_from_train_to_val_and_val_holds_only_that_group() -> None:
    assert ids(hold_out(SPLITS, ["a"])) == {"train": ["b1", "c1"], "val": ["a1", "a2", "a3"], "test": ["d1"]}
    assert ids(hold_out(SPLITS, ["b", "c"])) == {"train": ["a1", "a2"], "val": ["b1", "c1", "b2"], "test": ["d1"]}


def test_a_dataset_without_val_gets_one() -> None:
    assert ids(hold_out({"train": SPLITS["train"]}, ["c"])) == {"train": ["a1", "a2", "b1"], "val": ["c1"]}


def test_without_a_group_nothing_changes() -> None:
    assert hold_out(SPLITS, []) == SPLITS


@pytest.mark.parametrize(
    ("groups", "message"),
    [(["a", "d", "e"], r"no group d, e\. Its groups: a, b, c"), (["a", "b", "c"], "nothing is left to train on")],
)
def test_groups_that_cannot_be_held_out_are_an_error(groups: list[str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        hold_out(SPLITS, groups)


def test_a_builder_checks_the_published_sizes_before_it_holds_out(camvid_raw: Path, tmp_path: Path) -> None:
    plain = Builder(data_dir=tmp_path, allow_partial=True)
    groups = sorted({pair.group for pair in plain.find(RawFolder(camvid_raw))["train"].pairs})
    held = Builder(data_dir=tmp_path, allow_partial=True, holdout_groups=groups[:1]).survey(camvid_raw)
    assert held["train"] < plain.survey(camvid_raw)["train"]
    with pytest.raises(DatasetError, match="published"):
        Builder(data_dir=tmp_path, holdout_groups=groups[:1]).survey(camvid_raw)
