"""Every built-in recipe builds its network and trains it for a step."""

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from datasets import catalog as datasets_catalog
from models import catalog
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training import optimisation
from pipeline.training.train_step import make_update

QUICK = {"demo", "camvid_fast", "salt_unet", "salt_unet_modern"}

SIZE = (64, 96)
"""Height and width of the image."""

FULL_HEAD = "camvid_fcn8s"
"""The only FCN recipe that is tested with its head 4096 wide: 135 million weights are slow."""


@pytest.fixture
def eager() -> Iterator[None]:
    """Run without graphs, which is faster for a single step."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


ALIKE = (
    "camvid_best",
    "camvid_notebook_budget",
    "ccp_lite",
    "ccp_unet_densenet121",
    "cityscapes_pairs_fcn16s",
    "cityscapes_pairs_fcn32s",
    "cityscapes_pairs_fcn8s",
    "kitti_road_fcn8s",
    "salt_lite",
)


def classes(recipe: Recipe) -> int:
    if datasets_catalog.takes_layout(recipe.data.name):
        return 2  # no data folder here to read them from; both recipes are for binary masks
    return recipe.data.spec().num_classes


def without_weights(name: str) -> list[str]:
    """Return the settings by which a recipe needs no package of weights, which may not be installed."""
    written = "\n    weights: " in recipe_file.find(name).read_text(encoding="utf-8")
    return ["model.options.weights=random"] if written else []


def marked(name: str) -> object:
    """A recipe whose network and loss another one has as well is trained in the long tests only."""
    marks = () if name in QUICK else pytest.mark.long if name in ALIKE else pytest.mark.slow
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [marked(name) for name in recipe_file.names()])
@pytest.mark.usefixtures("eager")
def test_a_training_step_changes_the_weights(name: str) -> None:
    keras.utils.set_random_seed(0)
    recipe = load_recipe(name, without_weights(name))
    train, count = recipe.train, classes(recipe)
    options = catalog.with_random_weights(recipe.model.name, recipe.model.options)
    if recipe.model.name == "fcn" and name != FULL_HEAD:
        options["head_width"] = 64
    model = catalog.build(recipe.model.name, count, options)
    optimizer = optimisation.optimizer(train, model, optimisation.learning_rate(train, 10), 10)
    rng = np.random.default_rng(1)
    batch = {
        "image": tf.constant(rng.integers(0, 256, (1, *SIZE, 3), np.uint8)),
        "label": tf.constant(rng.integers(0, count, (1, *SIZE), np.int32)),
    }
    last = model.trainable_variables[-1]
    before = last.numpy()
    result = make_update(model, optimizer, tf.distribute.get_strategy(), loss=train.loss)(batch)
    assert np.isfinite(result["loss"])
    assert np.isfinite(last).all() and np.any(last.numpy() != before)
    keras.backend.clear_session()


def test_each_reference_recipe_has_a_modern_one_that_lists_its_changes() -> None:
    names = set(recipe_file.names())
    for name in ("camvid_fcn8s", "cityscapes_pairs_fcn8s", "ccp_unet_densenet121", "kitti_road_fcn8s", "salt_unet"):
        assert {name, f"{name}_modern"} <= names
        text = (recipe_file.RECIPES / f"{name}_modern.yaml").read_text()
        assert f"What it changes against {name}," in text.replace("\n# ", " ")
    for name in names:
        head = (recipe_file.RECIPES / f"{name}.yaml").read_text().split("\ndata:")[0]
        assert all(f"# {key}" in head for key in ("command", "hardware", "time", "mIoU")), name
