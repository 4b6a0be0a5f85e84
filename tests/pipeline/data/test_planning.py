"""A plan follows from facts by rules, and is a valid recipe that trains for its time."""

import argparse
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from datasets import catalog
from datasets.raw import RawFolder
from pipeline.cli import data_commands
from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.data import planning, recipe_builder, recipe_plan
from pipeline.data.initialisation import initialise
from pipeline.data.recipe_plan import Facts
from pipeline.errors import UserError
from pipeline.input import input_check

CAMVID = Facts(
    budget=2280,
    images=367,
    sizes={"360x480": 367},
    shares=[0.3, 0.3, 0.2, 0.1, 0.095, 0.005],
    cores=2,
    gpus=0,
    memory=8 * 10**9,
    grey=False,
    pretrained=True,
)
REST = "model: {name: fast}\ntrain: {epochs: 1, batch_size: 2, learning_rate: 1e-3}\n"
DATA = 'data: {name: camvid, manual_dir: "nowhere"}\n'


def values(facts: Facts) -> dict[str, Any]:
    return {key: value for key, (value, _) in recipe_plan.make(facts).items()}


def recipe(facts: Facts, folder: Path) -> Recipe:
    path = folder / "planned.yaml"
    path.write_text(recipe_plan.text(recipe_plan.make(facts), "# planned", DATA))
    return recipe_file.read(path)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, {"model.name": "fpn", "input.size": None, "input.augment.crop": [288, 384], "train.batch_size": 8}),
        ({}, {"train.budget": "38m", "train.class_weights": "sqrt_median_frequency", "input.augment.rare_crops": 0.3}),
        ({"pretrained": False}, {"model.name": "fast", "model.options.weights": None}),
        ({"shares": [0.7, 0.3]}, {"train.class_weights": None, "input.augment.rare_crops": None}),
        ({"shares": [0.4, 0.3, 0.3, 0.0]}, {"train.class_weights": None, "input.augment.rare_crops": None}),
        ({"sizes": {"101x101": 367}}, {"input.size": [192, 192], "train.batch_size": 32}),
        ({"sizes": {"101x101": 367}, "pretrained": False}, {"input.size": None, "input.augment.crop": [96, 96]}),
        ({"sizes": {"825x550": 300, "830x550": 67}, "budget": 600}, {"input.fit": "resize_pad"}),
        ({"sizes": {"3000x4000": 367}, "budget": 1e6}, {"input.size": [1056, 1408]}),
        ({"grey": True}, {"input.augment.hue": None, "input.augment.contrast": 0.3}),
        ({"pace": 0.2}, {"input.size": [256, 320]}),  # a slow machine sees smaller images
        ({"pace": 9.0}, {"input.size": None}),
        ({"memory": 10**9}, {"train.batch_size": 2}),
        ({"gpus": 2}, {"train.batch_size": 16}),
        ({"images": 12}, {"train.batch_size": 3, "train.epochs": 300, "train.budget": None}),
        ({"images": 1}, {"train.batch_size": 1, "train.budget": None}),
        ({"budget": 80.0}, {"train.budget": "80s"}),
        ({"budget": 10.0}, {"train.budget": None, "train.epochs": 0.54, "train.warmup_epochs": 0.054}),
    ],
)
def test_rules(facts: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    changed = replace(CAMVID, **facts)
    planned = values(changed)
    assert {key: planned.get(key) for key in expected} == expected
    made = recipe(changed, tmp_path)
    input_check.check(made.input, made.train, changed.sizes)
    assert made.train.budget in (changed.budget, None)


def test_each_line_of_a_plan_has_its_reason() -> None:
    lines = recipe_plan.text(recipe_plan.make(CAMVID), "# head", DATA).splitlines()
    settings = [line for line in lines[2:] if line and not line.endswith(":")]
    assert len(settings) > 15 and all("  # " in line for line in settings)


def folder(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(20):
        for part in ("images", "masks"):
            path = root / f"cells/{part}/{'train' if index < 16 else 'val'}/{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 3 if part == "masks" else 256, (48, 64), np.uint8)
            Image.fromarray(pixels).save(path)
    return root / "cells"


def test_init_plans_for_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[Recipe, int]] = []

    def measure(recipe: Recipe, classes: int) -> float:
        asked.append((recipe, classes))
        return 0.01

    cells = folder(tmp_path)
    printed = initialise(cells, None, tmp_path / "cells.yaml", force=False, budget=600.0, measure=measure)
    assert "planned for its budget" in "\n".join(printed)
    text = (tmp_path / "cells.yaml").read_text()
    assert (
        "16 training images of 48x64 (median); 3 classes;" in text and "0.01 million pixels a second (measured)" in text
    )
    ((first, classes),) = asked
    assert classes == 3 and first.input.augment.crop
    made = recipe_file.read(tmp_path / "cells.yaml")
    assert made.train.budget == 600.0 and made.data.layout and made.evaluate.min_miou == 0.34


def test_tune_keeps_the_other_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_commands, "_measure", lambda recipe, classes: 1.0)
    initialise(folder(tmp_path), None, tmp_path / "cells.yaml", force=False)
    options = {"recipe": "cells.yaml", "set": ["evaluate.min_miou=0.4"], "budget": "2m", "out": None, "force": False}
    data_commands.tune_recipe(argparse.Namespace(**options, dry_run=False))
    made, before = recipe_file.read(tmp_path / "cells_tuned.yaml"), recipe_file.read(tmp_path / "cells.yaml")
    assert made.evaluate.min_miou == 0.4 and made.data == before.data and made.train != before.train
    with pytest.raises(UserError, match=r"cells_tuned\.yaml: exists already\. --force"):
        data_commands.tune_recipe(argparse.Namespace(**options, dry_run=False))
    with pytest.raises(UserError, match="--budget must be a duration above 0, such as 38m"):
        data_commands.tune_recipe(argparse.Namespace(**{**options, "budget": "long"}, dry_run=False))


