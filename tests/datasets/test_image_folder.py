"""The user's own folders: names, splits, groups, layouts with mistakes, and the conversion to records."""

import unicodedata
import unittest
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from datasets import catalog
from datasets.audit import Kind
from datasets.errors import DatasetError
from datasets.image_folder import classes, layout, sample
from datasets.image_folder.image_folder_dataset_builder import Builder
from datasets.raw import RawFolder
from datasets.shard_cache import ShardCache
from datasets.spec import DatasetSpec
from tests.datasets.described_folder import as_layout, described, find, put

# --- the layout ------------------------------------------------------------------------------------------------------


def test_all_mistakes_of_a_layout_are_in_one_message(tmp_path: Path) -> None:
    path = described(
        tmp_path / "a.yaml",
        imges="x",
        masks="/masks/{name}.png",
        mask={"read": "idz"},
        splits={"ratios": {"train": 0.5, "val": 0.4}},
        image={"range": [5, 1]},
    )
    with pytest.raises(DatasetError) as caught:
        layout.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: 5 not right.")
    for words in (
        "imges: there is no such key. Did you mean 'images'? Keys here: images, masks",
        "masks: a pattern is relative and holds {id} once",
        "mask.read: Input should be 'ids', 'threshold', 'colours' or 'mat'. Received: 'idz'.",
        "splits: `ratios` must add up to 1. Received: 0.9.",
        "image.range: must be [low, high] with low < high",
    ):
        assert words in message


@pytest.mark.parametrize("text", ["classes: [1", "homepage: {{ page }}", "a: !!int 0b_", "a: 1\na: 2"])
def test_a_layout_that_is_no_yaml_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "segline.yaml").write_text(text)
    with pytest.raises(DatasetError, match=r"segline\.yaml is no valid YAML: "):
        layout.read(tmp_path / "segline.yaml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": [{"name": "a", "raw": 0}, {"name": "a", "raw": 1}]}, "Twice: a."),
        (
            {"classes": [{"name": "a", "raw": 0}, {"name": "b", "raw": 0}]},
            "stand for one class, or be ignored. Twice: 0",
        ),
        ({"ignore": [255]}, "Twice: 255"),
        ({"classes": [{"name": "a", "raw": 0}, {"name": "b"}]}, "for all classes or for none. Without: b."),
        ({"classes": [{"name": "a", "raw": [1, 2, 3]}, {"name": "b", "raw": 0}], "mask": {"read": "colours"}}, "raw"),
        ({"mask": {"read": "mat"}}, "`key` goes with `read: mat`"),
        ({"mask": {"read": "threshold"}}, "needs two classes, without `raw`"),
        ({"masks": "images/{id}.png"}, "cannot stand for images and masks at once"),
        ({"images": "{split}/{id}.png"}, "must say what {split} in '{split}/{id}.png' stands for"),
        ({"splits": {"folders": {"train": "a"}}}, "every pattern of `images` and `masks` must hold {split}"),
        ({"splits": {}}, "one of `folders`, `lists`, `ratios` must say it. Received: none."),
        ({"classes": [{"name": "a", "raw": 0}, {"name": "b", "raw": 70000}]}, "classes.1.raw: "),
    ],
)
def test_invalid_settings_are_refused(changes: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        layout.read(described(tmp_path / "a.yaml", **changes))
    assert words in str(caught.value)


def test_the_message_for_a_missing_layout_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"segline init {tmp_path}"):
        catalog.spec("image_folder", layout=tmp_path / "segline.yaml")


def test_the_spec_follows_the_layout(tmp_path: Path) -> None:
    own = [{"name": "sky", "raw": [1, 2, 3]}, {"name": "sea", "raw": [[4, 5, 6], [7, 8, 9]], "colour": [0, 0, 0]}]
    path = described(tmp_path / "a.yaml", mask={"read": "colours"}, classes=own, licence="mine")
    spec = catalog.spec("image_folder", layout=path)
    assert (spec.classes, spec.colours) == (("sky", "sea"), ((1, 2, 3), (0, 0, 0)))
    assert (spec.sources, spec.licence, spec.split_sizes) == (("images", "masks"), "mine", {})
    assert classes.colours(as_layout()) == (classes.SLATE, (128, 0, 0))


def test_the_spec_keeps_the_range_for_serving(tmp_path: Path) -> None:
    spec = classes.spec_of(as_layout(image={"range": [0, 4095]}))
    spec.write(tmp_path / "spec.json")
    assert DatasetSpec.read(tmp_path / "spec.json").image_range == (0, 4095)
    assert classes.spec_of(as_layout()).image_range == (0, 65535)


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_may_have_spaces_other_scripts_and_nested_folders(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "images/é 1.png")
    put(tmp_path, decomposed, "masks/é 1.png", "images/東京/a b.png", "masks/東京/a b.png", "images/notes.txt")
    train = find(tmp_path, splits={"ratios": {"train": 1.0}})["train"]
    assert [pair.id for pair in train.pairs] == ["é 1", "東京/a b"] and not train.problems


