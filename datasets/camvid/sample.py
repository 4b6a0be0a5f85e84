"""Sample data in CamVid's own layouts: drawn street scenes with exact masks."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import catalog, sample_folder, scenes
from datasets.camvid import layouts
from datasets.camvid.classes import FULL, GROUPS, VOID
from datasets.camvid.splits import IDS
from datasets.errors import DatasetError
from datasets.sample_folder import Plan, Sampler
from datasets.scenes import Surface
from datasets.spec import DatasetSpec

SEQUENCES = ("0001TP", "0006R0", "0016E5", "Seq05VD")
"""Drives of the real data. In a sample each has its own light, and all are in every split."""

CLASS_OF = {
    Surface.SKY: "Sky",
    Surface.BUILDING: "Building",
    Surface.POLE: "Column_Pole",
    Surface.ROAD: "Road",
    Surface.PAVEMENT: "Sidewalk",
    Surface.TREE: "Tree",
    Surface.GRASS: "VegetationMisc",
    Surface.SIGN: "SignSymbol",
    Surface.LETTERING: "Misc_Text",
    Surface.TRAFFIC_LIGHT: "TrafficLight",
    Surface.FENCE: "Fence",
    Surface.CAR: "Car",
    Surface.BUS: "Truck_Bus",
    Surface.PEDESTRIAN: "Pedestrian",
    Surface.RIDER: "Bicyclist",
    Surface.BICYCLE: "Bicyclist",
}
"""{surface: one of the 32 classes}; the other surfaces are Void."""


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan scenes, split after split, as a datasets.sample_folder.Planner."""
    spec = catalog.spec("camvid", config)
    splits = _splits(spec.config, count)
    _check_count(spec, splits)
    draw = partial(_draw, config=spec.config, splits=splits, seed=seed, size=size)
    return Plan(spec.config, splits, _folders(spec.config, splits), draw)


def _check_count(spec: DatasetSpec, splits: dict[str, int]) -> None:
    """Raise DatasetError for more scenes than the real data has frames, where the sample uses their ids."""
    if spec.config in ("full", "full_11") and any(number > len(IDS[split]) for split, number in splits.items()):
        raise DatasetError(
            f"A sample of {spec.config} can hold no more scenes than the real set has frames: "
            f"{', '.join(f'{split} {len(ids)}' for split, ids in IDS.items())}. "
            f"Received: {', '.join(f'{split} {number}' for split, number in splits.items())}."
        )


def draw_scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Draw scene `index`: image, uint8 [H, W, 3], and mask of the ids of 32 classes, uint8 [H, W]."""
    rng = np.random.default_rng([seed, index])
    weather = scenes.weather(np.random.default_rng([seed, index % len(SEQUENCES), len(SEQUENCES)]))
    image, surfaces, _ = scenes.draw(size, scenes.vary(weather, rng), rng)
    table = np.full(256, FULL.classes.index("Void"), np.uint8)
    table[list(CLASS_OF)] = [FULL.classes.index(name) for name in CLASS_OF.values()]
    return image, table[surfaces]


def merge_classes(mask: np.ndarray) -> np.ndarray:
    """Map ids of the 32 classes to those of the 11, and to VOID for the rest: uint8 [H, W]."""
    table = np.full(256, VOID, np.uint8)
    for index, (_, names) in enumerate(GROUPS.values()):
        table[[FULL.classes.index(name) for name in names]] = index
    return table[mask]


def scene_id(index: int) -> str:
    """Return the id of scene `index`, such as 0001TP_000030."""
    return f"{SEQUENCES[index % len(SEQUENCES)]}_{30 * (index // len(SEQUENCES) + 1):06d}"


def _splits(config: str, count: int) -> dict[str, int]:
    splits = sample_folder.split_sizes(count)
    if config == "dataset1":  # it has no test split
        splits["train"] += splits.pop("test", 0)
    return splits


def _folders(config: str, splits: dict[str, int]) -> dict[str, int]:
    """Return {folder: number of files in it} of a layout."""
    if config in ("full", "full_11"):
        return dict.fromkeys((layouts.STILLS, layouts.LABELS), sum(splits.values()))
    folders = layouts.DATASET1 if config == "dataset1" else layouts.SEGNET
    return {folder: number for split, number in splits.items() for folder in folders[split]}


def _draw(folder: Path, *, config: str, splits: dict[str, int], seed: int, size: tuple[int, int]) -> Iterator[None]:
    for inner in _folders(config, splits):
        (folder / inner).mkdir()
    save = {"segnet": _save_segnet, "dataset1": _save_dataset1, "full": _save_full, "full_11": _save_full}[config]
    first = 0
    for split, number in splits.items():
        for place in range(number):
            image, mask = draw_scene(seed, first + place, size)
            save(folder, split, (first, place, number), Image.fromarray(image), mask)
            yield
        first += number


Place = tuple[int, int, int]
"""Index of the split's first scene, place of this scene in the split, and number of scenes in it."""


def _save_segnet(folder: Path, split: str, place: Place, image: Image.Image, mask: np.ndarray) -> None:
    file = f"{scene_id(place[0] + place[1])}.png"
    image.save(folder / split / file, compress_level=1)
    Image.fromarray(merge_classes(mask)).save(folder / f"{split}annot" / file)
    with (folder / f"{split}.txt").open("a", encoding="utf-8") as listing:
        listing.write(f"/SegNet/CamVid/{split}/{file} /SegNet/CamVid/{split}annot/{file}\n")


def _save_dataset1(folder: Path, split: str, place: Place, image: Image.Image, mask: np.ndarray) -> None:
    images, masks = layouts.DATASET1[split]
    file = f"{scene_id(place[0] + place[1])}.png"
    image.save(folder / images / file, compress_level=1)
    Image.fromarray(np.repeat(merge_classes(mask)[..., None], 3, axis=2)).save(folder / masks / file)


def _save_full(folder: Path, split: str, place: Place, image: Image.Image, mask: np.ndarray) -> None:
    """Save a scene under the id of a real frame, evenly spaced in the split's list: the lists define the splits."""
    id_ = IDS[split][place[1] * len(IDS[split]) // place[2]]
    image.save(folder / layouts.STILLS / f"{id_}.png", compress_level=1)
    coloured = Image.fromarray(np.array(FULL.colours, np.uint8)[mask])
    coloured.save(folder / layouts.LABELS / f"{id_}{layouts.ENDING}")


write = Sampler("camvid", layout="CamVid's", version=1, size=(360, 480), plan=plan).write
