"""Batches: a function of (seed, epoch, step); training epochs and evaluation splits are complete."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf

from datasets import tfrecord
from models.labels import IGNORE
from pipeline.config.input import AugmentConfig, Copy, InputConfig
from pipeline.input import batches, decoded, record_dataset
from pipeline.input.transforms import rare_classes
from pipeline.input.transforms.fixed_copies import TRANSFORMS, with_copies

RANDOM = InputConfig(augment=AugmentConfig(flip=True, scale=(0.8, 1.5), crop=(48, 64), brightness=0.2, hue=0.1))
SIZES = ((40, 60), (61, 33), (40, 60), (40, 60), (61, 33))


@pytest.fixture(scope="module")
def folder(ingested: Path) -> Path:
    return ingested / "records"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two sizes, laid out as ingest writes them."""
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


def batches_of(
    folder: Path, config: InputConfig = RANDOM, seed: int = 0, epoch: int = 0, step: int = 0
) -> Iterator[dict]:
    dataset = batches.train_dataset(folder, config, batch_size=3, seed=seed, epoch=epoch, first_step=step)
    return dataset.as_numpy_iterator()


def same(one: dict, other: dict) -> bool:
    return all(np.array_equal(one[key], other[key]) for key in ("image", "label"))


def digests(batch: dict) -> list[str]:
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in batch["image"]]


def test_a_batch_is_a_function_of_seed_epoch_and_step(folder: Path) -> None:
    whole = list(islice(batches_of(folder), 6))  # 2 steps an epoch: 8 images, 3 a batch
    assert whole[0]["image"].shape == (3, 48, 64, 3) and whole[0]["label"].shape == (3, 48, 64)
    assert whole[0]["image"].dtype == whole[0]["label"].dtype == np.uint8
    for epoch, step in ((0, 1), (1, 0), (2, 1), (1, 2)):  # step 2 of an epoch of 2 is step 0 of the next
        assert same(whole[2 * epoch + step], next(batches_of(folder, epoch=epoch, step=step)))
    assert not same(whole[0], whole[2]) and not same(whole[0], next(batches_of(folder, seed=1)))


def test_the_cache_does_not_change_the_batches(folder: Path, tmp_path: Path) -> None:
    batch = {}
    for kind in ("memory", "disk", "none"):
        config = RANDOM.model_copy(update={"cache": kind})
        dataset = batches.train_dataset(folder, config, batch_size=3, seed=0, epoch=0, cache=tmp_path)
        batch[kind] = list(islice(dataset.as_numpy_iterator(), 4))
    assert all(same(*pair) for kind in ("disk", "none") for pair in zip(batch["memory"], batch[kind], strict=True))


def test_an_epoch_shows_no_example_twice_and_each_has_its_own_order(folder: Path) -> None:
    steps = [digests(batch) for batch in islice(batches_of(folder, InputConfig()), 20)]
    epochs = [steps[index] + steps[index + 1] for index in range(0, 20, 2)]
    assert all(len(set(epoch)) == 6 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)
    assert len({name for epoch in epochs for name in epoch}) == 8  # other examples are dropped each time


def test_augmentation_depends_on_the_example_and_not_on_its_batch(folder: Path) -> None:
    """Neither the position in the batch nor the batch size matters."""
    by_three, by_four = (
        batches.train_dataset(folder, RANDOM, batch_size=size, seed=0, epoch=0).as_numpy_iterator() for size in (3, 4)
    )
    threes = [digest for batch in islice(by_three, 2) for digest in digests(batch)]
    fours = [digest for batch in islice(by_four, 2) for digest in digests(batch)]
    assert threes == fours[:6]


def test_workers_and_their_devices_split_the_batch_of_one_worker(folder: Path) -> None:
    settings = {"batch_size": 8, "seed": 0, "epoch": 0, "first_step": 1}
    whole = batches.train_dataset(folder, RANDOM, **settings).as_numpy_iterator()
    shares = [
        batches.train_dataset(folder, RANDOM, **settings, part=(worker, 2), replicas=2).as_numpy_iterator()
        for worker in (0, 1)
    ]
    for _ in range(2):
        parts = [next(share) for share in shares for _ in range(2)]
        expected = next(whole)
        for name in ("image", "label", "key"):
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), expected[name])


