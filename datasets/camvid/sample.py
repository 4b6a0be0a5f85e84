"""Sample data in CamVid's own layout: drawn street scenes with exact masks."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import scenes
from datasets.camvid.classes import SPEC, VOID
from datasets.errors import DatasetError
from datasets.scenes import Surface

VERSION = 1
"""Raise it with every change of what is drawn, so that older samples are not taken for today's."""

STAMP = "sample.json"

SEQUENCES = ("0001TP", "0006R0", "0016E5", "Seq05VD")
"""The real set's drives. Each has a light of its own here, and all are in every split."""

CLASS_OF = {
    Surface.SKY: "Sky",
    Surface.BUILDING: "Building",
    Surface.POLE: "Pole",
    Surface.ROAD: "Road",
    Surface.PAVEMENT: "Pavement",
    Surface.TREE: "Tree",
    Surface.SIGN: "SignSymbol",
    Surface.FENCE: "Fence",
    Surface.CAR: "Car",
    Surface.PEDESTRIAN: "Pedestrian",
    Surface.BICYCLIST: "Bicyclist",
}


def write(out: Path, *, count: int, seed: int, size: tuple[int, int] = (360, 480)) -> dict[str, int]:
    """Write sample data; what is there already from the same settings is left alone.

    The data appears whole or not at all: it is drawn in a hidden folder beside `out`, which is renamed at the end.

    Args:
        out: Folder to make.
        count: Number of scenes over all splits.
        seed: Scene i is a function of (seed, i) alone.
        size: Height and width, pixels.

    Returns:
        Number of scenes of each split.

    Raises:
        DatasetError: A setting makes no sense, or `out` holds something else.
    """
    if count < 1 or min(size) < 16 or seed < 0:
        raise DatasetError(
            "Sample data needs count >= 1, seed >= 0 and a size of at least 16 x 16 pixels. "
            f"Received: count {count}, seed {seed}, size {size[0]} x {size[1]}."
        )
    out = Path(out)
    splits = split_sizes(count)
    stamp = {"dataset": SPEC.name, "version": VERSION, "count": count, "seed": seed, "size": list(size)}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        _check_same(out, stamp, splits)
        print(f"{out} holds this sample already: left as it is")
        return splits
    print(f"Drawing {count} scene{'s' * (count > 1)} in CamVid's layout ...", flush=True)
    _sweep(out)
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        _draw_all(partial, splits, seed, size)
        (partial / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
        partial.rename(out)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.strerror}. Make room or name another folder.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return splits


def split_sizes(count: int) -> dict[str, int]:
    """Share scenes out: about 60 % train, 25 % val, 15 % test; from three on, at least one each."""
    val = max(1, round(0.25 * count)) if count > 1 else 0
    test = max(1, count - round(0.6 * count) - val) if count > 2 else 0
    sizes = {"train": count - val - test, "val": val, "test": test}
    return {split: number for split, number in sizes.items() if number}


def scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw scene `index`: image uint8 [H,W,3] and mask uint8 [H,W] of CamVid's ids, VOID included."""
    rng = np.random.default_rng([seed, index])
    weather = scenes.weather(np.random.default_rng([seed, index % len(SEQUENCES), len(SEQUENCES)]))
    image, surfaces = scenes.draw(size, scenes.vary(weather, rng), rng)
    table = np.full(256, VOID, np.uint8)
    for surface, name in CLASS_OF.items():
        table[surface] = SPEC.classes.index(name)
    return image, table[surfaces]


def name(index: int) -> str:
    """Give the id of scene `index`, as 0001TP_000030."""
    return f"{SEQUENCES[index % len(SEQUENCES)]}_{30 * (index // len(SEQUENCES) + 1):06d}"


def _draw_all(folder: Path, splits: dict[str, int], seed: int, size: tuple[int, int]) -> None:
    first = 0
    for split, number in splits.items():
        (folder / split).mkdir(parents=True)
        (folder / f"{split}annot").mkdir()
        listing = []
        for index in range(first, first + number):
            image, mask = scene(seed, index, size)
            files = f"{split}/{name(index)}.png", f"{split}annot/{name(index)}.png"
            Image.fromarray(image).save(folder / files[0], compress_level=1)
            Image.fromarray(mask).save(folder / files[1])
            listing.append(f"/SegNet/CamVid/{files[0]} /SegNet/CamVid/{files[1]}\n")
        (folder / f"{split}.txt").write_text("".join(listing), encoding="utf-8")
        first += number


def _sweep(out: Path) -> None:
    """Remove what a killed writer of `out` left. A writer that still lives is left alone."""
    for partial in out.parent.glob(f".{out.name}.*.partial"):
        try:
            os.kill(int(partial.suffixes[-2][1:]), 0)
        except ProcessLookupError:
            shutil.rmtree(partial, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


def _check_same(out: Path, stamp: dict, splits: dict[str, int]) -> None:
    """Raise DatasetError unless `out` is the whole sample that the stamp describes."""
    advice = "Name another folder, or remove this one first."
    if not (out / STAMP).is_file():
        raise DatasetError(f"{out} exists and is no sample data that Segline wrote: it holds no {STAMP}. {advice}")
    try:
        found = json.loads((out / STAMP).read_text(encoding="utf-8"))
    except ValueError:
        raise DatasetError(f"{out / STAMP} is damaged. {advice}") from None
    if found != stamp:
        raise DatasetError(f"{out} holds other sample data.\nFound:  {found}\nWanted: {stamp}\n{advice}")
    folders = {folder: number for split, number in splits.items() for folder in (split, f"{split}annot")}
    lacking = [
        f"{folder}/: {there} of {number} files"
        for folder, number in folders.items()
        if (there := len(list((out / folder).glob("*.png")))) != number
    ]
    if lacking:
        raise DatasetError("\n".join([f"{out} is sample data, but not whole:", *lacking, advice]))
