"""Measure what labels drawn from COCO cost beyond decoding the images, and the memory that the index takes.

    .venv/bin/python tests/benchmarks/annotations.py [--annotations N] [--images N] [--drawn N]

The images are links to one JPEG of 480 x 640 pixels, the annotations polygons of 30 corners. CPU is this process's user
and system time; memory is the growth of its peak.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

PROJECT = Path(__file__).parents[2]
HEIGHT, WIDTH, CORNERS = 480, 640, 30
CLASSES = 80
MIB = 2**20


def write(folder: Path, annotations: int, images: int) -> None:
    """Write an export of COCO and its layout."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    small = Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8))
    small.resize((WIDTH, HEIGHT)).save(folder / "first.jpg", quality=90)
    for number in range(images):
        os.link(folder / "first.jpg", folder / "images" / f"{number}.jpg")
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shapes = []
    for number in range(annotations):
        centre, radius = rng.random(2) * [WIDTH, HEIGHT], rng.uniform(10, 80)
        points = centre + circle * radius * rng.uniform(0.8, 1.2, (CORNERS, 1))
        polygon = points.clip(0, [WIDTH, HEIGHT]).round(2).ravel().tolist()
        shapes.append({"id": number, "image_id": number % images, "category_id": number % CLASSES, "iscrowd": 0,
                       "area": radius**2, "bbox": [0, 0, 1, 1], "segmentation": [polygon]})  # fmt: skip
    names = [{"id": at, "file_name": f"{at}.jpg", "height": HEIGHT, "width": WIDTH} for at in range(images)]
    categories = [{"id": at, "name": f"class {at}"} for at in range(CLASSES)]
    tree = {"images": names, "categories": categories, "annotations": shapes}
    (folder / "annotations.json").write_text(json.dumps(tree), encoding="utf-8")
    layout = {
        "images": "images/{id}.jpg",
        "annotations": {"tool": "coco", "files": "annotations.json"},
        "splits": {"ratios": {"train": 1.0}},
        "classes": [{"name": "background"}, *({"name": category["name"]} for category in categories)],
    }
    (folder / "layout.yaml").write_text(yaml.safe_dump(layout), encoding="utf-8")


def measure(folder: Path, annotations: int, images: int, drawn: int) -> None:
    """Index the export, draw some of its labels, and print both costs."""
    from datasets import audit
    from datasets.image_folder.image_folder_dataset_builder import Builder
    from datasets.raw import RawFolder
    from datasets.shards import ShardWriter

    builder, raw = Builder(layout=folder / "layout.yaml", data_dir=folder / "out"), RawFolder(folder)
    before, began = _peak(), time.process_time()
    pairs = builder.find(raw)["train"].pairs
    cpu, grown = time.process_time() - began, _peak() - before
    text, pixels = (folder / "annotations.json").stat().st_size / MIB, annotations * HEIGHT * WIDTH / MIB
    print(f"index    {annotations} annotations of {images} images: {cpu / images * 1e3:.2f} ms CPU an image")
    print(f"memory   {grown:.0f} MiB: {grown / text:.2f} of the JSON, {grown / pixels:.4f} of the annotations' pixels")
    reader = builder.reader()
    writer = ShardWriter(raw, builder.spec.classes, reader)
    seconds = {"read": 0.0, "drawn": 0.0, "decoded": 0.0}
    for pair in pairs[:drawn]:
        began = time.process_time()
        audit.image_size(reader.image(raw.read(pair.image)))
        seconds["read"] += time.process_time() - began
        began = time.process_time()
        writer.read(pair, "train", [])
        seconds["drawn"] += time.process_time() - began
        began = time.process_time()
        np.asarray(Image.open(folder / pair.image))
        seconds["decoded"] += time.process_time() - began
    extra, decoded = (seconds["drawn"] - seconds["read"]) / drawn * 1e3, seconds["decoded"] / drawn * 1e3
    print(f"drawing  {extra:.2f} ms CPU an image, {extra / decoded:.2f} of decoding it; at most 3 ms")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=int, default=100_000)
    parser.add_argument("--images", type=int, default=14_000, help="COCO has 7 annotations an image")
    parser.add_argument("--drawn", type=int, default=500, help="images whose labels are drawn")
    options = parser.parse_args()
    sys.path.insert(0, str(PROJECT))
    with tempfile.TemporaryDirectory() as folder:
        arguments = (Path(folder), options.annotations, options.images)
        writer = multiprocessing.get_context("spawn").Process(target=write, args=arguments)  # its memory does not count
        writer.start()
        writer.join()
        measure(Path(folder), options.annotations, options.images, options.drawn)


if __name__ == "__main__":
    main()