@pytest.mark.parametrize("cache", ["memory", "none"])
@pytest.mark.parametrize("copies", [(), ("rot90",)])
def test_a_batch_of_one_takes_images_of_any_size(mixed: Path, cache: str, copies: tuple[str, ...]) -> None:
    config = InputConfig(augment=AugmentConfig(flip=True, scale=(0.8, 1.5), brightness=0.2), cache=cache, copies=copies)
    dataset = batches.train_dataset(mixed, config, batch_size=1, seed=0, epoch=0)
    shapes = [batch["label"].shape[1:] for batch in islice(dataset.as_numpy_iterator(), len(SIZES) * (1 + len(copies)))]
    expected = [*SIZES, *(size[::-1] for size in SIZES * len(copies))]
    assert sorted(shapes) == sorted(expected)


def test_size_resizes_image_and_mask(mixed: Path) -> None:
    batch = next(batches_of(mixed, InputConfig(size=(24, 32))))
    assert batch["image"].shape == (3, 24, 32, 3) and batch["label"].max() < 5


def test_padding_keeps_every_pixel(mixed: Path) -> None:
    config = InputConfig(size=(64, 64), fit="pad", padding="reflect")
    assert next(batches_of(mixed, config))["image"].shape == (3, 64, 64, 3)
    ignored = next(batches_of(mixed, config.model_copy(update={"padding": "constant"})))["label"] == IGNORE
    assert sorted(ignored.sum((1, 2)).tolist())[0] in (64 * 64 - 40 * 60, 64 * 64 - 61 * 33)


@pytest.mark.parametrize("settings", [{"fit": "pad"}, {"size": (8, 8), "padding": "wrap"}])
def test_fit_and_padding_need_their_other_settings(settings: dict) -> None:
    with pytest.raises(ValueError, match=r"needs `size`|is for `fit: pad`"):
        InputConfig(**settings)


def test_auto_caches_in_memory_within_the_budget_and_else_on_disk(folder: Path, tmp_path: Path) -> None:
    every = 8 * 72 * 96 * 4
    for size in (None, (72, 96)):
        fits, more = (InputConfig(cache_budget_gb=budget / 1e9, size=size) for budget in (every, every - 1))
        assert decoded.load(folder, "train", fits, tmp_path).cache == "memory"
        assert decoded.load(folder, "train", more, tmp_path).cache == "disk"
        assert decoded.load(folder, "train", more).cache == "none"


def test_eval_yields_every_example_once_at_its_original_size(mixed: Path) -> None:
    evaluated = list(batches.eval_dataset(mixed, "val", batch_size=2).as_numpy_iterator())
    names = [name.decode() for batch in evaluated for name in batch["id"]]
    assert sorted(names) == [f"image{index}" for index in range(5)]
    assert sorted(batch["image"].shape for batch in evaluated) == [(1, 40, 60, 3), (2, 40, 60, 3), (2, 61, 33, 3)]
    encoded = {record["id"].decode(): record for record in record_dataset.encoded(mixed, "val").as_numpy_iterator()}
    for batch in evaluated:
        for name, image, label in zip(batch["id"], batch["image"], batch["label"], strict=True):
            record = encoded[name.decode()]
            np.testing.assert_array_equal(image, tf.io.decode_png(record["image"]))
            np.testing.assert_array_equal(label, tf.io.decode_png(record["label"])[..., 0])


ALL = AugmentConfig(
    flip=True,
    scale=(0.8, 1.5),
    crop=(48, 64),
    rotate=10,
    shear=5,
    rare_crops=0.5,
    brightness=0.2,
    hue=0.1,
    gamma=0.3,
    blur=1,
    noise=0.05,
    cutout=0.3,
    cutmix=0.3,
    classmix=0.3,
)


def test_all_transforms_together_are_resumable_and_independent_of_the_batch_size(folder: Path) -> None:
    config = InputConfig(augment=ALL, copies=("flip_up_down", "gamma"))
    whole = list(islice(batches_of(folder, config), 10))  # 8 steps an epoch: 24 examples, 3 in a batch
    assert same(whole[9], next(batches_of(folder, config, epoch=1, step=1)))
    sixes = batches.train_dataset(folder, config, batch_size=6, seed=0, epoch=0).as_numpy_iterator()
    assert digests(next(sixes)) == digests(whole[0]) + digests(whole[1])


