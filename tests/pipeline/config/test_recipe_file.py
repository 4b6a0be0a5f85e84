"""Recipes are loaded, overridden and checked, and every mistake is named with its key."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe, described, settings
from pipeline.errors import UserError
from pipeline.orchestration.recipe_loader import load_recipe

GOOD = """
data: {name: camvid, manual_dir: somewhere}
model: {name: fast}
train: {epochs: 3, batch_size: 4, learning_rate: 1e-3}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    return path


@pytest.mark.parametrize("name", recipe_file.names())
def test_every_recipe_loads_and_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    loaded = recipe_file.read(recipe_file.find(name))  # which needs no package of weights, as `load_recipe` does
    (tmp_path / "again.yaml").write_text(recipe_file.dump(loaded))
    assert recipe_file.read(tmp_path / "again.yaml") == loaded
    assert recipe_file.headline(name)


def test_the_name_of_a_recipe_is_that_of_its_file(file: Path) -> None:
    assert load_recipe(str(file)).name == "mine"


@pytest.mark.parametrize("text", ["0016E5", "0006e0"])
def test_a_sequence_name_that_looks_like_a_number_stays_text(file: Path, text: str) -> None:
    assert load_recipe(str(file), [f"data.holdout_groups=[{text}]"]).data.holdout_groups == (text,)


def test_an_exponent_without_a_dot_is_a_number(file: Path) -> None:
    assert load_recipe(str(file), ["train.weight_decay=1e-4"]).train.weight_decay == 1e-4
    assert load_recipe(str(file), ["model.options.dropout=5e-1"]).model.options == {"dropout": 0.5}


def test_overrides_apply_at_every_depth(file: Path) -> None:
    loaded = load_recipe(str(file), ["input.augment.crop=[64, 96]", "validate.all_void_mask=error", "name=x"])
    assert loaded.input.augment.crop == (64, 96)
    assert loaded.validate_.all_void_mask == "error"
    assert loaded.name == "x"


