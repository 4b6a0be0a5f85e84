"""Folders as people have them: every kind of mask and image, names, splits, and layouts with mistakes."""

import io
import struct
import unicodedata
import unittest
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tensorflow_datasets as tfds
import yaml
from PIL import Image

from datasets import catalog, labels
from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.image_folder import classes, files, folder, layout, sample
from datasets.image_folder.image_folder_dataset_builder import Builder, reader_of
from datasets.raw import RawFolder
from datasets.shard_cache import ShardCache
from datasets.spec import IGNORE, DatasetSpec

TREE = {
    "images": "images/{id}.png",
    "masks": "masks/{id}.png",
    "splits": {"ratios": {"train": 0.5, "val": 0.5}},
    "mask": {"read": "ids"},
    "classes": [{"name": "ground", "raw": 0}, {"name": "thing", "raw": 255}],
}


def described(path: Path, **changes) -> Path:
    path.write_text(yaml.safe_dump({**TREE, **changes}, allow_unicode=True), encoding="utf-8")
    return path


def as_layout(**changes) -> layout.Layout:
    return layout.Layout.model_validate({**TREE, **changes})


def encoded(pixels, kind: str = "PNG", mode: str | None = None, **options) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels))
    (image.convert(mode) if mode else image).save(file, kind, **options)
    return file.getvalue()


def put(root: Path, *names: str, content: bytes | None = None) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content or encoded(np.zeros((8, 6), np.uint8)))


def find(root: Path, **changes) -> dict:
    return folder.find(RawFolder(root), as_layout(**changes))


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
    told = str(caught.value)
    assert told.startswith(f"{path}: 5 not right.")
    for words in (
        "imges: there is no such key. Did you mean 'images'? Keys here: images, masks",
        "masks: a pattern is relative and holds {id} once",
        "mask.read: Input should be 'ids', 'threshold', 'colours' or 'mat'. Received: 'idz'.",
        "splits: `ratios` must add up to 1. Received: 0.9.",
        "image.range: must be [low, high] with low < high",
    ):
        assert words in told


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
        ({"mask": {"read": "threshold"}}, "knows two classes, without `raw`"),
        ({"masks": "images/{id}.png"}, "cannot stand for images and masks at once"),
        ({"images": "{split}/{id}.png"}, "must say what {split} in '{split}/{id}.png' stands for"),
        ({"splits": {"folders": {"train": "a"}}}, "every pattern of `images` and `masks` must hold {split}"),
        ({"splits": {}}, "one of `folders`, `lists`, `ratios` must say it. Received: none."),
        ({"classes": [{"name": "a", "raw": 0}, {"name": "b", "raw": 70000}]}, "classes.1.raw: "),
    ],
)
def test_what_cannot_be_is_refused(changes: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        layout.read(described(tmp_path / "a.yaml", **changes))
    assert words in str(caught.value)


def test_a_layout_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"segline init {tmp_path}"):
        catalog.spec("image_folder", layout=tmp_path / "segline.yaml")


def test_the_spec_is_what_the_layout_says(tmp_path: Path) -> None:
    own = [{"name": "sky", "raw": [1, 2, 3]}, {"name": "sea", "raw": [[4, 5, 6], [7, 8, 9]], "colour": [0, 0, 0]}]
    path = described(tmp_path / "a.yaml", mask={"read": "colours"}, classes=own, licence="mine")
    spec = catalog.spec("image_folder", layout=path)
    assert (spec.classes, spec.colours) == (("sky", "sea"), ((1, 2, 3), (0, 0, 0)))
    assert (spec.sources, spec.licence, spec.split_sizes) == (("images", "masks"), "mine", {})
    assert classes.colours(as_layout()) == ((0, 0, 0), (128, 0, 0))


def test_the_spec_keeps_the_range_for_whoever_serves(tmp_path: Path) -> None:
    spec = classes.spec_of(as_layout(image={"range": [0, 4095]}))
    spec.write(tmp_path / "spec.json")
    assert DatasetSpec.read(tmp_path / "spec.json").image_range == (0, 4095)
    assert classes.spec_of(as_layout()).image_range is None


# --- names -----------------------------------------------------------------------------------------------------------


def test_blanks_other_scripts_and_nested_folders(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "images/é 1.png")
    put(tmp_path, decomposed, "masks/é 1.png", "images/東京/a b.png", "masks/東京/a b.png", "images/notes.txt")
    found = find(tmp_path, splits={"ratios": {"train": 1.0}})["train"]
    assert [pair.id for pair in found.pairs] == ["é 1", "東京/a b"] and not found.problems