def test_images_and_masks_in_one_folder(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "a_mask.png", "b.png", "c_mask.png")
    train = find(tmp_path, images="{id}.png", masks="{id}_mask.png", splits={"ratios": {"train": 1.0}})["train"]
    assert [pair.id for pair in train.pairs] == ["a"]
    assert {(p.kind, p.file, p.detail) for p in train.problems} == {
        (Kind.WITHOUT_MASK, "b.png", "no file b_mask.png"),
        (Kind.WITHOUT_IMAGE, "c_mask.png", "no file c.png"),
    }


def test_an_unreadable_list_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DatasetError) as caught:
        find(tmp_path, splits={"lists": {"train": "latin.txt", "val": "empty.txt", "test": "images"}})
    faults = ("no UTF-8 text: invalid continuation byte at byte 0.", "empty file.", "cannot be read: Is a directory.")
    assert all(fault in str(caught.value) for fault in faults)


def test_two_images_with_the_same_id_are_a_problem(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "images/a.jpg", "masks/a.png")
    train = find(tmp_path, images=["images/{id}.png", "images/{id}.jpg"], splits={"ratios": {"train": 1.0}})["train"]
    assert [(p.kind, p.file) for p in train.problems] == [(Kind.DUPLICATE, "images/a.png")]
    assert not train.pairs  # it is unknown which of the two images the mask belongs to


