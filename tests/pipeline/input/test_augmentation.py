"""Augmentation: image and mask change together, masks are never blended, and the seed determines the result."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from models.labels import IGNORE
from pipeline.config.input import AugmentConfig
from pipeline.input.augmentation import augment
from pipeline.input.transforms import mixing, random_draws, rare_classes

COLOURS = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1}


@pytest.fixture(scope="module")
def label() -> np.ndarray:
    """Blocks of 8x8 pixels, classes 0..9."""
    blocks = np.random.default_rng(0).integers(0, 10, (9, 12), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)


@pytest.fixture(scope="module")
def image(label: np.ndarray) -> np.ndarray:
    """The class of each pixel as a grey level, 20 levels apart."""
    return (label * 20)[..., None].repeat(3, axis=-1)


def change(image: np.ndarray, label: np.ndarray, seed: int = 0, **settings) -> tuple[np.ndarray, np.ndarray]:
    changed = augment(tf.constant(image), tf.constant(label), AugmentConfig(**settings), tf.constant([seed, 1]))
    assert changed[0].dtype == changed[1].dtype == tf.uint8
    return changed[0].numpy(), changed[1].numpy()


def test_without_transforms_nothing_changes(image: np.ndarray, label: np.ndarray) -> None:
    changed = change(image, label)
    np.testing.assert_array_equal(changed[0], image)
    np.testing.assert_array_equal(changed[1], label)


def test_the_seed_determines_the_result(image: np.ndarray, label: np.ndarray) -> None:
    settings = {"flip": True, "scale": (0.5, 2.0), "crop": (40, 56), **COLOURS}
    first, second, other = (change(image, label, seed, **settings) for seed in (1, 1, 2))
    assert first[0].shape == (40, 56, 3) and first[1].shape == (40, 56)
    assert (first[0] == second[0]).all() and (first[1] == second[1]).all()
    assert (first[0] != other[0]).any() and (first[1] != other[1]).any()


@pytest.mark.parametrize("seed", range(8))
def test_image_and_mask_move_together(seed: int) -> None:
    """On a ramp of one class per pixel, bilinear and nearest resampling differ by two at most."""
    slope = np.add.outer(np.arange(72), np.arange(96)).astype(np.uint8)
    pixels, mask = change(slope[..., None].repeat(3, -1), slope, seed, flip=True, scale=(0.6, 2.0), crop=(64, 80))
    inside = mask != IGNORE
    assert inside.mean() > 0.3
    assert np.abs(pixels[..., 0].astype(int) - mask)[inside].max() <= 2


def test_masks_are_never_blended(image: np.ndarray, label: np.ndarray) -> None:
    sparse = np.where(label < 5, 0, 200).astype(np.uint8)
    for seed in range(5):
        assert set(np.unique(change(image, sparse, seed, scale=(0.6, 2.0))[1])) <= {0, 200, IGNORE}


def test_outside_is_ignored_and_grey(image: np.ndarray, label: np.ndarray) -> None:
    pixels, mask = change(image, label, scale=(0.5, 0.5), crop=(72, 96))
    assert (mask == IGNORE).mean() == pytest.approx(0.75, abs=0.03)
    assert set(np.unique(pixels[mask == IGNORE])) <= {114}


def test_zooming_in_shows_nothing_outside_the_image(image: np.ndarray, label: np.ndarray) -> None:
    for seed in range(20):
        assert IGNORE not in change(image, label, seed, scale=(1.0, 2.0))[1]


@pytest.mark.parametrize("size", [(72, 96), (71, 95), (33, 50)])
def test_a_crop_of_the_full_size_is_the_identity(image: np.ndarray, label: np.ndarray, size: tuple[int, int]) -> None:
    image, label = image[: size[0], : size[1]], label[: size[0], : size[1]]
    changed = change(image, label, crop=size)
    np.testing.assert_array_equal(changed[0], image)
    np.testing.assert_array_equal(changed[1], label)


def test_a_flip_is_exact_and_has_probability_one_half(image: np.ndarray, label: np.ndarray) -> None:
    flipped = 0
    for seed in range(40):
        pixels, mask = change(image, label, seed, flip=True)
        mirrored = not (mask == label).all()
        flipped += mirrored
        np.testing.assert_array_equal(mask, label[:, ::-1] if mirrored else label)
        np.testing.assert_array_equal(pixels, image[:, ::-1] if mirrored else image)
    assert 10 < flipped < 30


def test_zoom_is_log_uniform(label: np.ndarray) -> None:
    """Half of the draws from 0.5..2 enlarge, and then the image fills the mask."""
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


@pytest.mark.parametrize("seed", range(4))
def test_rotated_and_sheared_image_and_mask_move_together(seed: int) -> None:
    slope = np.add.outer(np.arange(72), np.arange(96)).astype(np.uint8)
    moves = {"flip": True, "scale": (0.8, 1.5), "rotate": 40.0, "shear": 20.0, "crop": (64, 80)}
    pixels, mask = change(slope[..., None].repeat(3, -1), slope, seed, **moves)
    inside = (mask != IGNORE) & (pixels[..., 0] < 110)  # at the image's border, bilinear sampling mixes in grey
    assert inside.mean() > 0.2
    assert np.mean(np.abs(pixels[..., 0].astype(int) - mask)[inside] <= 2) > 0.97


def test_a_rotation_by_almost_nothing_equals_zoom_and_crop(image: np.ndarray, label: np.ndarray) -> None:
    """The two resampling paths agree: a rotation of at most 0.001 degrees moves no pixel visibly."""
    for seed in range(6):
        moves = {"flip": True, "scale": (0.7, 1.6), "crop": (48, 64)}
        plain, rotated = change(image, label, seed, **moves), change(image, label, seed, rotate=1e-3, **moves)
        assert np.mean(plain[1] == rotated[1]) > 0.98
        inside = (plain[1] != IGNORE) & (rotated[1] != IGNORE)
        assert np.mean(np.abs(plain[0].astype(int) - rotated[0])[inside] <= 2) > 0.98


def test_rotation_by_up_to_180_degrees_can_put_the_top_below(label: np.ndarray) -> None:
    marked = np.zeros_like(label)
    marked[:20] = 7
    masks = [change(label[..., None].repeat(3, -1), marked, seed, rotate=180.0)[1] for seed in range(30)]
    below = [(mask[-10:] == 7).mean() > (mask[:10] == 7).mean() for mask in masks]
    assert 5 < sum(below) < 25


def test_rare_crops_show_the_rare_class(image: np.ndarray) -> None:
    label = np.zeros((72, 96), np.uint8)
    label[60:64, 80:84] = 3
    weights = rare_classes.rarity([72 * 96 - 16, 0, 0, 16])
    assert weights[3] == 1 and weights[0] < 1e-3 and weights[1] == 0 and weights[IGNORE] == 0

    def hits(share: float) -> int:
        config = AugmentConfig(crop=(16, 16), rare_crops=share)
        seeds = (tf.constant([seed, 1]) for seed in range(20))
        masks = (augment(tf.constant(image), tf.constant(label), config, seed, weights)[1] for seed in seeds)
        return sum(3 in mask.numpy() for mask in masks)

    assert hits(1.0) == 20 and hits(0.0) < 8


def test_present_labels() -> None:
    label = np.random.default_rng(0).choice([0, 3, 200, IGNORE], (7, 9)).astype(np.int32)
    assert np.flatnonzero(rare_classes.present_labels(tf.constant(label))).tolist() == sorted(set(label.ravel()))


def test_without_a_weighted_class_the_crop_is_uniform(image: np.ndarray) -> None:
    void = np.full((72, 96), IGNORE, np.uint8)
    for weights in (rare_classes.rarity([100, 1]), None):
        config = AugmentConfig(crop=(16, 16), rare_crops=1.0)
        pixels, _ = augment(tf.constant(image), tf.constant(void), config, tf.constant([4, 1]), weights)
        np.testing.assert_array_equal(pixels, change(image, void, 4, crop=(16, 16))[0])


def test_gamma_is_monotonic_and_keeps_black_and_white(label: np.ndarray) -> None:
    ramp = np.linspace(0, 255, 96).astype(np.uint8)[None, :, None].repeat(72, 0).repeat(3, -1)
    middles = []
    for seed in range(8):
        pixels, mask = change(ramp, label, seed, gamma=1.0)
        np.testing.assert_array_equal(mask, label)
        assert pixels[0, 0, 0] == 0 and pixels[0, -1, 0] == 255 and (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()
        middles.append(int(pixels[0, 48, 0]))
    assert min(middles) < 120 < 140 < max(middles)


def test_blur_is_a_gaussian(label: np.ndarray) -> None:
    """Equal to SciPy's filter at the drawn deviation."""
    noise = np.random.default_rng(0).integers(0, 256, (72, 96, 3), np.uint8)
    for seed in range(3):
        pixels, mask = change(noise, label, seed, blur=3.0)
        deviation = 3 * float(random_draws.uniform(1, tf.constant([seed, 1]), random_draws.Kind.BLUR)[0])
        expected = ndimage.gaussian_filter(noise.astype(float), (deviation, deviation, 0), mode="nearest", radius=9)
        assert np.abs(pixels - expected).max() < 1.0
        np.testing.assert_array_equal(mask, label)


