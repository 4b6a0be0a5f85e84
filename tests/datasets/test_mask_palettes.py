"""Palettes that give one index several colours: init reads colours, ingest refuses and names the masks."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from datasets.errors import DatasetError
from datasets.image_folder import guess, masks, palettes
from datasets.image_folder.image_folder_dataset_builder import Builder, reader_of
from datasets.image_folder.layout import Layout
from datasets.raw import RawFolder
from tests.datasets.described_folder import described, encoded, put
from tests.datasets.drawn_masks import indexed

COLOURS = ((0, 0, 0), (230, 25, 75), (60, 180, 75), (0, 130, 200))

TRUTH = np.arange(48).reshape(6, 8) % 4
"""Class of each pixel: index into COLOURS."""


def in_order(order: Sequence[int], kind: str = "PNG", **options) -> bytes:
    """Encode TRUTH with the palette in another order, as a tool does that numbers the colours of each file."""
    ids = np.array([order.index(class_) for class_ in range(4)])[TRUTH]
    return indexed(ids, *(COLOURS[class_] for class_ in order), kind=kind, **options)


def write(root: Path, contents: Sequence[bytes], suffix: str = "png") -> None:
    for index, content in enumerate(contents):
        put(root, f"masks/{index}.{suffix}", content=content)
        put(root, f"images/{index}.png", content=encoded(np.full((6, 8), index, np.uint8)))


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tif")])
def test_init_reads_colours_where_palettes_differ(kind: str, suffix: str, tmp_path: Path) -> None:
    contents = [in_order([0, 1, 2, 3], kind), in_order([0, 2, 1, 3], kind), in_order([3, 1, 0, 2], kind)]
    write(tmp_path, contents, suffix)
    result = guess.guess(tmp_path)
    assert result.layout["mask"] == {"read": "colours"}
    listed = [tuple(one["raw"]) for one in result.layout["classes"]]
    assert sorted(listed) == sorted(COLOURS)
    note = "palettes differ, so colours are read, not indices: 0 is [0, 0, 0] in"
    assert any(note in line for line in result.notes)
    read = reader_of(Layout.model_validate(result.layout)).mask
    for content in contents:
        np.testing.assert_array_equal(read(content), np.array([listed.index(colour) for colour in COLOURS])[TRUTH])


def test_one_mask_of_many_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "SAMPLED", 3)
    write(tmp_path, [in_order([0, 1, 2, 3])] * 20 + [in_order([0, 2, 1, 3])] + [in_order([0, 1, 2, 3])] * 20)
    result = guess.guess(tmp_path)  # the sample does not hold the mask that differs
    assert result.layout["mask"] == {"read": "colours"} and len(result.layout["classes"]) == 4


def test_palettes_that_differ_where_no_pixel_is_are_the_same(tmp_path: Path) -> None:
    contents = [indexed(TRUTH, *COLOURS, (9, 9, index)) for index in range(5)]
    contents += [indexed(np.minimum(TRUTH, 2), *COLOURS[:3], (1, 2, 3)), indexed(TRUTH * 0, *COLOURS[:1])]
    write(tmp_path, contents)
    layout = guess.guess(tmp_path).layout
    assert layout["mask"] == {"read": "ids"}
    assert [tuple(one["colour"]) for one in layout["classes"]] == list(COLOURS)
    records(tmp_path, layout=layout)


def test_ids_have_no_colours_where_the_palette_repeats_one(tmp_path: Path) -> None:
    write(tmp_path, [indexed(TRUTH, COLOURS[0], COLOURS[1], COLOURS[1], COLOURS[1])] * 3)
    layout = guess.guess(tmp_path).layout
    assert layout["mask"] == {"read": "ids"}
    assert layout["classes"] == [{"name": f"class_{index}", "raw": index} for index in range(4)]


def test_colours_that_are_random_in_each_mask_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    big = TRUTH.repeat(5, 0).repeat(5, 1)
    write(tmp_path, [indexed(big, COLOURS[0], *rng.integers(20, 256, (3, 3)).tolist()) for _ in range(6)])
    with pytest.raises(DatasetError) as caught:
        guess.guess(tmp_path)
    assert "18 of 19 values" in str(caught.value) and "mask: {read: ids, palette: ignore}" in str(caught.value)


# --- ingest ----------------------------------------------------------------------------------------------------------


def records(root: Path, *, layout: dict, on_bad_input: str = "error") -> dict[str, np.ndarray]:
    """Convert a folder with all images in train; return the labels by id."""
    path = described(root / "a.yaml", **{**layout, "splits": {"ratios": {"train": 1.0}}})
    builder = Builder(layout=path, data_dir=root / "out", on_bad_input=on_bad_input)
    config = tfds.download.DownloadConfig(manual_dir=root, try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return {e["id"].decode(): e["label"][..., 0] for e in tfds.as_numpy(builder.as_dataset(split="train"))}


IDS = {"mask": {"read": "ids"}, "classes": [{"name": name, "raw": index} for index, name in enumerate("abcd")]}


def test_ingest_refuses_ids_whose_palettes_differ_and_names_the_masks(tmp_path: Path) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3])] * 3 + [in_order([0, 2, 1, 3])])
    with pytest.raises(DatasetError) as caught:
        records(tmp_path, layout=IDS)
    message = str(caught.value)
    assert "an id of several colours (see mask.palette) (1)" in message
    assert "`mask: {read: colours}` reads colours; if ids are right, add `palette: ignore`" in message
    assert "masks/3.png: 1 is (60, 180, 75) in its palette, (230, 25, 75) in masks/0.png" in message
    problems = json.loads(next((tmp_path / "out").glob("*.audit.json")).read_text())["problems"]
    assert [(one["file"], one["id"]) for one in problems] == [("masks/3.png", "3")]


def test_check_refuses_what_ingest_refuses(tmp_path: Path) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3])] * 3 + [in_order([0, 2, 1, 3])])
    layout = described(tmp_path / "a.yaml", **{**IDS, "splits": {"ratios": {"train": 1.0}}})
    with pytest.raises(DatasetError, match=r"masks/3\.png: 1 is \(60, 180, 75\) in its palette"):
        Builder(layout=layout, data_dir=tmp_path / "out").survey(tmp_path)


def test_init_names_the_palettes_that_contradict_the_list_of_a_tool(tmp_path: Path) -> None:
    """What the ids mean is known from the list, but not which mask has them right."""
    for index, order in enumerate(([0, 1, 2, 3], [0, 1, 2, 3], [0, 2, 1, 3])):
        put(tmp_path, f"JPEGImages/{index}.png", content=encoded(np.full((6, 8), index, np.uint8)))
        put(tmp_path, f"SegmentationClassPNG/{index}.png", content=in_order(order))
    (tmp_path / "class_names.txt").write_text("_background_\none\ntwo\nthree\n")
    notes = guess.guess(tmp_path).notes
    assert any("an id of several colours" in note and "SegmentationClassPNG/2.png" in note for note in notes)


def test_a_further_mask_is_compared_too(tmp_path: Path) -> None:
    put(tmp_path, "images/a.png", "images/b.png", content=encoded(np.zeros((6, 8), np.uint8)))
    two = np.minimum(TRUTH, 1)
    for name, colour in (("a", 1), ("a_1", 2), ("b", 1)):
        put(tmp_path, f"masks/{name}.png", content=indexed(two, COLOURS[0], COLOURS[colour]))
    classes = [{"name": "ground", "raw": 0}, {"name": "thing", "raw": 1}]
    union = {"mask": {"read": "ids", "union": True}, "classes": classes}
    assert list(records(tmp_path, layout=union, on_bad_input="quarantine")) == ["b"]


def test_quarantine_leaves_out_the_masks_that_differ(tmp_path: Path) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3])] * 3 + [in_order([0, 2, 1, 3])])
    labels = records(tmp_path, layout=IDS, on_bad_input="quarantine")
    assert sorted(labels) == ["0", "1", "2"]
    np.testing.assert_array_equal(labels["0"], TRUTH)


def test_the_colours_of_the_layout_decide_which_masks_differ(tmp_path: Path) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3])] * 3 + [in_order([0, 2, 1, 3])])
    classes = [{"name": name, "raw": index} for index, name in enumerate("abcd")]
    classes[1]["colour"], classes[2]["colour"] = list(COLOURS[2]), list(COLOURS[1])
    assert sorted(records(tmp_path, layout={**IDS, "classes": classes}, on_bad_input="quarantine")) == ["3"]


@pytest.mark.parametrize("mask", [{"read": "ids", "palette": "ignore"}, {"read": "colours"}])
def test_a_layout_may_say_what_is_right(mask: dict, tmp_path: Path) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3]), in_order([0, 2, 1, 3])])
    classes = [
        {"name": name, "raw": list(colour) if mask["read"] == "colours" else index}
        for index, (name, colour) in enumerate(zip("abcd", COLOURS, strict=True))
    ]
    labels = records(tmp_path, layout={"mask": mask, "classes": classes})
    swapped = np.array([0, 2, 1, 3])[TRUTH]
    np.testing.assert_array_equal(labels["1"], TRUTH if mask["read"] == "colours" else swapped)


def test_masks_in_a_zip_are_compared(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "masks.zip", "w") as archive:
        for index, order in enumerate(([0, 1, 2, 3], [0, 2, 1, 3])):
            archive.writestr(f"masks/{index}.png", in_order(order))
            put(tmp_path, f"images/{index}.png", content=encoded(np.full((6, 8), index, np.uint8)))
    assert guess.guess(tmp_path).layout["mask"] == {"read": "colours"}
    with pytest.raises(DatasetError, match=r"masks/1\.png: 1 is \(60, 180, 75\) in its palette"):
        records(tmp_path, layout=IDS)


# --- headers ---------------------------------------------------------------------------------------------------------


def test_only_headers_are_read_where_palettes_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [in_order([0, 1, 2, 3])] * 3 + [encoded(TRUTH.astype(np.uint8))])
    monkeypatch.setattr(RawFolder, "read", lambda *_: pytest.fail("a whole file was read"))
    names = [f"masks/{index}.png" for index in range(4)]
    assert palettes.disputed(RawFolder(tmp_path), names) == {}


def test_a_palette_after_other_chunks_is_read(tmp_path: Path) -> None:
    profile = {"icc_profile": np.random.default_rng(0).bytes(3 * palettes.HEAD)}
    write(tmp_path, [in_order([0, 1, 2, 3], **profile), in_order([0, 2, 1, 3], **profile)])
    disputed = palettes.disputed(RawFolder(tmp_path), ["masks/0.png", "masks/1.png"])
    assert disputed[1] == {COLOURS[1]: ["masks/0.png"], COLOURS[2]: ["masks/1.png"]}


def test_damaged_masks_are_passed_over(tmp_path: Path) -> None:
    good, other = in_order([0, 1, 2, 3]), in_order([0, 2, 1, 3])
    write(tmp_path, [good, good[:40], good[:20], b"no image", other[:-20], other])
    names = [f"masks/{index}.png" for index in range(6)] + ["masks/none.png"]
    assert palettes.disputed(RawFolder(tmp_path), names)[2] == {
        COLOURS[2]: ["masks/0.png"],
        COLOURS[1]: ["masks/5.png"],
    }
