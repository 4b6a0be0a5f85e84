"""Losses are listed and checked without importing TensorFlow; every problem is in one message."""

import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import ModelError
from models.losses import catalog
from pipeline.errors import UserError


def test_names() -> None:
    assert catalog.names() == [
        "boundary", "cross_entropy", "dice", "focal", "jaccard", "lovasz_softmax", "ohem", "tversky"
    ]  # fmt: skip
    assert catalog.parameters("tversky") == {"alpha": 0.3, "beta": 0.7, "absent": False}


def test_valid_terms_pass() -> None:
    catalog.check({"cross_entropy": 1, "dice": 0.5, "focal": {"gamma": 3}, "ohem": {"weight": 2, "min_share": 0.5}})
    assert catalog.split({"gamma": 3}) == (1.0, {"gamma": 3}) and catalog.split(0.5) == (0.5, {})


def test_every_problem_is_in_one_message() -> None:
    terms = {"dise": 1, "dice": 0, "focal": {"gama": 2, "gamma": -1}, "boundary": {"radius": 1.5, "weight": True}}
    with pytest.raises(ModelError) as caught:
        catalog.check(terms)
    for part in (
        "There is no loss 'dise'. Did you mean 'dice'? Known losses: boundary, cross_entropy,",
        "The weight of loss 'dice' must be a number above 0. Received: 0.",
        "Loss 'focal' takes no parameter 'gama'. Did you mean 'gamma'? Parameters: weight, gamma.",
        "Parameter 'gamma' of loss 'focal' must be a number of 0 or more. Received: -1.",
        "Parameter 'radius' of loss 'boundary' must be a whole number above 0. Received: 1.5.",
        "The weight of loss 'boundary' must be a number above 0. Received: True.",
    ):
        assert part in str(caught.value)


def test_no_loss_is_refused() -> None:
    with pytest.raises(ModelError, match="At least one loss"):
        catalog.check({})


def test_the_error_of_a_recipe_names_the_key(tiny_recipe) -> None:
    from pipeline.orchestration.recipe_loader import load_recipe

    override = f"data.manual_dir={tiny_recipe.data.manual_dir}"
    tiny = str(Path(__file__).parents[2] / "tiny.yaml")
    loaded = load_recipe(tiny, [override, "train.loss={cross_entropy: 1, focal: {weight: 0.5, gamma: 3}}"])
    assert loaded.train.loss == {"cross_entropy": 1.0, "focal": {"weight": 0.5, "gamma": 3}}
    with pytest.raises(UserError, match=r"train\.loss: There is no loss 'focl'\. Did you mean 'focal'"):
        load_recipe(tiny, [override, "train.loss={focl: 1}"])


def test_checking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from models.losses import catalog; catalog.check({'focal': {'gamma': 1}}); "
        "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    )
    project = Path(__file__).parents[3]
    printed = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
