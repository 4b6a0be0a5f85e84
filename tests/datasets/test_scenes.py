"""Drawn scenes: the same from the same seed, masks that fit the images, and classes that colour does not reveal."""

from dataclasses import replace

import numpy as np
import pytest

from datasets import scenes
from datasets.scenes import Surface
from datasets.scenes.canvas import Camera, Canvas

SIZE = (90, 120)
SCENES = 24


def draw(seed: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return scenes.draw(size, scenes.vary(scenes.weather(rng), rng), rng)[:2]


def german(seed: int) -> scenes.Scene:
    rng = np.random.default_rng(seed)
    return scenes.draw(SIZE, scenes.vary(scenes.weather(rng), rng), rng, style=scenes.GERMAN)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[np.ndarray, np.ndarray]]:
    return [draw(seed) for seed in range(SCENES)]


def test_equal_seeds_give_equal_scenes_and_others_do_not(drawn) -> None:
    image, mask = draw(3)
    assert np.array_equal(image, drawn[3][0]) and np.array_equal(mask, drawn[3][1])
    assert not np.array_equal(image, drawn[4][0])
    assert not np.array_equal(mask, drawn[4][1])


@pytest.mark.parametrize("size", [(90, 120), (72, 96), (65, 131), (200, 60)])
def test_image_and_mask_have_the_requested_size(size) -> None:
    image, mask = draw(1, size)
    assert image.shape == (*size, 3) and mask.shape == size
    assert image.dtype == mask.dtype == np.uint8


def test_every_british_surface_occurs_in_two_dozen_scenes(drawn) -> None:
    ids = set(np.unique([mask for _, mask in drawn]).tolist())
    foreign = {Surface.WALL, Surface.TRUCK, Surface.TRAM, Surface.MOTORCYCLE}
    assert ids == {int(surface) for surface in Surface if surface not in foreign}


def test_every_surface_occurs_in_german_scenes() -> None:
    ids = set(np.unique([german(seed).mask for seed in range(SCENES)]).tolist())
    assert ids == {int(surface) for surface in Surface}


def test_germans_drive_on_the_right() -> None:
    """The pavement on the side of the camera's lane is nearer: it covers more of the image's lower right."""
    masks = np.stack([german(seed).mask[SIZE[0] // 2 :] for seed in range(SCENES)]) == Surface.PAVEMENT
    assert masks[..., SIZE[1] // 2 :].sum() > 1.3 * masks[..., : SIZE[1] // 2].sum()


def test_a_thing_is_one_number_and_few_surfaces() -> None:
    for seed in range(4):
        _, mask, things = german(seed)
        assert not things[mask == Surface.ROAD].any()
        vehicles = [Surface.CAR, Surface.TRUCK, Surface.BUS, Surface.TRAM]
        assert things[np.isin(mask, vehicles)].all()
        for thing in np.unique(things[np.isin(mask, vehicles)]):
            assert len(np.unique(mask[things == thing])) == 1
        for thing in np.unique(things[mask == Surface.RIDER]):
            assert set(np.unique(mask[things == thing])) <= {Surface.RIDER, Surface.BICYCLE, Surface.MOTORCYCLE}


def test_class_shares_are_those_of_a_street(drawn) -> None:
    share = np.bincount(np.stack([mask for _, mask in drawn]).ravel(), minlength=len(Surface)) / (
        SCENES * SIZE[0] * SIZE[1]
    )
    assert 0.2 < share[Surface.ROAD] < 0.45
    assert min(share[[Surface.SKY, Surface.BUILDING, Surface.TREE]]) > 0.05
    assert max(share[[Surface.POLE, Surface.SIGN, Surface.PEDESTRIAN, Surface.RIDER, Surface.BICYCLE]]) < 0.05


def test_sky_is_above_and_road_below(drawn) -> None:
    for _, mask in drawn:
        rows = {surface: np.nonzero(mask == surface)[0] for surface in (Surface.SKY, Surface.ROAD)}
        assert rows[Surface.ROAD].mean() > SIZE[0] / 2
        if rows[Surface.SKY].size:
            assert rows[Surface.SKY].max() < rows[Surface.ROAD].max()


def test_colour_does_not_reveal_the_classes(drawn) -> None:
    """The best prediction from each pixel's colour, fitted on half of the scenes, is poor on the other half."""

    def pixels(part):
        colours = np.concatenate([image.reshape(-1, 3) for image, _ in part]) // 32
        labels = np.concatenate([mask.ravel() for _, mask in part])
        kept = labels != Surface.VOID
        return colours[kept] @ np.array([64, 8, 1]), labels[kept]

    bins, labels = pixels(drawn[: SCENES // 2])
    count = len(Surface)
    table = np.zeros((512, count), np.int64)
    np.add.at(table, (bins, labels), 1)
    bins, labels = pixels(drawn[SCENES // 2 :])
    predicted = table.argmax(1)[bins]
    matrix = np.bincount(labels * count + predicted, minlength=count**2).reshape(count, count)
    hit, total = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    miou = (hit / total.clip(1))[total > 0].mean()
    assert miou < 0.3
    assert hit.sum() / matrix.sum() < 0.7


def test_a_stroke_changes_image_and_mask_in_the_same_pixels() -> None:
    grey = np.full((60, 80, 3), 128.0)
    camera = Camera(focal=80, height=1.5, x=40, y=30)
    canvas = Canvas(grey, np.zeros((60, 80), np.uint8), camera, haze=(128, 128, 128), clear=1e9)
    canvas.polygon([(-1, 0, 6), (-1, 2, 6), (0.5, 2.5, 6), (1, 0, 6)], (255, 0, 0), Surface.CAR)
    canvas.line([(2, 0, 8), (2.5, 3, 8)], 0.1, (0, 255, 0), Surface.POLE)
    canvas.face(
        [(-3, 0, 3), (-3, 2, 3), (-3, 2, 9), (-3, 0, 9)],
        lambda x, y: (np.full((y.size, x.size, 3), 9.0), Surface.FENCE),
    )
    image, mask = np.asarray(canvas.image), np.asarray(canvas.mask)
    assert set(np.unique(mask)) == {0, Surface.CAR, Surface.POLE, Surface.FENCE}
    assert np.array_equal((image != 128).any(-1), mask > 0)
    assert not canvas.things.any()


def test_a_thing_twice_as_far_is_half_as_large() -> None:
    camera = Camera(focal=100, height=1.5, x=50, y=40)
    (near, far) = (camera.project([(1, 0, z)])[0] for z in (5, 10))
    assert near == (70, 70) and far == (60, 55)


def test_points_behind_the_camera_are_moved_in_front_of_it() -> None:
    camera = Camera(focal=100, height=1.5, x=50, y=40)
    assert camera.project([(1, 0, -3)]) == camera.project([(1, 0, 0.6)])


def test_a_street_with_a_given_plan_is_the_same_street() -> None:
    light = scenes.weather(np.random.default_rng(1))
    rng = np.random.default_rng(2)
    laid = scenes.plan(SIZE, light, rng)
    drawn = scenes.draw(SIZE, light, rng, laid=laid)
    for ours, theirs in zip(drawn, scenes.draw(SIZE, light, np.random.default_rng(2)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("lanes", "dashes"), [(0, 0), (1, 1), (2, 3)])
def test_dashed_lines_separate_the_lanes(lanes: int, dashes: int) -> None:
    rng = np.random.default_rng(3)
    style = replace(scenes.GERMAN, lanes=lanes, wide=True)
    assert len(scenes.plan(SIZE, scenes.weather(rng), rng, style=style).road.dashes) == dashes