def test_splits_by_folder_keep_equal_names_apart(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{kind}/1.png" for part in ("training", "valid", "other") for kind in ("images", "masks")))
    splits = find(
        tmp_path,
        images="{split}/images/{id}.png",
        masks="{split}/masks/{id}.png",
        splits={"folders": {"train": "training", "val": "valid"}},
    )
    assert {name: [pair.image for pair in split.pairs] for name, split in splits.items()} == {
        "train": ["training/images/1.png"],
        "val": ["valid/images/1.png"],
    }


def test_splits_by_list(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{id_}.png" for id_ in "abc" for kind in ("images", "masks")))
    (tmp_path / "t.txt").write_text("a\n\nb\n")
    (tmp_path / "v.txt").write_text("c\nlost\nb\n")
    lists = {"lists": {"train": "t.txt", "val": "v.txt", "test": "none.txt"}}
    with pytest.raises(DatasetError) as caught:
        find(tmp_path, splits=lists)
    faults = ("v.txt names 1 ids without an image: lost.", "another list names too: b.", "none.txt (splits.lists.test)")
    assert all(fault in str(caught.value) for fault in faults)
    (tmp_path / "v.txt").write_text("c\n")
    splits = find(tmp_path, splits={"lists": {"train": "t.txt", "val": "v.txt"}})
    assert [pair.id for pair in splits["train"].pairs] == ["a", "b"]


def test_a_random_split_keeps_its_images_when_others_are_added(tmp_path: Path) -> None:
    ratios = {"ratios": {"train": 0.7, "val": 0.2, "test": 0.1}, "seed": 3}
    names = [f"{index:03d}" for index in range(120)]
    put(tmp_path, *(f"{kind}/{name}.png" for name in names[:60] for kind in ("images", "masks")))
    before = find(tmp_path, splits=ratios)
    put(tmp_path, *(f"{kind}/{name}.png" for name in names[60:] for kind in ("images", "masks")))
    after = find(tmp_path, splits=ratios)
    for name, split in before.items():
        assert split.ids <= after[name].ids
    assert 70 <= len(after["train"].ids) <= 98 and len(after["val"].ids) >= 12


def test_a_group_is_in_a_single_split(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/p{i % 9}/{i}.png" for i in range(60) for kind in ("images", "masks")))
    splits = find(tmp_path, images="images/{group}/{id}.png", masks="masks/{group}/{id}.png")
    groups = [{pair.group for pair in split.pairs} for split in splits.values()]
    assert not groups[0] & groups[1] and len(groups[0] | groups[1]) == 9


GROUPED = {"images": "images/{group}/{id}.png", "masks": "masks/{group}/{id}.png"}


def test_equal_ids_of_several_groups_are_prefixed_with_the_group(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p1/2", "p2/1") for kind in ("images", "masks")))
    put(tmp_path, "images/p1/3.png", "masks/p2/3.png")
    train = find(tmp_path, **GROUPED, splits={"ratios": {"train": 1.0}})["train"]
    assert [(pair.id, pair.group, pair.image, pair.mask) for pair in train.pairs] == [
        (name, name[:2], f"images/{name}.png", f"masks/{name}.png") for name in ("p1/1", "p1/2", "p2/1")
    ]
    assert {(p.kind, p.id, p.detail) for p in train.problems} == {
        (Kind.WITHOUT_MASK, "p1/3", "no file masks/p1/3.png"),
        (Kind.WITHOUT_IMAGE, "p2/3", "no file images/p2/3.png"),
    }


def test_unique_ids_are_not_prefixed(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p2/2") for kind in ("images", "masks")))
    train = find(tmp_path, **GROUPED, splits={"ratios": {"train": 1.0}})["train"]
    assert [(pair.id, pair.group) for pair in train.pairs] == [("1", "p1"), ("2", "p2")]


def test_a_list_names_images_with_and_without_their_group(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p1/2", "p2/1") for kind in ("images", "masks")))
    (tmp_path / "t.txt").write_text("p1/1\n2\n")
    (tmp_path / "v.txt").write_text("1\n")
    lists = {"lists": {"train": "t.txt", "val": "v.txt"}}
    advice = r"v\.txt names 1 ids that several groups have: 1\. Write them as \{group\}/\{id\}, such as p1/1\."
    with pytest.raises(DatasetError, match=advice):
        find(tmp_path, **GROUPED, splits=lists)
    (tmp_path / "v.txt").write_text("p2/1\n")
    splits = find(tmp_path, **GROUPED, splits=lists)
    assert {name: [pair.id for pair in split.pairs] for name, split in splits.items()} == {
        "train": ["p1/1", "p1/2"],
        "val": ["p2/1"],
    }


def test_an_empty_split_and_a_pattern_without_files_are_errors(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "masks/a.png")
    with pytest.raises(DatasetError, match=r"no image is in (train|val)\. 1 image for 2 splits: label more"):
        find(tmp_path)
    put(tmp_path, "images/b.png", "masks/b.png")
    with pytest.raises(DatasetError, match=r"no image is in val\. Another `seed`"):
        find(tmp_path, splits={"ratios": {"train": 0.999, "val": 0.001}})
    with pytest.raises(DatasetError, match=r"No file matches masks: gt/\{id\}\.png\.\nThere are: images/, masks/"):
        find(tmp_path, masks="gt/{id}.png")


# --- the conversion --------------------------------------------------------------------------------------------------


def test_the_sample_becomes_records(tmp_path: Path) -> None:
    assert sample.write(tmp_path / "raw", count=10, seed=0) == {"train": 6, "val": 2, "test": 2}
    builder = Builder(layout=tmp_path / "raw" / "segline.yaml", data_dir=tmp_path / "out")
    config = tfds.download.DownloadConfig(manual_dir=tmp_path / "raw", try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }
    values: set[int] = set()
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        assert example["image"].shape == (101, 101, 3) and example["label"].shape == (101, 101, 1)
        values |= set(np.unique(example["label"]).tolist())
    assert values == {0, 1}
    assert tfds.builder_from_directory(builder.data_dir).info.features["label"].names == ["sediment", "salt"]


def test_another_layout_of_the_same_masks_makes_other_records(tmp_path: Path) -> None:
    sample.write(tmp_path / "raw", count=6, seed=0, size=(32, 32))
    raw = RawFolder(tmp_path / "raw")
    digests = dict.fromkeys(raw.files("**/*"), "the same")
    text = (tmp_path / "raw" / "segline.yaml").read_text()
    shares = []
    for out, raws in (("a", ("raw: 0,", "raw: 65535,")), ("b", ("raw: 65535,", "raw: 0,"))):
        swapped = text.replace("raw: 0,", "raw: X,").replace("raw: 65535,", raws[1]).replace("raw: X,", raws[0])
        (tmp_path / f"{out}.yaml").write_text(swapped)
        cache = ShardCache(tmp_path / "cache", digests)
        builder = Builder(layout=tmp_path / f"{out}.yaml", data_dir=tmp_path / out, cache=cache)
        config = tfds.download.DownloadConfig(manual_dir=raw.path, try_download_gcs=False)
        builder.download_and_prepare(download_config=config)
        shares.append({e["id"]: e["label"].mean() for e in tfds.as_numpy(builder.as_dataset(split="train"))})
    assert shares[0] == {id_: pytest.approx(1 - share) for id_, share in shares[1].items()}


@pytest.mark.slow
def test_the_builder_test_of_tfds_passes(tmp_path: Path) -> None:
    class Case(tfds.testing.DatasetBuilderTestCase):
        DATASET_CLASS = Builder
        EXAMPLE_DIR = tmp_path / "raw"
        SPLITS = sample.write(tmp_path / "raw", count=6, seed=0)

        def _make_builder(self, config=None) -> Builder:
            return Builder(layout=tmp_path / "raw" / "segline.yaml", data_dir=self.tmp_dir)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert result.testsRun > 3 and result.wasSuccessful(), result.errors + result.failures


def test_another_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no sample 'sugar'.* Allowed: salt"):
        sample.write(tmp_path / "raw", count=3, seed=0, config="sugar")


def test_a_builder_without_a_layout_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"needs the YAML file .* data\.layout"):
        Builder(data_dir=tmp_path)