@pytest.mark.slow
def test_the_device_augments_as_the_host_does(folder: Path) -> None:
    host = InputConfig(augment=ALL)
    device = InputConfig(augment=ALL, augment_on="device")
    weights = rare_classes.rarity([5, 3, 1000, 100])
    expected, shipped = (
        batches.train_dataset(folder, config, batch_size=4, seed=0, epoch=0, rarity=weights)
        for config in (host, device)
    )
    prepare = tf.function(batches.device_augmentation(device, weights))
    for batch, raw in zip(expected.take(3), shipped.take(3), strict=True):
        assert raw["image"].shape == (4, 72, 96, 3) and raw["image"].dtype == tf.uint8
        augmented = prepare(raw)
        for name in ("label", "key"):
            np.testing.assert_array_equal(augmented[name], batch[name])
        difference = np.abs(augmented["image"].numpy().astype(int) - batch["image"])
        assert difference.max() <= 1 and (difference > 0).mean() < 1e-3  # another graph may round differently


def test_with_copies_appends_each_transform_of_all_originals(folder: Path) -> None:
    names = tuple(TRANSFORMS)
    assert len(names) == 7 and set(names) == set(get_args(Copy))
    plain = decoded.load(folder, "train", InputConfig(size=(64, 64)))
    every = with_copies(plain, names)
    assert every.count == 8 * plain.count
    keys = [int(every.fetch(tf.constant(index, tf.int64))["key"]) for index in range(every.count)]
    assert len(set(keys)) == every.count
    assert {key % decoded.KEYS for key in keys} == set(keys[: plain.count])
    own, rotated, flipped = (
        every.fetch(tf.constant(3 + 8 * which, tf.int64)) for which in (0, 1 + names.index("rot90"), 5)
    )
    np.testing.assert_array_equal(rotated["image"], np.rot90(own["image"]))
    np.testing.assert_array_equal(rotated["label"], np.rot90(own["label"]))
    np.testing.assert_array_equal(flipped["label"], own["label"].numpy()[:, ::-1])


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_copies_equal_the_article(name: str) -> None:
    """Compared with the article's own calls on images in 0..1; masks where the article does not blend them."""
    image = tf.constant(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    label = tf.constant(np.random.default_rng(1).integers(0, 60, (4, 4), np.uint8).repeat(10, 0).repeat(10, 1))
    size, floats, mask = (40, 40), tf.cast(image, tf.float32) / 255, label[..., None]
    cut = tf.cast(tf.image.resize(tf.image.central_crop(mask, 0.7), size, method="nearest"), tf.uint8)
    pixels, expected = {
        "brightness": lambda: (tf.image.adjust_brightness(floats, 0.1), mask),
        "gamma": lambda: (tf.image.adjust_gamma(floats, 0.1), mask),
        "hue": lambda: (tf.image.adjust_hue(floats, -0.1), mask),
        "central_crop": lambda: (tf.image.resize(tf.image.central_crop(floats, 0.7), size), cut),
        "flip_left_right": lambda: (tf.image.flip_left_right(floats), tf.image.flip_left_right(mask)),
        "flip_up_down": lambda: (tf.image.flip_up_down(floats), tf.image.flip_up_down(mask)),
        "rot90": lambda: (tf.image.rot90(floats), tf.image.rot90(mask)),
    }[name]()
    copy = TRANSFORMS[name](image, label)
    assert copy[0].dtype == copy[1].dtype == tf.uint8
    np.testing.assert_allclose(copy[0], np.clip(pixels, 0, 1) * 255, atol=0.51)
    np.testing.assert_array_equal(copy[1], expected[..., 0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": {"cutmix": 0.6, "classmix": 0.6}}, "must not add up to more than 1"),
        ({"augment": {"rare_crops": 0.5}}, "chooses where to crop"),
        ({"copies": ["hue", "hue"]}, "Received twice: hue"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InputConfig(**settings)


@pytest.mark.slow
def test_two_devices_augment_their_parts_as_the_host_does(folder: Path) -> None:
    """Including mixing: the partner depends only on the example's seed."""
    script = Path(__file__).with_name("mirrored_input.py")
    project = script.parents[3]
    result = subprocess.run(
        [sys.executable, script, folder],
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    key, label, image = map(int, result.stdout.split()[-3:])
    assert (key, label) == (0, 0) and image <= 1