def test_images_and_masks_in_one_folder(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "a_mask.png", "b.png", "c_mask.png")
    found = find(tmp_path, images="{id}.png", masks="{id}_mask.png", splits={"ratios": {"train": 1.0}})["train"]
    assert [pair.id for pair in found.pairs] == ["a"]
    assert {(p.kind, p.file, p.detail) for p in found.problems} == {
        (Kind.WITHOUT_MASK, "b.png", "no file b_mask.png"),
        (Kind.WITHOUT_IMAGE, "c_mask.png", "no file c.png"),
    }


def test_a_list_that_is_no_list_is_told(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "masks/a.png")
    (tmp_path / "latin.txt").write_bytes(b"\xe9\n")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DatasetError) as caught:
        find(tmp_path, splits={"lists": {"train": "latin.txt", "val": "empty.txt", "test": "images"}})
    faults = ("no UTF-8 text: invalid continuation byte at byte 0.", "empty file.", "cannot be read: Is a directory.")
    assert all(fault in str(caught.value) for fault in faults)


def test_two_images_of_one_id_are_told(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "images/a.jpg", "masks/a.png")
    found = find(tmp_path, images=["images/{id}.png", "images/{id}.jpg"], splits={"ratios": {"train": 1.0}})["train"]
    assert [(p.kind, p.file) for p in found.problems] == [(Kind.DUPLICATE, "images/a.png")]
    assert not found.pairs  # which of the two it is, nobody knows


