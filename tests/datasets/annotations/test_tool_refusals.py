"""Files that a tool wrote and that are not read: the message names the files, the tool and the way out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.errors import DatasetError
from datasets.image_folder.guess import guess
from tests.datasets.annotations import test_cvat, test_labelme, test_via, test_yolo
from tests.datasets.annotations.exports import SIZE, SQUARE, flat, photos, put_json
from tests.datasets.annotations.test_coco import annotation, document

BOX = {"id": 0, "image_id": 0, "category_id": 7, "bbox": [1, 1, 5, 5], "area": 25, "segmentation": []}


def coco(folder: Path, *names: str, file: str = "instances.json", shapes: list | None = None) -> None:
    """Write an export whose images have a shape each, or those given, and photos that it does not name."""
    drawn = [annotation(at, at, 7, [flat(SQUARE)]) for at in range(len(names))]
    put_json(folder / file, document(list(names), drawn if shapes is None else shapes))
    photos(folder / "images", "a.jpg", "b.jpg")


def ambiguous(folder: Path) -> None:
    coco(folder, "a.jpg", "c.jpg")
    photos(folder / "copies", "a.jpg", "c.jpg")


def annotated_twice(folder: Path) -> None:
    for file in ("one.json", "two.json"):
        coco(folder, "a.jpg", "b.jpg", file=file)


def truncated(folder: Path) -> None:
    coco(folder, "a.jpg", "b.jpg")
    (folder / "instances.json").write_bytes((folder / "instances.json").read_bytes()[:200])


def yolo_without_names(folder: Path) -> None:
    test_yolo.export(folder)
    (folder / "data.yaml").unlink()


def brushes(folder: Path) -> None:
    photos(folder / "images", "a.jpg", "b.jpg")
    for task in (1, 2):
        Image.fromarray(np.eye(*SIZE, dtype=np.uint8)).save(folder / f"task-{task}-annotation-2-by-1-tag-car-0.png")


def cvat_video(folder: Path) -> None:
    photos(folder / "images", "frame_000000.jpg", "frame_000001.jpg")
    track = '<track id="0" label="road"><polygon frame="0" keyframe="1" outside="0" points="4,4;20,4;20,16"/></track>'
    (folder / "annotations.xml").write_text(f"<annotations>\n{test_cvat.META}{track}</annotations>\n")


def labelme_alone(folder: Path) -> None:
    put_json(folder / "0.json", test_labelme.document("0.jpg", test_labelme.shape("road", SQUARE)))


def two_attributes(folder: Path) -> None:
    photos(folder / "images", "a.jpg")
    put_json(folder / "via.json", {"a": test_via.entry("a.jpg", test_via.region(SQUARE, colour="red", size="big"))})


@pytest.mark.parametrize(
    ("write", "what", "way_out"),
    [
        (lambda folder: coco(folder, "a.jpg", "b.jpg", shapes=[BOX]), "instances.json is of COCO, with 2 images and 1 "
         "annotations, none with a segmentation", "COCO segmentation in Roboflow"),
        (lambda folder: coco(folder), "instances.json is of COCO, with 0 images and no annotation", "Draw polygons"),
        (lambda folder: coco(folder, "x.jpg", "y.jpg"), "instances.json (COCO): no image that is described can be used,"
         " as there is no image x.jpg", "Put the images into this folder"),
        (lambda folder: coco(folder, ""), "as an entry has no file name", "with the names that the tool gives them"),
        (ambiguous, "which image does instances.json mean? a.jpg may be copies/a.jpg or images/a.jpg",
         "give the folder in its name"),
        (annotated_twice, "images/a.jpg is annotated twice, in one.json and in two.json", "each annotated once"),
        (truncated, "instances.json is no JSON, but truncated or damaged (", "Export again"),
        (yolo_without_names, "labels/train/train0.txt, labels/train/train1.txt, labels/train/train2.txt and 3 more are "
         "of YOLO, and the file that names the classes is missing", "Write data.yaml"),
        (brushes, "task-1-annotation-2-by-1-tag-car-0.png, task-2-annotation-2-by-1-tag-car-0.png are brushes that "
         "Label Studio exported as images", "Export as JSON"),
        (cvat_video, "annotations.xml is of CVAT for video 1.1", "Export the task as CVAT for images 1.1"),
        (labelme_alone, "0.json (labelme): there is no image of the same name", ""),
        (two_attributes, "which attribute of the regions in via.json is the class? There are: colour (red); size (big)",
         "annotations.attribute"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(tmp_path: Path, write: Callable, what: str, way_out: str) -> None:
    write(tmp_path)
    with pytest.raises(DatasetError) as caught:
        guess(tmp_path)
    assert what in str(caught.value) and way_out in str(caught.value)
    assert "no images with masks" not in str(caught.value)


def test_masks_are_read_in_place_of_boxes_and_the_boxes_named(tmp_path: Path) -> None:
    coco(tmp_path, "a.jpg", "b.jpg", shapes=[BOX])
    (tmp_path / "masks").mkdir()
    for name in "ab":
        Image.fromarray(np.kron(np.eye(3, 4, dtype=np.uint8), np.ones((8, 8), np.uint8))).save(
            tmp_path / f"masks/{name}.png"
        )
    guessed = guess(tmp_path)
    assert guessed.layout["masks"] == "masks/{id}.png"
    assert any("instances.json is of COCO, with 2 images" in note for note in guessed.notes)


def test_an_image_and_its_mask_may_have_one_name(tmp_path: Path) -> None:
    coco(tmp_path, "a.png", "b.png")
    for folder in ("images", "masks"):
        photos(tmp_path / folder, "a.png", "b.png")
    assert guess(tmp_path).layout["images"] == "images/{id}.png"
