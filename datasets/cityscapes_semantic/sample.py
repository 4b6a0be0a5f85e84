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
"""{official folder: cities whose names the samples use}."""

PAIR_SIDE = 256
PAIR_QUALITY = 85
"""JPEG quality that gives a pair of 512 x 256 pixels the size of a real one, about 28 kB."""

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
    """Plan scenes, as a datasets.sample_folder.Planner. Real images are (1024, 2048); pairs become 256 x 256."""
    spec = catalog.spec("cityscapes_semantic", config)
    folders = _folder_sizes(spec.config, count)
    save = {"fine": _save_fine, "coarse": _save_coarse}.get(spec.config, _save_pair)
    splits = {name: number for name, number in folders.items() if name != "train_extra"}
    splits["train"] += folders.get("train_extra", 0)
    draw = partial(_draw, save=save, folders=folders, seed=seed, size=size)
    return Plan(spec.config, splits, _files(spec.config, folders), draw)


def draw_scene(seed: int, index: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw scene `index`.

    Returns:
        Image, uint8 [H, W, 3]; mask of label ids, uint8 [H, W]; instance mask, uint16 [H, W]: 1000 * id + number for
        labels with instances, the label id elsewhere.
    """
    rng = np.random.default_rng([seed, index])
    weather = scenes.weather(np.random.default_rng([seed, index % 4, 4]))
    drawn = scenes.draw(size, scenes.vary(weather, rng), rng, style=scenes.GERMAN)
    ids = {label.name: label.id for label in LABELS}
    table = np.zeros(256, np.uint8)
    table[list(LABEL_OF)] = [ids[name] for name in LABEL_OF.values()]
    mask = table[drawn.mask]
    return drawn.image, mask, _number_instances(mask, drawn.things)


def coarsen(mask: np.ndarray) -> np.ndarray:
    """Imitate coarse labels: set pixels near a border, and so small objects, to unlabeled (0). uint8 [H, W]."""
    image = Image.fromarray(mask)
    reach = 2 * (mask.shape[1] // 128) + 3
    least, most = (np.asarray(image.filter(rank(reach))) for rank in (ImageFilter.MinFilter, ImageFilter.MaxFilter))
    return np.where(least == most, mask, np.uint8(0))


def _number_instances(mask: np.ndarray, things: np.ndarray) -> np.ndarray:
    instances = mask.astype(np.uint16)
    for label in LABELS:
        if label.has_instances:
            pixels = mask == label.id
            _, number = np.unique(things[pixels], return_inverse=True)
            instances[pixels] = 1000 * label.id + number
    return instances


def _folder_sizes(config: str, count: int) -> dict[str, int]:
    """Divide `count` scenes between the folders of a layout."""
    sizes = sample_folder.split_sizes(count)
    if config != "fine":  # only `fine` has a test split
        sizes["train"] += sizes.pop("test", 0)
    if config == "coarse" and sizes["train"] > 1:
        sizes["train_extra"] = sizes["train"] // 2
        sizes["train"] -= sizes["train_extra"]
    return sizes


def _name(folder: str, place: int) -> tuple[str, str]:
    """Return the city and the id of a folder's scene, such as aachen and aachen_000000_000019."""
    cities = FOLDER_CITIES[folder]
    city = cities[place % len(cities)]
    return city, f"{city}_{place // len(cities):06d}_000019"


def _files(config: str, folders: Mapping[str, int]) -> dict[str, int]:
    """Return {folder: number of files in it}."""
    if config not in ("fine", "coarse"):
        return dict(folders)
    kind = {"fine": "gtFine", "coarse": "gtCoarse"}[config]
    places = [(folder, place) for folder, number in folders.items() for place in range(number)]
    files = Counter(f"leftImg8bit/{folder}/{_name(folder, place)[0]}" for folder, place in places)
    for folder, place in places:
        for labels in dict.fromkeys((kind, "gtFine")) if folder == "val" else (kind,):
            files[f"{labels}/{folder}/{_name(folder, place)[0]}"] += len(MASKS)
    return dict(files)


def _draw(
    folder: Path, *, save: Callable[..., None], folders: Mapping[str, int], seed: int, size: tuple[int, int]
) -> Iterator[None]:
    index = 0
    for inner, number in folders.items():
        for place in range(number):
            save(folder, inner, place, *draw_scene(seed, index, size))
            index += 1
            yield


def _save_fine(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    """Save an image and its masks. Masks of test hold only the ego vehicle, like the official ones."""
    if folder == "test":
        mask = np.where(mask == EGO, mask, np.uint8(0))
        things = mask.astype(np.uint16)
    _save_image(out, folder, place, image)
    _save_masks(out, "gtFine", folder, place, mask, things)


def _save_coarse(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    rough = coarsen(mask)
    _save_image(out, folder, place, image)
    _save_masks(out, "gtCoarse", folder, place, rough, np.where(rough == mask, things, rough.astype(np.uint16)))
    if folder == "val":
        _save_masks(out, "gtFine", folder, place, mask, things)


def _save_image(out: Path, folder: str, place: int, image: np.ndarray) -> None:
    Image.fromarray(image).save(_stem(out / "leftImg8bit", folder, place) + "_leftImg8bit.png", compress_level=1)


def _save_masks(out: Path, kind: str, folder: str, place: int, mask: np.ndarray, things: np.ndarray) -> None:
    for name, content in zip(MASKS, (mask, things, _coloured(mask)), strict=True):
        Image.fromarray(content).save(_stem(out / kind, folder, place) + f"_{kind}_{name}.png")


def _stem(out: Path, folder: str, place: int) -> str:
    """Return the path of a scene's files up to the id, and make its folder."""
    city, id_ = _name(folder, place)
    (out / folder / city).mkdir(parents=True, exist_ok=True)
    return str(out / folder / city / id_)


def _save_pair(out: Path, folder: str, place: int, image: np.ndarray, mask: np.ndarray, things: np.ndarray) -> None:
    del things
    (out / folder).mkdir(exist_ok=True)
    sides = (PAIR_SIDE, PAIR_SIDE)
    pair = Image.new("RGB", (2 * PAIR_SIDE, PAIR_SIDE))
    pair.paste(Image.fromarray(image).resize(sides, Image.Resampling.BOX), (0, 0))
    pair.paste(Image.fromarray(_coloured(mask)).resize(sides, Image.Resampling.NEAREST), (PAIR_SIDE, 0))
    pair.save(out / folder / f"{place + 1}.jpg", quality=PAIR_QUALITY)


def _coloured(mask: np.ndarray) -> np.ndarray:
    return np.array([label.colour for label in LABELS if label.id >= 0], np.uint8)[mask]  # their ids are 0, 1, 2 ...


write = Sampler("cityscapes_semantic", layout="Cityscapes'", version=1, size=(256, 512), plan=plan).write