def test_a_folder_without_an_image_that_can_be_read_has_no_plan() -> None:
    empty: Any = SimpleNamespace(counts={"train": 3}, sizes=lambda split: {})
    with pytest.raises(UserError, match="no training image that can be read"):
        planning.gather(empty, 2, 60.0)


def test_the_facts_are_those_of_train_without_the_groups_that_are_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.sample("camvid").write(tmp_path / "CamVid", count=12, seed=0, config=None)
    path = tmp_path / "drives.yaml"
    path.write_text(f"data: {{name: camvid, manual_dir: {tmp_path / 'CamVid'}, allow_partial: true}}\n" + REST)
    asked: list[Facts] = []
    monkeypatch.setattr(planning, "recipe_text", lambda facts, *_: asked.append(facts) or "")
    read = planning.RawExamples.read
    splits = set()

    def watched(*arguments: Any) -> Any:
        for example in read(*arguments):
            splits.add(example.split)
            yield example

    monkeypatch.setattr(planning.RawExamples, "read", watched)
    whole = recipe_file.read(path)
    planning.tune(whole, 60.0, None)
    builder = recipe_builder.builder(whole, tmp_path)
    groups = [pair.group for pair in builder.find(RawFolder(tmp_path / "CamVid"))["train"].pairs]
    assert splits == {"train"} and asked[0].images == len(groups) > groups.count(groups[0])
    planning.tune(recipe_file.read(path, [f"data.holdout_groups=[{groups[0]}]"]), 60.0, None)
    assert asked[1].images == len(groups) - groups.count(groups[0])


def test_the_pace_of_several_gpus_is_that_of_one_with_its_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from pipeline.training import step_probe, train_step

    shapes: list[Any] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a", "b"] if kind == "GPU" else [])
    monkeypatch.setattr(step_probe.time, "monotonic", iter(range(100)).__next__)  # each step takes a second
    update = lambda batch: shapes.append(batch["image"].shape) or {"loss": 0.0}  # noqa: E731
    monkeypatch.setattr(train_step, "make_update", lambda *_, **__: update)
    made = recipe(replace(CAMVID, pretrained=False, gpus=2), tmp_path)
    crop = made.input.augment.crop
    assert crop and made.train.batch_size == 16
    assert step_probe.megapixels_per_second(made, 6) == 16 * crop[0] * crop[1] / 1e6
    assert {tuple(shape) for shape in shapes} == {(8, *crop, 3)}


def test_the_pace_of_a_network_is_measured(tmp_path: Path) -> None:
    from pipeline.training import step_probe

    small = {"sizes": {"64x64": 8}, "images": 8, "pretrained": False}
    path = tmp_path / "planned.yaml"
    path.write_text(recipe_plan.text(recipe_plan.make(replace(CAMVID, **small)), "# planned", DATA))
    made = recipe_file.read(path, ["model.options={width: 8}", "input.augment.crop=[32, 32]", "train.batch_size=2"])
    assert 0 < step_probe.megapixels_per_second(made, 6) < 1e4
