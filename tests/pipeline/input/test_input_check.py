"""Images that cannot be batched are refused before anything is built, with all problems in one message."""

import pytest

from pipeline.config.input import AugmentConfig, InputConfig
from pipeline.errors import UserError
from pipeline.input import input_check


def test_images_larger_than_the_padded_size_are_refused() -> None:
    config = InputConfig(size=(400, 400), fit="pad")
    with pytest.raises(UserError, match=r"input.size is 400 x 400, and the training images have up to 360 x 480"):
        input_check.check(config, 1, {"360x480": 6, "300x400": 1})
    input_check.check(config.model_copy(update={"fit": "resize_pad"}), 1, {"360x480": 6})


def test_all_problems_are_in_one_message() -> None:
    with pytest.raises(UserError) as error:
        input_check.check(InputConfig(), 8, {"360x480": 4, "720x960": 2})
    for part in ("batch_size is 8", "6 images", "360x480 (4), 720x960 (2)", "input.size", "input.augment.crop"):
        assert part in str(error.value)


def test_a_size_or_a_crop_makes_images_of_one_size() -> None:
    sizes = {"360x480": 4, "720x960": 2}
    input_check.check(InputConfig(size=(32, 32)), 6, sizes)
    input_check.check(InputConfig(augment=AugmentConfig(crop=(32, 32))), 6, sizes)
    input_check.check(InputConfig(), 6, {"360x480": 6})


def test_a_crop_of_mostly_margin_is_refused() -> None:
    crop = AugmentConfig(crop=(2000, 2000), scale=(0.5, 2.0))
    with pytest.raises(UserError, match=r"crop is 2000 x 2000 and the largest image 360 x 480"):
        input_check.check(InputConfig(augment=crop), 1, {"360x480": 6})
    input_check.check(InputConfig(augment=crop.model_copy(update={"crop": (400, 500)})), 1, {"360x480": 6})


def test_rot90_and_device_augmentation_need_one_size() -> None:
    rotated = InputConfig(copies=("rot90",))
    with pytest.raises(UserError, match=r"rot90, which makes images of 480 x 360 from those of 360 x 480"):
        input_check.check(rotated, 1, {"360x480": 6})
    input_check.check(rotated.model_copy(update={"size": (64, 64)}), 1, {"360x480": 6})
    device = InputConfig(augment=AugmentConfig(crop=(32, 32)), augment_on="device")
    with pytest.raises(UserError, match=r"device augments must have one size. Set input.size, such as \[360, 480\]\."):
        input_check.check(device, 1, {"360x480": 6, "300x400": 1})
