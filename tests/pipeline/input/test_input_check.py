"""Images that cannot be batched are refused before anything is built, with all problems in one message."""

import pytest

from pipeline.config.input import AugmentConfig, InputConfig
from pipeline.config.train import TrainConfig
from pipeline.errors import UserError
from pipeline.input import input_check


def check(config: InputConfig, batch_size: int | str, sizes: dict[str, int]) -> None:
    input_check.check(config, TrainConfig(epochs=1, batch_size=batch_size, learning_rate=1e-3), sizes)


def test_images_larger_than_the_padded_size_are_refused() -> None:
    config = InputConfig(size=(400, 400), fit="pad")
    with pytest.raises(UserError, match=r"input.size is 400 x 400, and the training images have up to 360 x 480"):
        check(config, 1, {"360x480": 6, "300x400": 1})
    check(config.model_copy(update={"fit": "resize_pad"}), 1, {"360x480": 6})


def test_all_problems_are_in_one_message() -> None:
    with pytest.raises(UserError) as error:
        check(InputConfig(), 8, {"360x480": 4, "720x960": 2})
    for part in ("batch_size is 8", "6 images", "360x480 (4), 720x960 (2)", "input.size", "input.augment.crop"):
        assert part in str(error.value)


def test_a_size_or_a_crop_makes_images_of_one_size() -> None:
    sizes = {"360x480": 4, "720x960": 2}
    check(InputConfig(size=(32, 32)), 6, sizes)
    check(InputConfig(augment=AugmentConfig(crop=(32, 32))), 6, sizes)
    check(InputConfig(), 6, {"360x480": 6})


def test_a_crop_of_mostly_margin_is_refused() -> None:
    crop = AugmentConfig(crop=(2000, 2000), scale=(0.5, 2.0))
    with pytest.raises(UserError, match=r"crop is 2000 x 2000 and the largest image 360 x 480"):
        check(InputConfig(augment=crop), 1, {"360x480": 6})
    check(InputConfig(augment=crop.model_copy(update={"crop": (400, 500)})), 1, {"360x480": 6})


def test_rot90_and_device_augmentation_need_one_size() -> None:
    rotated = InputConfig(copies=("rot90",))
    with pytest.raises(UserError, match=r"rot90, which makes images of 480 x 360 from those of 360 x 480"):
        check(rotated, 2, {"360x480": 6})
    check(rotated.model_copy(update={"size": (64, 64)}), 1, {"360x480": 6})
    device = InputConfig(augment=AugmentConfig(crop=(32, 32)), augment_on="device")
    with pytest.raises(UserError, match=r"device augments must have one size. Set input.size, such as \[360, 480\]\."):
        check(device, 1, {"360x480": 6, "300x400": 1})


MIXED = {"34x38": 1, "60x70": 1, "62x75": 1, "90x120": 1}


def test_a_batch_of_one_takes_images_of_any_size() -> None:
    check(InputConfig(), 1, MIXED)
    check(InputConfig(copies=("rot90",)), 1, MIXED)
    with pytest.raises(UserError, match="images of a batch must have one size"):
        check(InputConfig(), "auto", MIXED)
    with pytest.raises(UserError, match=r"mixed with one another must have one size. Set input.size.*crop\.$"):
        check(InputConfig(augment=AugmentConfig(cutmix=0.5)), 1, MIXED)


def test_the_advised_size_is_that_of_most_images_and_never_the_smallest() -> None:
    with pytest.raises(UserError) as error:
        check(InputConfig(), 2, MIXED)
    advice = "Set input.size, such as [64, 64], or input.augment.crop, or train.batch_size to 1."
    assert str(error.value).endswith(advice)
    assert input_check.advise({"34x38": 1, "360x480": 2}) == (360, 480)
    assert input_check.advise({"10x12": 9}) == (32, 32)
    assert input_check.advise({"480x640": 5, "640x480": 5}) == (512, 512)
