"""Annotations through the whole of ingest: records, cache, zip files, memory, and the table of docs/data.md."""

import json
import re
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets.annotations import tools
from datasets.annotations.outlines import crosses_itself
from datasets.annotations.tools import TOOLS
from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.image_folder import files
from datasets.image_folder import layout as layouts
from datasets.image_folder.annotation_section import PER_IMAGE, ToolName
from datasets.image_folder.guess import guess
from datasets.raw import RawFolder
from datasets.segmentation_builder import AUDIT
from tests.datasets.annotations import test_cvat, test_label_studio, test_via
from tests.datasets.annotations.exports import (
    SQUARE,
    TRIANGLE,
    builder_of,
    drawing,
    filled,
    flat,
    numbered,
    photos,
    put_json,
    read_all,
)
from tests.datasets.annotations.test_coco import annotation, document, layout

PROJECT = Path(__file__).parents[3]


def export(folder: Path, number: int = 6, shape: list = SQUARE) -> dict:
    names = [f"{at}.jpg" for at in range(number)]
    photos(folder / "images", *names)
    shapes = [annotation(at, at, 7, [flat(shape)]) for at in range(number)]
    put_json(folder / "annotations/x.json", document(names, shapes))
    return layout(
        splits={"ratios": {"train": 0.5, "val": 0.5}}, annotations={"tool": "coco", "files": "annotations/x.json"}
    )


def test_records_hold_the_images_as_they_are_and_the_labels(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    described = export(folder)
    builder = builder_of(folder, described, tmp_path / "out")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(folder)))
    labels, _ = read_all(folder, described, tmp_path / "again")
    seen = 0
    for split in ("train", "val"):
        decoders = {"image": tfds.decode.SkipDecoding()}
        for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders)):
            id_ = example["id"].decode()
            assert example["image"] == (folder / "images" / f"{id_}.jpg").read_bytes()
            np.testing.assert_array_equal(example["label"][..., 0], labels[id_])
            seen += 1
    assert seen == 6


def test_a_polygon_that_crosses_itself_is_drawn_and_noted(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    described = export(folder, shape=[[4, 4], [20, 16], [20, 4], [4, 16]])
    builder = builder_of(folder, described, tmp_path / "out")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=str(folder)))
    audit = json.loads((Path(builder.data_path) / AUDIT).read_text())
    assert len(audit["noted"]) == 6 and not audit["problems"] and not audit["passed_over"]
    noted = audit["noted"][0]
    assert (
        noted["file"] == "annotations/x.json"
        and noted["detail"] == f"images/{noted['id']}.jpg, annotation {noted['id']}"
    )


@pytest.mark.parametrize(
    ("points", "crosses"),
    [
        (SQUARE, False),
        (TRIANGLE, False),
        ([[0, 0], [4, 4], [4, 0], [0, 4]], True),
        ([[0, 0], [4, 0], [4, 4], [2, 0], [0, 4]], False),  # touches its own edge
        ([[0, 0], [4, 0], [4, 0], [4, 4], [0, 4]], False),  # a corner twice
        ([[0, 0], [6, 0], [6, 6], [3, -1], [0, 6]], True),
    ],
)
def test_crossings(points: list, crosses: bool) -> None:
    assert crosses_itself(np.array(points, float)) is crosses


def test_files_in_a_zip_are_read_as_those_on_disk(tmp_path: Path) -> None:
    described = export(tmp_path / "data")
    plain, _ = read_all(tmp_path / "data", described, tmp_path / "out")
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    with zipfile.ZipFile(zipped / "export.zip", "w") as archive:
        for file in RawFolder(tmp_path / "data").files("**/*"):
            archive.write(tmp_path / "data" / file, file)
    labels, problems = read_all(zipped, described, tmp_path / "out2")
    assert not problems and labels.keys() == plain.keys()
    assert all((labels[id_] == plain[id_]).all() for id_ in plain)


def test_annotation_files_are_among_the_sources(tmp_path: Path) -> None:
    """Their contents are part of the raw digest, and of the shards that the cache keeps."""
    builder = builder_of(tmp_path / "data", export(tmp_path / "data"), tmp_path / "out")
    assert "annotations/x.json" in builder.spec.sources
    (pair, *_) = builder.find(RawFolder(tmp_path / "data"))["train"].pairs
    assert "annotations/x.json" in pair.files


