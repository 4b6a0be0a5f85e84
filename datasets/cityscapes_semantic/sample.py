"""Sample data in Cityscapes' own layouts: drawn street scenes with exact masks."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from datasets import catalog, sample_folder, scenes
from datasets.cityscapes_semantic.classes import CITIES
from datasets.cityscapes_semantic.label_table import LABELS
from datasets.sample_folder import Plan, Sampler
from datasets.scenes import Surface

FOLDER_CITIES = {
    **{split: tuple(cities)[:4] for split, cities in CITIES.items()},
    "train_extra": ("bamberg", "dresden"),
}
"""{official folder: cities whose names a sample borrows}."""

PAIR_SIDE = 256
PAIR_QUALITY = 85
"""JPEG quality at which a pair of 512 x 256 has the size of a real one, about 28 kB."""

MASKS = ("labelIds", "instanceIds", "color")

EGO = 1
"""Label id of the camera's own car."""

LABEL_OF = {
    Surface.SKY: "sky",
    Surface.BUILDING: "building",
    Surface.LETTERING: "building",
    Surface.POLE: "pole",
    Surface.ROAD: "road",
    Surface.PAVEMENT: "sidewalk",
    Surface.TREE: "vegetation",
    Surface.GRASS: "terrain",
    Surface.SIGN: "traffic sign",
    Surface.TRAFFIC_LIGHT: "traffic light",
    Surface.FENCE: "fence",
    Surface.WALL: "wall",
    Surface.CAR: "car",
    Surface.TRUCK: "truck",
    Surface.BUS: "bus",
    Surface.TRAM: "train",
    Surface.MOTORCYCLE: "motorcycle",
    Surface.BICYCLE: "bicycle",
    Surface.PEDESTRIAN: "person",
    Surface.RIDER: "rider",
    Surface.VOID: "static",
    Surface.BONNET: "ego vehicle",
}


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan scenes; see datasets.sample_folder.Planner. Cityscapes' own are (1024, 2048); pairs squeeze to 256 x 256."""
    spec = catalog.spec("cityscapes_semantic", config)
    folders = _share(spec.config, count)
    save = {"fine": _save_fine, "coarse": _save_coarse}.get(spec.config, _save_pair)
    splits = {name: number for name, number in folders.items() if name != "train_extra"}
    splits["train"] += folders.get("train_extra", 0)
    draw = partial(_draw, save=save, folders=folders, seed=seed, size=size)
    return Plan(spec.config, splits, _files(spec.config, folders), draw)


def scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scene `index`.

    Returns:
        Image uint8 [H,W,3]; mask uint8 [H,W] of Cityscapes' label ids; instance mask uint16 [H,W]: 1000 * id + number
        where things are told apart, the label id elsewhere.
    """
    rng = np.random.default_rng([seed, index])
    weather = scenes.weather(np.random.default_rng([seed, index % 4, 4]))
    drawn = scenes.draw(size, scenes.vary(weather, rng), rng, style=scenes.GERMAN)
    ids = {label.name: label.id for label in LABELS}
    table = np.zeros(256, np.uint8)
    for surface, name in LABEL_OF.items():
        table[surface] = ids[name]
    mask = table[drawn.mask]
    return drawn.image, mask, _numbered(mask, drawn.things)


def coarse(mask: np.ndarray) -> np.ndarray:
    """Give label ids as one who labels in haste would: what is near a border, and what is small, stays unlabelled."""
    image = Image.fromarray(mask)
    reach = 2 * (mask.shape[1] // 128) + 3
    least, most = (np.asarray(image.filter(rank(reach))) for rank in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return np.where(least == most, mask, np.uint8(0))


def _numbered(mask: np.ndarray, things: np.ndarray) -> np.ndarray:
    numbered = mask.astype(np.uint16)
    for label in LABELS:
        if label.instances:
            there = mask == label.id
            _, number = np.unique(things[there], return_inverse=True)
            numbered[there] = 1000 * label.id + number
    return numbered


def _share(config: str, count: int) -> dict[str, int]:
    """Share scenes out to the folders of a layout."""
    shares = sample_folder.share(count)
    if config != "fine":  # only it has a test split
        shares["train"] += shares.pop("test", 0)
    if config == "coarse" and shares["train"] > 1:
        shares["train_extra"] = shares["train"] // 2
        shares["train"] -= shares["train_extra"]
    return shares


def _name(folder: str, place: int) -> tuple[str, str]:
    """Give the city and the id of a folder's scene, as aachen and aachen_000000_000019."""
    cities = FOLDER_CITIES[folder]
    city = cities[place % len(cities)]
    return city, f"{city}_{place // len(cities):06d}_000019"