def test_noise_has_the_drawn_deviation(label: np.ndarray) -> None:
    flat = np.full((72, 96, 3), 128, np.uint8)
    pixels, _ = change(flat, label, 2, noise=0.1)
    drawn = 25.5 * float(random_draws.uniform(1, tf.constant([2, 1]), random_draws.Kind.NOISE_STRENGTH)[0])
    assert pixels.std() == pytest.approx(drawn, rel=0.05) and pixels.mean() == pytest.approx(128, abs=1)


def test_cutout_hides_a_rectangle_and_ignores_it(image: np.ndarray, label: np.ndarray) -> None:
    hidden = []
    for seed in range(12):
        pixels, mask = change(image, label, seed, cutout=0.5)
        away = mask == IGNORE
        rows, columns = away.any(1), away.any(0)
        assert away.sum() == rows.sum() * columns.sum()
        assert set(np.unique(pixels[away])) <= {114} and (mask[~away] == label[~away]).all()
        hidden.append(away.mean())
    assert max(hidden) <= 0.26 and max(hidden) > 0.05


@pytest.mark.parametrize("kind", [mixing.CUTMIX, mixing.CLASSMIX])
def test_a_mixed_image_and_its_mask_come_from_the_same_source(label: np.ndarray, kind: int) -> None:
    """Each image encodes its own mask, so that the source of every pixel is known."""
    other = (label[::-1, ::-1] + 40).astype(np.uint8)
    pair = [tf.constant(mask[..., None].repeat(3, -1)) for mask in (label, other)]
    shares = []
    for seed in range(10):
        mixed, mask = mixing.mix(
            pair[0], tf.constant(label), (pair[1], tf.constant(other)), tf.constant(kind), tf.constant([seed, 0])
        )
        np.testing.assert_array_equal(mixed[..., 1], mask)
        over = mask.numpy() >= 40
        np.testing.assert_array_equal(mask, np.where(over, other, label))
        shares.append(over.mean())
        if kind == mixing.CLASSMIX:
            assert len(np.unique(mask[over])) == len(np.unique(other)) // 2
            assert not set(np.unique(other[~over])) & set(np.unique(mask[over]))
        else:
            assert over.sum() == over.any(1).sum() * over.any(0).sum()
    assert 0.1 < np.mean(shares) < 0.8


def test_classmix_pastes_no_ignored_pixels() -> None:
    label, other = np.zeros((8, 8), np.uint8), np.full((8, 8), IGNORE, np.uint8)
    other[:4, :4], other[4:, 4:] = 1, 2
    for seed in range(5):
        _, mask = mixing.mix(
            tf.zeros([8, 8, 3], tf.uint8),
            tf.constant(label),
            (tf.ones([8, 8, 3], tf.uint8), tf.constant(other)),
            tf.constant(mixing.CLASSMIX),
            tf.constant([seed, 0]),
        )
        assert IGNORE not in mask.numpy() and (mask.numpy() > 0).sum() == 16