def test_all_mistakes_are_reported_at_once(file: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(
            str(file),
            ["train.epoch=5", "train.batch_size=many", "input.augment.scale=[2, 1]", "data.name=camvit", "colour=red"],
        )
    text = str(caught.value)
    assert "5 settings are not right" in text
    assert "train.epoch: there is no such key. Did you mean 'epochs'?" in text
    assert "train.batch_size: " in text and "Received: 'many'" in text
    assert "input.augment: `scale` must be [low, high]" in text
    assert "data.name: " in text and "Did you mean 'camvid'?" in text
    assert "colour: there is no such key" in text


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.name=fst", "Did you mean 'fast'?"),
        ("seed=1", "seed: there is no such key. Did you mean 'train.seed'?"),
        ("augment.flip=true", "augment: there is no such key. Did you mean 'input.augment'?"),
        ("input.crop=[64, 64]", "input.crop: there is no such key. Did you mean 'input.augment.crop'?"),
        ("url=x", "Did you mean 'data.url' or 'export.url'?"),
        ("model.width=32", "model.width: there is no such key. Did you mean 'model.options.width'?"),
        ("learning_rat=1", "Did you mean 'train.learning_rate'?"),
        ("train.name=x", "train.name: there is no such key. Keys here: epochs, "),
        ("model.options.widht=3", "width"),
        ("train", "--set must be KEY=VALUE"),
        ("train.epochs.x=1", "holds a value"),
        ("train.epochs=0", "greater than 0"),
        ("train.epochs=null", "set one of `epochs` and `budget`, the other to null. Received: neither."),
        ("train.budget=soon", "train.budget: must be a duration above 0, such as 38m"),
        ("train.learning_rate=null", "train.learning_rate: "),
        ("train.learning_rate=.inf", "train.learning_rate: "),
        ("train.warmup_epochs=4", "`warmup_epochs` must be at most `epochs`; set both. Received: 4 of 3."),
        ("train.logit_adjustment=1", "`logit_adjustment` makes up for `class_weights`;"),
        ("export.name=../../elsewhere", "export.name: "),
    ],
)
def test_a_wrong_override_is_refused_with_what_is_allowed(file: Path, override: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(str(file), [override])
    assert expected in str(caught.value)


def test_missing_sections_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("model: {name: fast}\n")
    with pytest.raises(UserError) as caught:
        load_recipe(str(tmp_path / "empty.yaml"))
    assert "data: is required" in str(caught.value) and "train: is required" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1", "no valid YAML"),
        ("- 1", "must hold sections"),
        (GOOD + "model: {name: fcn}\n", "stands twice"),
        (GOOD + "schedule: {{ cron }}\n", "no valid YAML: a mapping cannot be a key"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(UserError, match=expected):
        load_recipe(str(tmp_path / "broken.yaml"))


def test_an_override_that_is_no_yaml_is_text(file: Path) -> None:
    assert load_recipe(str(file), ["data.manual_dir=2026-02-30"]).data.manual_dir == Path("2026-02-30")
    with pytest.raises(UserError, match=r"evaluate\.gate: .*Received: '\{\[a\]: 1\}'"):
        load_recipe(str(file), ["evaluate.gate={[a]: 1}"])


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"Did you mean 'camvid_fast'\?.*demo"):
        load_recipe("camvid_fats")
    with pytest.raises(UserError, match=r"no recipe file 'not/here\.yaml'"):
        load_recipe("not/here.yaml")


def test_a_recipe_cannot_be_changed(file: Path) -> None:
    with pytest.raises(ValidationError):
        load_recipe(str(file)).train.epochs = 9  # type: ignore[misc]


def test_a_step_reads_only_its_own_sections(file: Path) -> None:
    seen: Recipe = load_recipe(str(file)).only(("data", "validate"))
    assert seen.data.name == "camvid" and seen.validate_.split_missing == "warning"
    with pytest.raises(AttributeError):
        _ = seen.train


def test_paths_and_caches_are_no_settings(file: Path) -> None:
    assert "input.cache" not in settings(load_recipe(str(file)), ("input",))
    here = settings(load_recipe(str(file)), ("data",))
    there = settings(load_recipe(str(file), ["data.manual_dir=/elsewhere"]), ("data",))
    assert here == there
    assert here["data.name"] == "camvid"


def test_a_weights_file_counts_by_its_contents(file: Path, tmp_path: Path) -> None:
    (tmp_path / "vgg.h5").write_text("weights")
    section = load_recipe(str(file), ["model.name=fcn", f"model.options.weights={tmp_path / 'vgg.h5'}"]).model
    assert section.files() == {"model.options.weights": tmp_path / "vgg.h5"}
    assert load_recipe(str(file)).model.files() == {}


def test_sizes_below_the_stride_of_the_network_are_refused_with_every_key(file: Path) -> None:
    wrong = ["model.name=segnet", "model.options={}", "input.size=[20, 64]", "input.augment.crop=[64, 16]"]
    with pytest.raises(UserError, match=r"`input\.size`: Images of 20x64 are smaller than the stride 32") as caught:
        load_recipe(str(file), wrong)
    assert "`input.augment.crop`: Images of 64x16" in str(caught.value)


def test_the_path_of_a_weights_file_may_begin_with_a_tilde(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "vgg.h5").write_text("weights")
    section = load_recipe(str(file), ["model.name=fcn", "model.options.weights=~/vgg.h5"]).model
    assert section.options["weights"] == str(tmp_path / "vgg.h5")


def test_weights_files_must_exist_before_a_run_but_not_after_it(file: Path) -> None:
    wrong = ["model.name=fcn", "model.options.weights=gone.h5"]
    with pytest.raises(UserError, match=r"model: Parameter 'weights' .* no file of that name\. Received: 'gone\.h5'"):
        load_recipe(str(file), wrong)
    assert recipe_file.read(file, wrong).model.options == {"weights": "gone.h5"}


def test_initial_weights_must_exist_and_count_by_their_contents(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.h5").write_text("weights")
    begun = load_recipe(str(file), ["train.begin_with=~/mine.h5"])
    assert begun.train.files() == {"train.begin_with": tmp_path / "mine.h5"}
    assert settings(begun, ("train",)) == settings(load_recipe(str(file)), ("train",))
    assert described(begun, ("train",))["train.begin_with"] == str(tmp_path / "mine.h5")
    for wrong in ("gone.h5", str(tmp_path)):
        with pytest.raises(UserError, match=rf"train\.begin_with: there is no file '{wrong}'\. Name the weights\.h5"):
            load_recipe(str(file), [f"train.begin_with={wrong}"])
    after = recipe_file.read(file, ["train.begin_with=gone.h5"])
    with pytest.raises(UserError, match=r"train\.begin_with: there is no file"):
        after.train.files()


def test_backbone_settings_of_a_network_without_a_backbone_are_refused(file: Path) -> None:
    with pytest.raises(UserError, match=r"`train\.backbone` is set, and model 'fast' has no backbone"):
        load_recipe(str(file), ["train.backbone.frozen_epochs=1"])
    load_recipe(str(file), ["model.name=segnet", "train.backbone.frozen_epochs=1"])


def test_all_metrics_and_protocols_that_do_not_fit_the_data_are_reported_at_once(file: Path) -> None:
    gate = "evaluate.gate={iou/Caar: 0.4, boundary/mean_f1: 0.1, slice/0001TP/iou/Car: 0.1}"
    with pytest.raises(UserError) as error:
        load_recipe(str(file), [gate, "evaluate.protocols=[boundary, kitti_road]"])
    lines = str(error.value).splitlines()
    assert "`evaluate` does not fit the data" in lines[0] and "kitti_road: needs 2 classes" in lines[1]
    assert lines[2].endswith("no metric 'iou/Caar'. Did you mean 'iou/Car'?") and "'boundary/mean_f1'" in lines[3]
    assert lines[4].startswith("  Metrics: miou, ") and len(lines) == 5


def test_a_mistake_across_two_sections_has_no_empty_key(file: Path) -> None:
    with pytest.raises(UserError, match=r"\n  `evaluate.inference` sliding looks at windows"):
        load_recipe(str(file), ["input.size=[64, 64]", "evaluate.inference=sliding", "evaluate.window=[64, 64]"])
    with pytest.raises(UserError, match=r"\n  `train.validate_window` looks at windows"):
        load_recipe(str(file), ["input.size=[64, 64]", "train.validate_window=[64, 64]"])


def test_a_network_that_pools_to_one_pixel_needs_two_images_per_batch(file: Path) -> None:
    one_image = ["model.name=ddrnet", "model.options={}", "train.batch_size=4", "train.accumulate=4"]
    with pytest.raises(UserError, match=r"needs at least 2 images at once .* Received: 4 / 4"):
        load_recipe(str(file), one_image)
    assert load_recipe(str(file), [*one_image[:3], "train.accumulate=2"]).train.accumulate == 2
    assert load_recipe(str(file), ["model.options={}", "train.batch_size=1"]).train.batch_size == 1