def _files(config: str, folders: Mapping[str, int]) -> dict[str, int]:
    """Give {folder: number of files in it}."""
    if config not in ("fine", "coarse"):
        return dict(folders)
    kind = {"fine": "gtFine", "coarse": "gtCoarse"}[config]
    places = [(folder, place) for folder, number in folders.items() for place in range(number)]
    found = Counter(f"leftImg8bit/{folder}/{_name(folder, place)[0]}" for folder, place in places)
    for folder, place in places:
        for labels in dict.fromkeys((kind, "gtFine")) if folder == "val" else (kind,):
            found[f"{labels}/{folder}/{_name(folder, place)[0]}"] += len(MASKS)
    return dict(found)


def _draw(
    folder: Path, *, save: Callable[..., None], folders: Mapping[str, int], seed: int, size: tuple[int, int]
) -> Iterator[None]:
    index = 0
    for inner, number in folders.items():
        for place in range(number):
            save(folder, inner, place, *scene(seed, index, size))
            index += 1
            yield


def _save_fine(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    """Save an image and its masks. Those of test hold what the official ones hold: the camera's car, and nothing."""
    if folder == "test":
        mask = np.where(mask == EGO, mask, np.uint8(0))
        things = mask.astype(np.uint16)
    _save_image(out, folder, place, image)
    _save_masks(out, "gtFine", folder, place, mask, things)


def _save_coarse(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    rough = coarse(mask)
    _save_image(out, folder, place, image)
    _save_masks(out, "gtCoarse", folder, place, rough, np.where(rough == mask, things, rough.astype(np.uint16)))
    if folder == "val":
        _save_masks(out, "gtFine", folder, place, mask, things)


def _save_image(out: Path, folder: str, place: int, image: np.ndarray) -> None:
    city, id_ = _name(folder, place)
    inner = out / "leftImg8bit" / folder / city
    inner.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(inner / f"{id_}_leftImg8bit.png", compress_level=1)


def _save_masks(out: Path, kind: str, folder: str, place: int, mask: np.ndarray, things: np.ndarray) -> None:
    city, id_ = _name(folder, place)
    inner = out / kind / folder / city
    inner.mkdir(parents=True, exist_ok=True)
    for name, content in zip(MASKS, (mask, things, _coloured(mask)), strict=True):
        Image.fromarray(content).save(inner / f"{id_}_{kind}_{name}.png")


def _save_pair(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    del things
    (out / folder).mkdir(exist_ok=True)
    sides = (PAIR_SIDE, PAIR_SIDE)
    pair = Image.new("RGB", (2 * PAIR_SIDE, PAIR_SIDE))
    pair.paste(Image.fromarray(image).resize(sides, Image.Resampling.BOX), (0, 0))
    pair.paste(Image.fromarray(_coloured(mask)).resize(sides, Image.Resampling.NEAREST), (PAIR_SIDE, 0))
    pair.save(out / folder / f"{place + 1}.jpg", quality=PAIR_QUALITY)


def _coloured(mask: np.ndarray) -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    for label in LABELS:
        if label.id >= 0:
            table[label.id] = label.colour
    return table[mask]


write = Sampler("cityscapes_semantic", layout="Cityscapes'", version=1, size=(256, 512), plan=plan).write
