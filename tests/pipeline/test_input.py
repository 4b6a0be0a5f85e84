"""Batches: a function of (seed, epoch, step), whole epochs, whole splits, refused where none can be made."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from datasets import tfrecord
from pipeline import decoded, input, records
from pipeline.config import AugmentConfig, InputConfig
from pipeline.errors import UserError

RANDOM = InputConfig(augment=AugmentConfig(flip=True, scale=(0.8, 1.5), crop=(48, 64), brightness=0.2, hue=0.1))
SIZES = ((40, 60), (61, 33), (40, 60), (40, 60), (61, 33))


@pytest.fixture(scope="module")
def folder(ingested: Path) -> Path:
    return ingested / "records"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two sizes, as ingest would have written them."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(0)

    def record(index: int, size: tuple[int, int]) -> bytes:
        image, label = rng.integers(0, 256, (*size, 3), np.uint8), rng.integers(0, 5, (*size, 1), np.uint8)
        texts = {
            "image": tf.io.encode_png(image).numpy(),
            "label": tf.io.encode_png(label).numpy(),
            "id": f"image{index}".encode(),
            "group": b"",
        }
        feature = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text])) for name, text in texts.items()}
        for name, length in zip(("height", "width"), size, strict=True):
            feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[length]))
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    for split in ("train", "val"):
        path = folder / f"mixed-{split}.tfrecord-00000-of-00001"
        tfrecord.write(path, [record(index, size) for index, size in enumerate(SIZES)])
    splits = [{"name": split, "shardLengths": [str(len(SIZES))]} for split in ("train", "val")]
    (folder / "dataset_info.json").write_text(json.dumps({"name": "mixed", "splits": splits}))
    return folder


def batches(folder: Path, config: InputConfig = RANDOM, seed: int = 0, epoch: int = 0, step: int = 0) -> Iterator[dict]:
    dataset = input.train_dataset(folder, config, batch_size=3, seed=seed, epoch=epoch, first_step=step)
    return dataset.as_numpy_iterator()


def same(one: dict, other: dict) -> bool:
    return all(np.array_equal(one[key], other[key]) for key in ("image", "label"))


def digests(batch: dict) -> list[str]:
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in batch["image"]]


def test_a_batch_is_a_function_of_seed_epoch_and_step(folder: Path) -> None:
    whole = list(islice(batches(folder), 6))  # 2 steps an epoch: 8 images, 3 a batch
    assert whole[0]["image"].shape == (3, 48, 64, 3) and whole[0]["label"].shape == (3, 48, 64)
    assert whole[0]["image"].dtype == whole[0]["label"].dtype == np.uint8
    for epoch, step in ((0, 1), (1, 0), (2, 1), (1, 2)):  # step 2 of an epoch of 2: the next epoch begins
        assert same(whole[2 * epoch + step], next(batches(folder, epoch=epoch, step=step)))
    assert not same(whole[0], whole[2]) and not same(whole[0], next(batches(folder, seed=1)))


def test_what_is_kept_in_memory_changes_nothing(folder: Path) -> None:
    kept = islice(batches(folder, RANDOM.model_copy(update={"cache": "memory"})), 4)
    read = islice(batches(folder, RANDOM.model_copy(update={"cache": "none"})), 4)
    assert all(same(*pair) for pair in zip(kept, read, strict=True))


def test_an_epoch_shows_no_example_twice_and_the_next_in_another_order(folder: Path) -> None:
    shown = [digests(batch) for batch in islice(batches(folder, InputConfig()), 20)]
    epochs = [shown[index] + shown[index + 1] for index in range(0, 20, 2)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
    assert len({name for epoch in epochs for name in epoch}) == 8  # who is left out changes too


def test_an_example_is_changed_alike_wherever_it_stands(folder: Path) -> None:
    """The draws depend on the example, not on its place in the batch or on the batch size."""
    by_three, by_four = (
        input.train_dataset(folder, RANDOM, batch_size=size, seed=0, epoch=0).as_numpy_iterator() for size in (3, 4)
    )
    threes = [digest for batch in islice(by_three, 2) for digest in digests(batch)]
    fours = [digest for batch in islice(by_four, 2) for digest in digests(batch)]
    assert threes == fours[:6]


def test_size_resizes_image_and_mask(mixed: Path) -> None:
    batch = next(batches(mixed, InputConfig(size=(24, 32))))
    assert batch["image"].shape == (3, 24, 32, 3) and batch["label"].max() < 5


def test_auto_keeps_only_what_fits(folder: Path) -> None:
    every = 8 * 72 * 96 * 4
    for budget, kept in ((every / 1e9, every), ((every - 1) / 1e9, 0)):
        config = InputConfig(cache_budget_gb=budget)
        assert decoded.load(folder, "train", config).kept == kept
        sized = InputConfig(cache_budget_gb=budget, size=(72, 96))
        assert decoded.load(folder, "train", sized).kept == kept


def test_eval_gives_every_example_once_at_its_own_size(mixed: Path) -> None:
    found = list(input.eval_dataset(mixed, "val", batch_size=2).as_numpy_iterator())
    names = [name.decode() for batch in found for name in batch["id"]]
    assert sorted(names) == [f"image{index}" for index in range(5)]
    assert sorted(batch["image"].shape for batch in found) == [(1, 40, 60, 3), (2, 40, 60, 3), (2, 61, 33, 3)]
    encoded = {record["id"].decode(): record for record in records.encoded(mixed, "val").as_numpy_iterator()}
    for batch in found:
        for name, image, label in zip(batch["id"], batch["image"], batch["label"], strict=True):
            record = encoded[name.decode()]
            np.testing.assert_array_equal(image, tf.io.decode_png(record["image"]))
            np.testing.assert_array_equal(label, tf.io.decode_png(record["label"])[..., 0])


def test_every_reason_against_a_batch_is_given_at_once() -> None:
    with pytest.raises(UserError) as error:
        input.check(InputConfig(), 8, {"360x480": 4, "720x960": 2})
    for part in ("batch_size is 8", "6 images", "360x480 (4), 720x960 (2)", "input.size", "input.augment.crop"):
        assert part in str(error.value)


def test_a_size_or_a_crop_makes_images_alike() -> None:
    sizes = {"360x480": 4, "720x960": 2}
    input.check(InputConfig(size=(32, 32)), 6, sizes)
    input.check(InputConfig(augment=AugmentConfig(crop=(32, 32))), 6, sizes)
    input.check(InputConfig(), 6, {"360x480": 6})


def test_a_crop_that_would_show_margin_more_than_image_is_refused() -> None:
    crop = AugmentConfig(crop=(2000, 2000), scale=(0.5, 2.0))
    with pytest.raises(UserError, match=r"crop is 2000 x 2000 and the largest image 360 x 480"):
        input.check(InputConfig(augment=crop), 1, {"360x480": 6})
    input.check(InputConfig(augment=crop.model_copy(update={"crop": (400, 500)})), 1, {"360x480": 6})
