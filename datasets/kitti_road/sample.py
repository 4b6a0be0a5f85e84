"""Sample data in KITTI Road's own layout: drawn streets, masks of road and lane, and the camera's calibration."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from datasets import catalog, sample_folder, scenes
from datasets.kitti_road.classes import HELD_OUT, TRAINING
from datasets.sample_folder import Plan, Sampler
from datasets.scenes import Surface, ground

LANES = {"um": 1, "umm": 2, "uu": 0}
CATEGORIES = {name: replace(scenes.GERMAN, wide=True, bonnet=0, lanes=lanes) for name, lanes in LANES.items()}
"""Style of the streets of each category."""

ROAD, OTHER, UNKNOWN = (255, 0, 255), (255, 0, 0), (0, 0, 0)


def plan(config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
    """Plan scenes with the masks of both configurations, as in the benchmark, whose images are 375 x 1242 pixels.

    The categories take turns; for `lane` all scenes are `um`.
    """
    spec = catalog.spec("kitti_road", config)
    splits = sample_folder.split_sizes(count)
    names = name_scenes(splits, ("um",) if spec.config == "lane" else tuple(CATEGORIES))
    labelled = names["train"] + names["val"]
    marked = sum(name.startswith("um_") for name in labelled)
    folders = {"training/image_2": len(labelled), "training/gt_image_2": len(labelled) + marked}
    if names["test"]:
        folders["testing/image_2"] = len(names["test"])
    return Plan(spec.config, splits, folders, partial(_draw, names=names, seed=seed, size=size))


def name_scenes(splits: dict[str, int], categories: tuple[str, ...]) -> dict[str, list[str]]:
    """Return {split: names of its scenes}, numbered so that `classes.split_of` returns the same split."""
    names: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for split, number in splits.items():
        for index in range(number):
            turn, place = divmod(index, len(categories))
            first = TRAINING[categories[place]] - HELD_OUT if split == "val" else 0
            names[split].append(f"{categories[place]}_{first + turn:06d}")
    return names


def draw_scene(
    seed: int, index: int, category: str, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, scenes.Plan]:
    """Draw scene `index`: image, road mask and lane mask in KITTI's colours, all uint8 [H, W, 3], and its plan."""
    rng = np.random.default_rng([seed, index])
    light, style = scenes.weather(rng), CATEGORIES[category]
    laid = scenes.plan(size, light, rng, style=style)
    drawn = scenes.draw(size, light, rng, style=style, laid=laid)
    across = _lateral_positions(size, laid)[:, ::-1]  # traffic keeps right, so the picture was mirrored
    road, visible = laid.road, drawn.mask == Surface.ROAD
    lane = road.middle - (road.middle - road.left.kerb) / max(1, style.lanes)
    outside = (across < road.left.kerb) | (across > road.right.kerb)
    masks = []
    for inside in (visible & ~outside, visible & (across > lane) & (across < road.middle)):
        mask = np.full((*size, 3), OTHER, np.uint8)
        mask[inside] = ROAD
        mask[visible & outside] = UNKNOWN  # side roads: the benchmark leaves unclear regions out
        masks.append(mask)
    return drawn.image, masks[0], masks[1], laid


def format_calibration(laid: scenes.Plan, width: int) -> str:
    """Return the text of a scene's calibration file: the drawn camera is parallel to the ground."""
    view = laid.camera
    project = (view.focal, 0, width - view.x, 0, 0, view.focal, view.y, 0, 0, 0, 1, 0)
    same, moved = (1, 0, 0, 0, 1, 0, 0, 0, 1), (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
    lowered = (1, 0, 0, 0, 0, 1, 0, -view.height, 0, 0, 1, 0)
    lines = {**dict.fromkeys(("P0", "P1", "P2", "P3"), project), "R0_rect": same, "Tr_velo_to_cam": moved,
             "Tr_imu_to_velo": moved, "Tr_cam_to_road": lowered}  # fmt: skip
    return "".join(f"{name}: {' '.join(f'{value:.12e}' for value in values)}\n" for name, values in lines.items())


def _lateral_positions(size: tuple[int, int], laid: scenes.Plan) -> np.ndarray:
    """Return the lateral position of the ground at each pixel, metres, float32 [H, W]; inf above the horizon."""
    top = int(np.clip(np.ceil(laid.camera.y + 0.5), 1, size[0] - 1))
    across = np.full(size, np.inf, np.float32)
    across[top:] = ground.positions(size, laid.camera, laid.road, top)[0]
    return across


def _draw(folder: Path, *, names: dict[str, list[str]], seed: int, size: tuple[int, int]) -> Iterator[None]:
    index = 0
    for split, split_names in names.items():
        part = folder / ("testing" if split == "test" else "training")
        for inner in ("image_2", "calib", *(("gt_image_2",) if split != "test" else ())) if split_names else ():
            (part / inner).mkdir(parents=True, exist_ok=True)
        for name in split_names:
            category = name.split("_")[0]
            image, road, lane, laid = draw_scene(seed, index, category, size)
            Image.fromarray(image).save(part / "image_2" / f"{name}.png", compress_level=1)
            (part / "calib" / f"{name}.txt").write_text(format_calibration(laid, size[1]), encoding="ascii")
            for target, mask in (("road", road), ("lane", lane)) if split != "test" else ():
                if target == "road" or category == "um":
                    Image.fromarray(mask).save(part / "gt_image_2" / f"{name.replace('_', f'_{target}_')}.png")
            index += 1
            yield


write = Sampler("kitti_road", layout="KITTI Road's", version=1, size=(188, 621), plan=plan).write
