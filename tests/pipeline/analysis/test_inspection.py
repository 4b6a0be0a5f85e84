"""`segline inspect` finds a model by name, in a run and in a SavedModel, and draws what it is asked for."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.spec import DatasetSpec
from models import catalog, segmenter, servable
from models.auxiliary import without_heads
from models.errors import ModelError
from models.fit import Fit
from pipeline.__main__ import main
from pipeline.analysis import inspection
from pipeline.config import recipe_file
from pipeline.config.recipe import ModelConfig
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.training import trained_model
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

TINY = Path(__file__).parents[2] / "tiny.yaml"
DDRNET = {"width": 8, "head_width": 8}


def find(model: str, folder: Path, **options) -> inspection.Subject:
    return inspection.load(model, Workspace(folder), options=options)


def test_a_saved_model_gives_back_the_weights_it_was_made_of(tmp_path: Path, ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    model = without_heads(catalog.build("ddrnet", spec.num_classes, DDRNET))
    tf.saved_model.save(servable.Servable(model, Fit((64, 96))), tmp_path / "1")
    config = ModelConfig(name="ddrnet", options=DDRNET)
    facts.write(tmp_path / "1", spec=spec, model=config, fit=Fit((64, 96)), metrics={}, signatures={})
    found = find(str(tmp_path), tmp_path)
    assert (found.name, found.fit, found.weights) == ("ddrnet", Fit((64, 96)), str(tmp_path / "1"))
    assert found.size == (64, 96)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    np.testing.assert_array_equal(segmenter.logits(found.model, image), segmenter.logits(model, image))
    config = ModelConfig(name="ddrnet", options={**DDRNET, "width": 16})
    facts.write(tmp_path / "1", spec=spec, model=config, fit=None, metrics={}, signatures={})
    with pytest.raises(UserError, match="exported by another version of Segline"):
        find(str(tmp_path), tmp_path)


def test_a_run_and_what_it_made_give_the_trained_model(
    tmp_path: Path, ingested: Path, tiny_recipe, monkeypatch
) -> None:
    model, asked = catalog.build("fast", 11, {"width": 8}), []
    monkeypatch.setattr(trained_model, "load", lambda *arguments: asked.append(arguments) or model)
    run = RunFolder.create(Workspace(tmp_path), tiny_recipe, ["segline"], "monday")
    with pytest.raises(UserError, match="Run monday has no result of step ingest yet"):
        find("monday", tmp_path)
    train = tmp_path / "artifacts" / "train" / "abc"
    train.mkdir(parents=True)
    (train / "artifact.json").write_text('{"step": "train", "run": "monday"}')
    run.link("ingest", ingested)
    run.link("train", train)
    for name in ("monday", str(run.path), str(train)):
        found = find(name, tmp_path)
        assert (found.model, found.name, found.weights) == (model, "fast", "run monday")
    assert asked == 3 * [(train, tiny_recipe.model, 11)]


def test_what_is_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'ddrnt'\. Did you mean 'ddrnet'"):
        find("ddrnt", tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        find(str(tmp_path / "missing"), tmp_path)
    with pytest.raises(ModelError, match="takes no parameter 'widht'"):
        find("fast", tmp_path, widht=3)
    for asked in ({"options": {"width": 3}}, {"num_classes": 3}):
        with pytest.raises(
            UserError, match=r"--option and --classes are of a model given by name\. .* and has its own"
        ):
            inspection.load(str(tmp_path), Workspace(tmp_path), **asked)


def test_the_command_prints_a_table_and_writes_pictures(tmp_path: Path, camvid_raw: Path, capfd) -> None:
    image = sorted((camvid_raw / "val").glob("*.png"))[0]
    command = ["inspect", "fast", "--option", "width=8", "--classes", "5", "--workspace", str(tmp_path)]
    assert main([*command, "--summary", "--size", "64x96"]) == 0
    printed = capfd.readouterr().out.splitlines()
    assert max(map(len, printed)) <= 80
    assert any("stem_a_conv" in line and "32x48x4" in line for line in printed)
    assert "multiply-adds for an image of 64x96" in printed[-1]
    drawing = ["--filters", "stem_a_conv", "--activations", "stage8_1_relu", "--image", str(image)]
    assert main([*command, *drawing, "--out", str(tmp_path / "out")]) == 0
    written = capfd.readouterr().out.splitlines()[1:]
    assert [Path(line).name for line in written] == [
        "fast-stem_a_conv-filters.png",
        f"fast-stage8_1_relu-{image.stem}.png",
    ]
    assert all(Image.open(line).width >= 96 for line in written)
    assert main([*command, "--filters", "stem_b_conv", "--filter", "3", "--out", str(tmp_path / "out")]) == 0
    assert Path(capfd.readouterr().out.splitlines()[1]).name == "fast-stem_b_conv-filter3.png"


def test_a_size_below_the_stride_is_refused_before_anything_is_built(
    tmp_path: Path, tiny_recipe, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    monkeypatch.setattr(catalog, "build", None)
    command = ["inspect", "fast", "--workspace", str(tmp_path), "--size"]
    assert main([*command, "8x96"]) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert told == (
        "segline: --size: Images of 8x96 are smaller than the stride 16 of model 'fast'. Give it at least 16x96, or "
        "another model."
    )
    RunFolder.create(Workspace(tmp_path), tiny_recipe, ["segline"], "monday")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    facts.write(
        tmp_path / "1", spec=tiny_recipe.data.spec(), model=tiny_recipe.model, fit=None, metrics={}, signatures={}
    )
    for model in ("monday", str(tmp_path / "1")):
        with pytest.raises(UserError, match=r"--size: Images of 8x96 are smaller than the stride 16 of model 'fast'"):
            inspection.load(model, Workspace(tmp_path), size=(8, 96))


def test_the_summary_is_for_an_image_that_the_network_can_see(tmp_path: Path) -> None:
    assert find("fast", tmp_path, width=8).size == (360, 480)
    assert find("unet", tmp_path, width=1, depth=9).size == (512, 512)


def test_the_table_keeps_to_80_columns_and_cuts_no_name() -> None:
    images = keras.Input((None, None, 3), name="image")
    name = "backbone_expanded_conv_12_squeeze_excite_global_average_pooling"
    x = keras.layers.Conv2D(512, 7, padding="same", name=name)(images)
    lines = inspection.table(keras.Model(images, x), (1024, 2048))
    assert name in lines and max(map(len, lines)) <= 80
    assert lines[lines.index(name) + 1].split() == ["Conv2D", "1024x2048x512", "75,776", "157,840.0"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--filters", "stem_conv"], "has no layer 'stem_conv'. Near: stem_"),
        (["--filter", "3"], "--filter 3 needs the layer whose filter it is: --filters LAYER"),
        (["--activations", "logits"], "--image FILE"),
        (["--activations", "logits", "--image", "missing.png"], "'missing.png' cannot be read"),
        (["--image", "missing.png"], "--image missing.png needs the layer that answers to it: --activations LAYER"),
        (["--size", "360"], "--size must be HEIGHTxWIDTH"),
        (["--option", "width"], "--option must be KEY=VALUE"),
        (["--option", "wide=["], "wide"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: list[str], told: str, tmp_path: Path, capfd) -> None:
    assert main(["inspect", "fast", "--out", str(tmp_path), *arguments]) == 2
    assert told in " ".join(capfd.readouterr().err.split())


def test_training_shows_the_layers_that_the_recipe_names(ingested: Path, validated: Path) -> None:
    def job(*layers: str) -> Job:
        named = f"train.tensorboard.inspect=[{', '.join(layers)}]"
        config = recipe_file.load(str(TINY), ["data.manual_dir=unused", named])
        return make_job(config, {"ingest": ingested, "validate": validated}, 2, tf.distribute.get_strategy())

    made = job("stem_a_conv")
    assert made.validate is not None
    found = made.validate(lambda: None).pictures
    assert {"inspect/stem_a_conv/activations", "inspect/stem_a_conv/filters"} < set(found)
    with pytest.raises(ModelError, match=r"no layer 'stem_c_conv'\. Near: stem_"):
        job("stem_a_conv", "stem_c_conv")


def test_a_training_that_goes_on_shows_its_newest_checkpoint(tmp_path: Path, ingested: Path, tiny_recipe) -> None:
    workspace = Workspace(tmp_path)
    run = RunFolder.create(workspace, tiny_recipe, ["segline"], "today")
    run.link("ingest", ingested)
    store = Store(workspace.store)
    store.begin_run("today", "tiny", "segline", "", "running")
    store.begin("today", "train", "", "abc", "{}")
    store.close()
    with pytest.raises(UserError, match="training of run today has written no checkpoint yet"):
        find("today", tmp_path)
    model = catalog.build("fast", 11, {"width": 8})
    checkpoints = Checkpoints(workspace.partial("train", "abc") / "checkpoints")
    arrays = {f"model/{place}": variable.numpy() for place, variable in enumerate(model.variables)}
    for number, factor in ((3, 0.5), (7, 1.0)):
        checkpoints.save(number, {key: factor * array for key, array in arrays.items()}, {})
    found = find("today", tmp_path)
    assert found.weights == "run today, as they were after step 7"
    for ours, theirs in zip(found.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    (checkpoints.folder / "step-000000007.npz").write_bytes(b"torn")
    with pytest.raises(UserError, match="newest checkpoint of run today cannot be read"):
        find("today", tmp_path)
    assert len(list(checkpoints.folder.iterdir())) == 2
