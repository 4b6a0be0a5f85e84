"""Helpers that write a folder of images and masks, and its layout."""

import io
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from datasets.image_folder import folder, layout
from datasets.raw import RawFolder

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
