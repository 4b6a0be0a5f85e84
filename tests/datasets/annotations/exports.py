"""Small exports in the tools' true formats, and the labels that Segline reads from them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pycocotools.mask
import pytest
import yaml
from PIL import Image

from datasets.annotations.labels import Labels
from datasets.audit import BadFileError, Kind, Problem, lift_pillow_limit
from datasets.image_folder.guess import Guess, guess
from datasets.image_folder.image_folder_dataset_builder import Builder
from datasets.raw import RawFolder
from datasets.reader import Drawing
from datasets.shards import ShardWriter

WIDTH, HEIGHT = 32, 24
SIZE = (HEIGHT, WIDTH)
SQUARE, TRIANGLE = [[4, 4], [20, 4], [20, 16], [4, 16]], [[10, 8], [30, 8], [30, 22]]
"""Two polygons that overlap."""


def photos(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    """Write photos of random colours."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path)


def put_json(path: Path, tree: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tree), encoding="utf-8")


def flat(points: Sequence[Sequence[float]]) -> list[float]:
    return [value for point in points for value in point]


def filled(*polygons: Sequence[Sequence[float]]) -> np.ndarray:
    """Labels 1, 2, ... of polygons as pycocotools fills them, a later one on top: uint8 [H, W]."""
    label = np.zeros(SIZE, np.uint8)
    for value, points in enumerate(polygons, 1):
        code = pycocotools.mask.frPyObjects([flat(points)], HEIGHT, WIDTH)
        label[pycocotools.mask.decode(code)[..., 0] > 0] = value
    return label


def layout_of(tool: str, files: str, *classes: str, **changes: object) -> dict:
    """Return a layout of one split."""
    return {
        "images": "images/{id}.jpg",
        "annotations": {"tool": tool, "files": files},
        "splits": {"ratios": {"train": 1.0}},
        "classes": [{"name": name} for name in ("background", *classes)],
        **changes,
    }


def fault_of(draw: Callable, drawn: Drawing, labels: Labels) -> str:
    """Return what a tool says about a bad annotation."""
    with pytest.raises(BadFileError) as caught:
        draw(drawn, labels)
    assert caught.value.kind is Kind.ANNOTATION
    return caught.value.detail


def builder_of(folder: Path, layout: dict, out: Path) -> Builder:
    """Return a builder of a layout, whose file is in `out`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "layout.yaml").write_text(yaml.safe_dump(layout, sort_keys=False), encoding="utf-8")
    return Builder(layout=out / "layout.yaml", data_dir=out)


def read_all(folder: Path, layout: dict, out: Path) -> tuple[dict[str, np.ndarray], list[Problem]]:
    """Read every example as ingest does: {id: train ids}, and all problems."""
    builder, raw = builder_of(folder, layout, out), RawFolder(folder)
    writer = ShardWriter(raw, builder.spec.classes, builder.reader())
    labels, problems = {}, []
    for name, split in builder.find(raw).items():
        problems += split.problems
        for pair in split.pairs:
            own: list[Problem] = []
            with lift_pillow_limit():
                _, label = writer.read(pair, name, own)
            problems += own
            if not any(problem.kind.is_error for problem in own):
                labels[pair.id] = label
    return labels, problems


def init_and_read(folder: Path, out: Path) -> tuple[Guess, dict[str, np.ndarray]]:
    """Guess the layout, and read every example by it; there must be no problem."""
    guessed = guess(folder)
    labels, problems = read_all(folder, yaml.safe_load(guessed.text()), out)
    assert not [problem for problem in problems if problem.kind.is_error], problems
    return guessed, labels


def drawing(*files: bytes | str | object, size: tuple[int, int] = SIZE, image: str = "a.jpg") -> Drawing:
    """Return what is drawn: bytes and text as they are, anything else as JSON."""
    contents = [
        file if isinstance(file, bytes) else (file if isinstance(file, str) else json.dumps(file)).encode()
        for file in files
    ]
    return Drawing(image, size, [(f"file{index}", content) for index, content in enumerate(contents)])


def numbered(*labels: str, uncovered: int = 0) -> Labels:
    """Return the labels with train ids from 1 on."""
    return Labels({label: index for index, label in enumerate(labels, 1)}, uncovered)