def test_splits_by_folder_keep_equal_names_apart(tmp_path: Path) -> None:
    put(tmp_path, *(f"{part}/{kind}/1.png" for part in ("training", "valid", "other") for kind in ("images", "masks")))
    found = find(
        tmp_path,
        images="{split}/images/{id}.png",
        masks="{split}/masks/{id}.png",
        splits={"folders": {"train": "training", "val": "valid"}},
    )
    assert {name: [pair.image for pair in split.pairs] for name, split in found.items()} == {
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
    told = ("v.txt names 1 ids without an image: lost.", "another list names too: b.", "none.txt (splits.lists.test)")
    for words in told:
        assert words in str(caught.value)
    (tmp_path / "v.txt").write_text("c\n")
    found = find(tmp_path, splits={"lists": {"train": "t.txt", "val": "v.txt"}})
    assert [pair.id for pair in found["train"].pairs] == ["a", "b"]


def test_a_lot_does_not_change_when_images_are_added(tmp_path: Path) -> None:
    ratios = {"ratios": {"train": 0.7, "val": 0.2, "test": 0.1}, "seed": 3}
    names = [f"{index:03d}" for index in range(120)]
    put(tmp_path, *(f"{kind}/{name}.png" for name in names[:60] for kind in ("images", "masks")))
    before = find(tmp_path, splits=ratios)
    put(tmp_path, *(f"{kind}/{name}.png" for name in names[60:] for kind in ("images", "masks")))
    after = find(tmp_path, splits=ratios)
    for name, split in before.items():
        assert split.ids <= after[name].ids
    assert 70 <= len(after["train"].ids) <= 98 and len(after["val"].ids) >= 12


def test_a_group_is_never_divided(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/p{i % 9}/{i}.png" for i in range(60) for kind in ("images", "masks")))
    found = find(tmp_path, images="images/{group}/{id}.png", masks="masks/{group}/{id}.png")
    groups = [{pair.group for pair in split.pairs} for split in found.values()]
    assert not groups[0] & groups[1] and len(groups[0] | groups[1]) == 9


GROUPED = {"images": "images/{group}/{id}.png", "masks": "masks/{group}/{id}.png"}


def test_ids_that_begin_anew_in_each_group_are_told_apart(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p1/2", "p2/1") for kind in ("images", "masks")))
    put(tmp_path, "images/p1/3.png", "masks/p2/3.png")
    found = find(tmp_path, **GROUPED, splits={"ratios": {"train": 1.0}})["train"]
    assert [(pair.id, pair.group, pair.image, pair.mask) for pair in found.pairs] == [
        (name, name[:2], f"images/{name}.png", f"masks/{name}.png") for name in ("p1/1", "p1/2", "p2/1")
    ]
    assert {(p.kind, p.id, p.detail) for p in found.problems} == {
        (Kind.WITHOUT_MASK, "p1/3", "no file masks/p1/3.png"),
        (Kind.WITHOUT_IMAGE, "p2/3", "no file images/p2/3.png"),
    }


def test_ids_that_no_two_groups_share_stay_as_they_are(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p2/2") for kind in ("images", "masks")))
    found = find(tmp_path, **GROUPED, splits={"ratios": {"train": 1.0}})["train"]
    assert [(pair.id, pair.group) for pair in found.pairs] == [("1", "p1"), ("2", "p2")]


def test_a_list_names_images_with_and_without_their_group(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{name}.png" for name in ("p1/1", "p1/2", "p2/1") for kind in ("images", "masks")))
    (tmp_path / "t.txt").write_text("p1/1\n2\n")
    (tmp_path / "v.txt").write_text("1\n")
    lists = {"lists": {"train": "t.txt", "val": "v.txt"}}
    advice = r"v\.txt names 1 ids that several groups have: 1\. Write them as \{group\}/\{id\}, such as p1/1\."
    with pytest.raises(DatasetError, match=advice):
        find(tmp_path, **GROUPED, splits=lists)
    (tmp_path / "v.txt").write_text("p2/1\n")
    found = find(tmp_path, **GROUPED, splits=lists)
    assert {name: [pair.id for pair in split.pairs] for name, split in found.items()} == {
        "train": ["p1/1", "p1/2"],
        "val": ["p2/1"],
    }


def test_an_empty_split_and_a_pattern_without_files_are_told(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "masks/a.png")
    with pytest.raises(DatasetError, match=r"no image is in (train|val)\. Another `seed`"):
        find(tmp_path)
    with pytest.raises(DatasetError, match=r"No file matches masks: gt/\{id\}\.png\.\nThere are: images/, masks/"):
        find(tmp_path, masks="gt/{id}.png")


# --- masks -----------------------------------------------------------------------------------------------------------

IDS = np.array([[0, 1], [2, 1]], np.uint8)


def palette_png(indices: np.ndarray) -> bytes:
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        encoded(IDS),
        palette_png(IDS),
        encoded(np.stack([IDS] * 3, -1)),
        encoded(np.dstack([IDS] * 3 + [np.full_like(IDS, 255)])),
        encoded(np.dstack([IDS, np.full_like(IDS, 255)])),
        encoded(IDS.astype(np.uint16)),
        encoded(IDS, "TIFF"),
        encoded(IDS.astype(np.float32), "TIFF"),
    ],
    ids=["grey", "palette", "rgb", "rgba", "grey-alpha", "16-bit", "tiff", "float"],
)
def test_ids_in_every_guise(content: bytes) -> None:
    np.testing.assert_array_equal(files.raw_ids(content, "apply"), IDS)


@pytest.mark.parametrize(("value", "told"), [(0.5, "0.5"), (np.nan, "nan"), (1e30, "1e\\+30")])
def test_a_mask_of_broken_numbers_is_told(value: float, told: str) -> None:
    named = [{"name": name} for name in "abc"]
    read = reader_of(as_layout(classes=named)).mask
    np.testing.assert_array_equal(read(encoded(IDS.astype(np.float32), "TIFF")), IDS)
    with pytest.raises(BadFileError, match=f"it holds numbers that are not whole, such as {told}"):
        read(encoded(np.array([[0, 1], [2, value]], np.float32), "TIFF"))


def test_ids_without_raw_are_places_and_others_can_be_ignored() -> None:
    named = [{"name": "a"}, {"name": "b"}]
    mask = reader_of(as_layout(classes=named, mask={"read": "ids", "others": "ignore"})).mask
    np.testing.assert_array_equal(mask(encoded(IDS)), [[0, 1], [IGNORE, 1]])
    with pytest.raises(BadFileError, match=r"received 2 \(1 px\); allowed 0..1"):
        reader_of(as_layout(classes=named)).mask(encoded(IDS))


def test_several_raw_ids_are_one_class_and_some_do_not_count() -> None:
    named = [{"name": "a", "raw": [0, 2]}, {"name": "b", "raw": 65535}]
    mask = reader_of(as_layout(classes=named, ignore=[1])).mask
    raw = np.array([[0, 1], [2, 65535]], np.uint16)
    np.testing.assert_array_equal(mask(encoded(raw)), [[0, IGNORE], [0, 1]])


def test_a_threshold_takes_a_jpeg() -> None:
    pixels = np.kron([[0, 255], [255, 0]], np.ones((16, 16))).astype(np.uint8)
    mask = reader_of(as_layout(classes=[{"name": "a"}, {"name": "b"}], mask={"read": "threshold"})).mask
    np.testing.assert_array_equal(mask(encoded(pixels, "JPEG", quality=60)), pixels // 255)
    np.testing.assert_array_equal(mask(encoded(pixels.astype(np.uint16) * 257)), pixels // 255)


def test_colours_exact_or_nearest() -> None:
    named = [{"name": "a", "raw": [0, 0, 0]}, {"name": "b", "raw": [[255, 0, 0], [0, 255, 0]]}]
    rgb = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [9, 9, 9]]], np.uint8)
    mask = reader_of(as_layout(classes=named, mask={"read": "colours"}, ignore=[[9, 9, 9]])).mask
    np.testing.assert_array_equal(mask(encoded(rgb)), [[0, 1], [1, IGNORE]])
    with pytest.raises(BadFileError, match=r"received \(9, 9, 9\) \(1 px\)"):
        reader_of(as_layout(classes=named, mask={"read": "colours"})).mask(encoded(rgb))
    others = reader_of(as_layout(classes=named, mask={"read": "colours", "others": "ignore"})).mask
    np.testing.assert_array_equal(others(encoded(rgb)), [[0, 1], [1, IGNORE]])
    nearest = reader_of(as_layout(classes=named, mask={"read": "colours", "nearest": True})).mask
    np.testing.assert_array_equal(nearest(encoded(rgb)), [[0, 1], [1, 0]])


def test_a_mat_file_without_the_key_says_what_it_holds() -> None:
    file = io.BytesIO()
    scipy.io.savemat(file, {"GT": IDS})
    named = [{"name": name} for name in "abc"]
    found = reader_of(as_layout(classes=named, mask={"read": "mat", "key": "GT"})).mask(file.getvalue())
    np.testing.assert_array_equal(found, IDS)
    with pytest.raises(BadFileError, match="no 'gt'; it holds GT") as caught:
        reader_of(as_layout(classes=named, mask={"read": "mat", "key": "gt"})).mask(file.getvalue())
    assert caught.value.kind is Kind.MASK_KEY


def test_a_mask_of_colours_read_as_ids_is_told() -> None:
    rgb = np.random.default_rng(0).integers(0, 3, (4, 4, 3)).astype(np.uint8)
    with pytest.raises(BadFileError, match="its 3 channels differ; a mask of colours needs `read: colours`"):
        files.raw_ids(encoded(rgb), "apply")


# --- images ----------------------------------------------------------------------------------------------------------

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def decoded(content: bytes) -> tuple[str, np.ndarray]:
    with Image.open(io.BytesIO(content)) as image:
        return image.mode, np.asarray(image)


@pytest.mark.parametrize("content", [encoded(RGB), encoded(RGB, "JPEG"), encoded(RGB[..., 0]), palette_png(IDS)])
def test_what_fits_a_record_is_not_touched(content: bytes) -> None:
    assert files.record_image(content, 0, 65535, "apply") is content


def test_16_bits_become_8_by_the_range() -> None:
    content = encoded(np.array([[0, 1000], [4095, 9000]], np.uint16))
    np.testing.assert_array_equal(decoded(files.record_image(content, 0, 4095, "apply"))[1], [[0, 62], [255, 255]])


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = (struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
             for name, data in chunks)  # fmt: skip
    return labels.PNG_SIGNATURE + b"".join(parts)


def deep_png(kind: int, channels: int) -> bytes:
    """A PNG of one pixel, 16 bits a channel, each 0x0fff."""
    header = struct.pack(">IIBBBBB", 1, 1, 16, kind, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + b"\x0f\xff" * channels)), (b"IEND", b"")])


