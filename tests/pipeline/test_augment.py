"""Random changes: image and mask together, masks never blended, the same seed the same change."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.augment import augment
from pipeline.config import AugmentConfig

IGNORE = 255
COLOURS = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}


@pytest.fixture(scope="module")
def label() -> np.ndarray:
    """Blocks of 8x8 pixels, classes 0..9."""
    blocks = np.random.default_rng(0).integers(0, 10, (9, 12), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture(scope="module")
def image(label: np.ndarray) -> np.ndarray:
    """Shows the class of each pixel as grey, 20 levels apart."""
    return (label * 20)[..., None].repeat(3, axis=-1)


def change(image: np.ndarray, label: np.ndarray, seed: int = 0, **settings) -> tuple[np.ndarray, np.ndarray]:
    changed = augment(tf.constant(image), tf.constant(label), AugmentConfig(**settings), tf.constant([seed, 1]))
    assert changed[0].dtype == changed[1].dtype == tf.uint8
    return changed[0].numpy(), changed[1].numpy()


def test_nothing_asked_nothing_changed(image: np.ndarray, label: np.ndarray) -> None:
    changed = change(image, label)
    np.testing.assert_array_equal(changed[0], image)
    np.testing.assert_array_equal(changed[1], label)


def test_the_seed_decides(image: np.ndarray, label: np.ndarray) -> None:
    settings = {"flip": True, "scale": (0.5, 2.0), "crop": (40, 56), **COLOURS}
    first, second, other = (change(image, label, seed, **settings) for seed in (1, 1, 2))
    assert first[0].shape == (40, 56, 3) and first[1].shape == (40, 56)
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all()
    assert (first[0] != other[0]).any() and (first[1] != other[1]).any()


@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_move_together(seed: int) -> None:
    """On a slope of one class a pixel, a blend of neighbours and the nearest of them differ by two at most."""
    slope = np.add.outer(np.arange(72), np.arange(96)).astype(np.uint8)
    pixels, mask = change(slope[..., None].repeat(3, -1), slope, seed, flip=True, scale=(0.6, 2.0), crop=(64, 80))
    seen = mask != IGNORE
    assert seen.mean() > 0.3
    assert np.abs(pixels[..., 0].astype(int) - mask)[seen].max() <= 2


def test_masks_are_never_blended(image: np.ndarray, label: np.ndarray) -> None:
    sparse = np.where(label < 5, 0, 200).astype(np.uint8)
    for seed in range(5):
        assert set(np.unique(change(image, sparse, seed, scale=(0.6, 2.0))[1])) <= {0, 200, IGNORE}


def test_outside_is_ignored_and_grey(image: np.ndarray, label: np.ndarray) -> None:
    pixels, mask = change(image, label, scale=(0.5, 0.5), crop=(72, 96))
    assert (mask == IGNORE).mean() == pytest.approx(0.75, abs=0.03)
    assert set(np.unique(pixels[mask == IGNORE])) <= {114, 115}


def test_zoomed_in_nothing_outside_is_seen(image: np.ndarray, label: np.ndarray) -> None:
    for seed in range(20):
        assert IGNORE not in change(image, label, seed, scale=(1.0, 2.0))[1]


@pytest.mark.parametrize("size", [(72, 96), (71, 95), (33, 50)])
def test_a_crop_of_the_whole_is_the_whole(image: np.ndarray, label: np.ndarray, size: tuple[int, int]) -> None:
    image, label = image[: size[0], : size[1]], label[: size[0], : size[1]]
    changed = change(image, label, crop=size)
    np.testing.assert_array_equal(changed[0], image)
    np.testing.assert_array_equal(changed[1], label)


def test_a_flip_is_exact_and_comes_every_second_time(image: np.ndarray, label: np.ndarray) -> None:
    flipped = 0
    for seed in range(40):
        pixels, mask = change(image, label, seed, flip=True)
        mirrored = not (mask == label).all()
        flipped += mirrored
        np.testing.assert_array_equal(mask, label[:, ::-1] if mirrored else label)
        np.testing.assert_array_equal(pixels, image[:, ::-1] if mirrored else image)
    assert 10 < flipped < 30


def test_zoom_is_drawn_evenly_on_a_logarithmic_scale(label: np.ndarray) -> None:
    """Half of the draws from 0.5..2 enlarge; the image fills the mask then."""
    enlarged = [
        IGNORE not in change(label[..., None].repeat(3, -1), label, seed, scale=(0.5, 2.0))[1] for seed in range(60)
    ]
    assert 18 < sum(enlarged) < 42


def test_colours_change_within_their_limits(image: np.ndarray, label: np.ndarray) -> None:
    for seed in range(10):
        pixels, mask = change(image, label, seed, brightness=0.1)
        np.testing.assert_array_equal(mask, label)
        shift = np.unique(pixels[image < 230].astype(int) - image[image < 230])
        assert shift.min() >= -26 and shift.max() <= 26
    assert (change(image, label, 0, contrast=0.5)[0] != image).any()


def test_grey_has_neither_saturation_nor_hue(image: np.ndarray, label: np.ndarray) -> None:
    for seed in range(5):
        pixels, _ = change(image, label, seed, saturation=1.0, hue=0.5)
        assert np.abs(pixels.astype(int) - image).max() <= 1
    red = np.zeros_like(image)
    red[..., 0] = 200
    assert np.abs(change(red, label, 0, hue=0.5)[0].astype(int) - red).max() > 20


def test_contrast_keeps_the_mean() -> None:
    noise = np.random.default_rng(0).integers(80, 160, (64, 64, 3), dtype=np.uint8)
    changed, _ = change(noise, np.zeros((64, 64), np.uint8), 3, contrast=0.5)
    assert changed.mean() == pytest.approx(noise.mean(), abs=3)
    assert abs(changed.std() / noise.std() - 1) > 0.02