def test_many_annotations_take_little_memory(tmp_path: Path) -> None:
    """What is kept of 20,000 annotations is a sixth of their text, however many pixels they cover."""
    names = [f"{at}.jpg" for at in range(2000)]
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).write_bytes(b"")
    shape = flat((np.random.default_rng(0).random((40, 2)) * 20).round(2).tolist())
    put_json(
        tmp_path / "annotations/x.json", document(names, [annotation(at, at % 2000, 7, [shape]) for at in range(20000)])
    )
    builder = builder_of(tmp_path, layout(), tmp_path / "out")
    tracemalloc.start()
    splits = builder.find(RawFolder(tmp_path))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(splits["train"].pairs) == 2000
    assert kept < (tmp_path / "annotations/x.json").stat().st_size / 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"masks": "masks/{id}.png"}, "annotations: stand in place of masks; leave one of them out."),
        ({"ignore": [255]}, "Labels to ignore go to annotations.ignore."),
        ({"annotations": {"tool": "paint", "files": "x"}}, "annotations.tool: Input should be 'coco'"),
        ({"annotations": {"tool": "coco", "files": []}}, "must be one or more patterns relative to the folder"),
        ({"annotations": {"tool": "coco", "files": "../x.json"}}, "Received: '../x.json'."),
        ({"annotations": {"tool": "coco", "file": "x.json"}}, "annotations.file: there is no such key. Did you mean"),
        ({"annotations": {"tool": "coco", "files": "x.json", "uncovered": "sky"}}, "Received: 'sky'; classes are"),
        ({"annotations": {"tool": "coco", "files": "x.json", "attribute": "a"}}, "annotations.attribute: is for via"),
        ({"classes": [{"name": "background"}, {"name": "a", "labels": ["x", "x"]}]}, "Twice: x"),
    ],
)
def test_mistakes_of_a_layout_are_named(tmp_path: Path, changes: dict, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        builder_of(tmp_path, layout(**changes), tmp_path / "out")
    assert words in str(caught.value)


def test_labels_without_annotations_are_a_mistake(tmp_path: Path) -> None:
    changed = layout(
        masks="masks/{id}.png", mask={"read": "ids"}, classes=[{"name": "a"}, {"name": "b", "labels": ["x"]}]
    )
    del changed["annotations"]
    with pytest.raises(DatasetError, match="`labels` go with `annotations`"):
        builder_of(tmp_path, changed, tmp_path / "out")


@pytest.mark.parametrize(
    ("tool", "content"),
    [
        ("supervisely", {"objects": ["x"]}),
        ("label_studio", {"data": {}, "annotations": [7]}),
        ("label_studio", [1]),
        ("via", {"filename": "a.jpg", "regions": 5}),
        ("via", [1]),
        ("cvat", "<image"),
    ],
)
def test_what_is_otherwise_than_the_tool_has_it_is_a_bad_file(tool: str, content: object) -> None:
    with pytest.raises(BadFileError, match=r"a\.jpg: not as .* has it"):
        tools.draw(drawing(content), tool, numbered("a"))


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    photos(tmp_path / "images", "a.jpg")
    with pytest.raises(DatasetError, match=r"No file matches annotations\.files: annotations/\*\.json"):
        read_all(tmp_path, layout(), tmp_path / "out")


def test_other_tools_are_named(tmp_path: Path) -> None:
    described = export(tmp_path)
    put_json(tmp_path / "images/0.json", {"shapes": [{"label": "a", "points": TRIANGLE}], "imagePath": "0.jpg"})
    guessed = guess(tmp_path)
    assert guessed.layout["annotations"]["files"] == described["annotations"]["files"]
    assert "files of other tools are not used: labelme (1)" in guessed.notes


def test_the_layout_and_the_docs_name_every_tool() -> None:
    assert set(TOOLS) == set(ToolName.__args__)
    table = (PROJECT / "docs/data.md").read_text(encoding="utf-8").split("### What we read")[1].split("\n\n")[2]
    rows = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    assert {tool.title for tool in TOOLS.values()} <= {*rows}
    readme = (PROJECT / "datasets/image_folder/README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in TOOLS)
    assert layouts.Layout.model_fields["annotations"]


@pytest.mark.parametrize("tool", PER_IMAGE)
def test_a_tool_with_a_file_for_each_image_needs_an_id_in_its_pattern(tmp_path: Path, tool: str) -> None:
    described = export(tmp_path / "data") | {"annotations": {"tool": tool, "files": "annotations/x.json"}}
    with pytest.raises(DatasetError) as caught:
        builder_of(tmp_path / "data", described, tmp_path / "out")
    words = (
        f"annotations.files: those of {tool} hold {{id}}, as there is a file for each image. Received: annotations/x"
    )
    assert words in str(caught.value)


def test_tools_with_a_file_for_each_image_have_no_index() -> None:
    assert {*PER_IMAGE, "class_masks"} == {name for name, tool in TOOLS.items() if tool.index is None}


def test_masks_beside_coco_and_images_without_a_shape_are_named(tmp_path: Path) -> None:
    names = [f"{at}.jpg" for at in range(6)]
    photos(tmp_path / "images", *names)
    photos(tmp_path / "masks", *(f"{at}.png" for at in range(6)))
    put_json(tmp_path / "coco.json", document(names, [annotation(at, at, 7, [flat(SQUARE)]) for at in range(2)]))
    notes = "\n".join(guess(tmp_path).notes)
    assert "6 masks of these images are not used: masks. If these are the labels, move the tool's files" in notes
    assert "4 of the images have no shape: all their pixels are uncovered" in notes
    assert "are named in no annotation" not in notes


@pytest.mark.parametrize(
    ("orientation", "size", "is_open"), [(6, (24, 24), True), (3, (24, 32), True), (1, (24, 24), False)]
)
def test_an_image_that_exif_turns_is_asked_about(tmp_path: Path, orientation: int, size: tuple, is_open: bool) -> None:
    """COCO's shapes may have been drawn on it turned or as stored; where sizes are the same, only the user knows."""
    exif = Image.Exif()
    exif[files.ORIENTATION] = orientation
    (tmp_path / "data/images").mkdir(parents=True)
    Image.new("RGB", size[::-1]).save(tmp_path / "data/images/0.jpg", exif=exif)
    tree = document(["0.jpg"], [annotation(0, 0, 7, [flat(SQUARE)])])
    tree["images"][0] |= {"height": size[0], "width": size[1]}
    put_json(tmp_path / "data/annotations/x.json", tree)
    described = layout(splits={"ratios": {"train": 1.0}}, annotations={"tool": "coco", "files": "annotations/x.json"})
    labels, problems = read_all(tmp_path / "data", described, tmp_path / "out")
    assert bool(labels) is not is_open and [problem.kind for problem in problems] == [Kind.ORIENTATION] * is_open
    for setting in ("apply", "ignore"):
        labels, problems = read_all(tmp_path / "data", described | {"image": {"exif": setting}}, tmp_path / setting)
        assert labels and not problems


@pytest.mark.parametrize("tool", ["cvat", "label_studio", "via"])
def test_polygons_are_filled_as_pycocotools_fills_them(tool: str) -> None:
    """Also those that leave the image. COCO's own, and what fills those of the other tools, is in their files."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        shapes = [rng.integers(-6, 40, (rng.integers(3, 9), 2)).tolist() for _ in "abc"]
        shapes = [[[4, 4], [9, 5], *points] for points in shapes]  # so that each touches the image
        content = {
            "cvat": lambda drawn: test_cvat.image(0, "a.jpg", *map(test_cvat.polygon, "abc", drawn)),
            "label_studio": lambda drawn: test_label_studio.task(
                "a.jpg", *map(test_label_studio.polygon, drawn, "abc")
            ),
            "via": lambda drawn: test_via.entry(
                "a.jpg", *(test_via.region(one, label=label) for one, label in zip(drawn, "abc", strict=True))
            ),
        }[tool](shapes)
        label = tools.draw(drawing(content), tool, numbered(*"abc"))
        np.testing.assert_array_equal(label, filled(*shapes))