def deep_tiff() -> bytes:
    """A TIFF of one pixel, 16-bit RGB, each 0x0fff."""
    tags = [(256, 1), (257, 1), (258, 0), (259, 1), (262, 2), (273, 0), (277, 3), (278, 1), (279, 6)]
    end = 8 + 2 + 12 * len(tags) + 4
    places = {258: (3, end), 273: (1, end + 6)}
    entries = (struct.pack("<HHII", tag, 3, *places.get(tag, (1, value))) for tag, value in tags)
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4)
    return start + struct.pack("<3H", 16, 16, 16) + struct.pack("<3H", *[0x0FFF] * 3)


DEEP = pytest.mark.parametrize(
    "content",
    [deep_png(2, 3), deep_png(6, 4), deep_png(4, 2), deep_tiff()],
    ids=["rgb", "rgba", "grey-alpha", "tiff"],
)


@DEEP
def test_a_range_is_never_left_out_silently(content: bytes) -> None:
    with pytest.raises(BadFileError, match="range` cannot be applied to it; convert it to 8 bits, or to grey") as told:
        files.record_image(content, 0, 4095, "apply")
    assert told.value.kind is Kind.DEPTH
    assert (decoded(files.record_image(content, 0, 65535, "apply"))[1][..., 0] == 0x0F).all()


