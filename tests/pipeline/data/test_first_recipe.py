"""The first recipe of `segline init` fits the sizes and the number of the images; `check` says what does not fit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import catalog, plain_yaml
from pipeline.config.recipe import Recipe
from pipeline.data import first_recipe
from pipeline.data.initialisation import initialise
from pipeline.data.raw_examples import RawExamples
from pipeline.input import input_check
from pipeline.orchestration import preflight
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace


def test_images_of_many_sizes_are_cut_and_few_of_them_make_small_batches(tmp_path: Path) -> None:
    for i in range(23):
        for part in ("images", "masks"):
            path = tmp_path / f"mixed/{part}/{'train' if i < 16 else 'val'}/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((34 + 3 * i, 38 + 3 * i), i % 3 if part == "masks" else i, np.uint8)).save(path)
    printed = initialise(tmp_path / "mixed", None, tmp_path / "mixed.yaml", force=False)
    assert "the images have 16 sizes, 34x38 to 79x83 (height x width): training cuts pieces of 64x64" in " ".join(
        map(str.strip, printed)
    )
    assert "16 training images: batches of 4, 75 epochs" in " ".join(map(str.strip, printed))
    recipe = load_recipe(str(tmp_path / "mixed.yaml"))
    assert (recipe.input.augment.crop, recipe.input.size) == ((64, 64), None)
    assert (recipe.train.batch_size, recipe.train.epochs) == (4, 75)
    assert preflight.check(recipe, Workspace(tmp_path / "workspace")) == []
    (problem,) = preflight.check(
        load_recipe(str(tmp_path / "mixed.yaml"), ["input.augment.crop=null"]), Workspace(tmp_path / "workspace")
    )
    assert "have 16 sizes" in problem and "such as [64, 64]" in problem and "train.batch_size to 1" in problem
    single = load_recipe(str(tmp_path / "mixed.yaml"), ["input.augment.crop=null", "train.batch_size=1"])
    assert preflight.check(single, Workspace(tmp_path / "workspace")) == []


@pytest.mark.parametrize(
    ("images", "sizes", "expected"),
    [
        (367, {"360x480": 367}, (8, 30, None, None)),
        (2, {"360x480": 2}, (2, 300, None, None)),
        (1, {"360x480": 1}, (1, 300, None, None)),
        (20_000, {"360x480": 20_000}, (8, 10, None, None)),
        (367, {"3000x4000": 367}, (8, 30, None, (384, 512))),
        (367, {"12x14": 367}, (8, 30, (32, 32), None)),
        (367, {"480x640": 180, "640x480": 187}, (8, 30, None, (512, 384))),
    ],
)
def test_the_first_recipe_fits_the_images(images: int, sizes: dict[str, int], expected: tuple) -> None:
    first = first_recipe.choose(images, sizes)
    assert (first.batch_size, first.epochs, first.size, first.crop) == expected
    text = first.text("mine", Path("mine"), Path("mine/segline.yaml"), 3)
    recipe = Recipe.model_validate({"name": "mine", **plain_yaml.parse(text)})
    input_check.check(recipe.input, recipe.train, sizes)
    assert recipe.evaluate.min_miou == 0.34 and "  # the gate: one class everywhere gives at most 1/3" in text


@pytest.mark.parametrize(("classes", "least"), [(1, 0.5), (2, 0.5), (11, 0.1), (150, 0.01)])
def test_the_gate_of_a_first_recipe_refuses_a_model_of_one_answer(classes: int, least: float) -> None:
    assert plain_yaml.parse(first_recipe.gate_section(classes))["evaluate"]["min_miou"] == least


def test_a_photograph_that_is_turned_counts_as_upright(tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / "turned/masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.tri(32, 48, dtype=np.uint8)).save(tmp_path / f"turned/masks/{i}.png")
        turned = Image.fromarray(np.tri(48, 32, dtype=np.uint8) * 90).convert("RGB")
        exif = turned.getexif()
        exif[0x0112] = 6
        (tmp_path / "turned/images").mkdir(exist_ok=True)
        turned.save(tmp_path / f"turned/images/{i}.jpg", exif=exif)
    initialise(tmp_path / "turned", tmp_path / "layout.yaml", tmp_path / "recipe.yaml", force=False)
    builder = catalog.builder("image_folder", tmp_path / "layout.yaml", data_dir=tmp_path)
    assert RawExamples(builder, tmp_path / "turned").sizes("train") == {"32x48": 2}