@DEEP
def test_a_mask_of_16_bit_colour_is_refused(content: bytes) -> None:
    for read in (files.raw_ids, files.rgb_pixels):
        with pytest.raises(BadFileError, match="its low bytes cannot be read; convert it to 8 bits, or to grey"):
            read(content, "apply")


def test_a_png_without_orientation_is_not_decoded_and_an_odd_one_is_told() -> None:
    header = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    pixels, end = (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")
    damaged = (b"IDAT", b"no pixels")
    plain = png([header, damaged, end])
    assert files.record_image(plain, 0, 65535, "apply") is plain  # as the pixels of any PNG, by its checksums alone
    text = b"XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation="
    for odd in ([header, damaged, (b"iTXt", text), end], [header, (b"eXIf", b"no tags"), damaged, end]):
        with pytest.raises(BadFileError) as told:
            files.record_image(png(odd), 0, 65535, "apply")
        assert told.value.kind is Kind.DAMAGED
    after = png([header, pixels, (b"iTXt", text + b'"6"'), end])
    assert files.record_image(after, 0, 65535, "apply") is not after


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP"])
def test_other_formats_become_png_without_loss(kind: str) -> None:
    content = encoded(RGB, kind, **({"lossless": True} if kind == "WEBP" else {}))
    mode, pixels = decoded(files.record_image(content, 0, 65535, "apply"))
    assert mode == "RGB"
    np.testing.assert_array_equal(pixels, RGB)


def test_transparency_is_dropped() -> None:
    rgba = np.dstack([RGB, np.full((5, 7), 40, np.uint8)])
    mode, pixels = decoded(files.record_image(encoded(rgba), 0, 65535, "apply"))
    assert mode == "RGB"
    np.testing.assert_array_equal(pixels, RGB)


def test_an_orientation_turns_image_and_mask_unless_it_is_ignored() -> None:
    exif = Image.Exif()
    exif[files.ORIENTATION] = 6  # to be turned clockwise
    photo, mask = encoded(RGB, "PNG", exif=exif), encoded(RGB[..., 0] // 128, "PNG", exif=exif)
    _, pixels = decoded(files.record_image(photo, 0, 65535, "apply"))
    np.testing.assert_array_equal(pixels, np.rot90(RGB, -1))
    np.testing.assert_array_equal(files.raw_ids(mask, "apply"), np.rot90(RGB[..., 0] // 128, -1))
    assert files.record_image(photo, 0, 65535, "ignore") is photo
    np.testing.assert_array_equal(files.raw_ids(mask, "ignore"), RGB[..., 0] // 128)
    with Image.open(io.BytesIO(files.record_image(photo, 0, 65535, "apply"))) as turned:
        assert files.ORIENTATION not in turned.getexif()


@pytest.mark.parametrize(("content", "kind"), [(b"<html>", Kind.NOT_AN_IMAGE), (encoded(RGB)[:60], Kind.DAMAGED)])
def test_what_is_no_image_is_told(content: bytes, kind: Kind) -> None:
    with pytest.raises(BadFileError) as caught:
        files.raw_ids(content, "apply")
    assert caught.value.kind is kind


# --- the whole way ---------------------------------------------------------------------------------------------------


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
    shown = set()
    for example in tfds.as_numpy(builder.as_dataset(split="train")):
        assert example["image"].shape == (101, 101, 3) and example["label"].shape == (101, 101, 1)
        shown |= set(np.unique(example["label"]).tolist())
    assert shown == {0, 1}
    assert tfds.builder_from_directory(builder.data_dir).info.features["label"].names == ["sediment", "salt"]


def test_another_meaning_of_the_same_masks_makes_other_records(tmp_path: Path) -> None:
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
def test_tfds_own_test_of_a_builder_passes(tmp_path: Path) -> None:
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


def test_a_builder_without_a_layout_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"needs the YAML file .* data\.layout"):
        Builder(data_dir=tmp_path)
