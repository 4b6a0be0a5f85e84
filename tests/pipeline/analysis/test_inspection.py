"""`segline inspect` loads a model by name, from a run and from a SavedModel, and draws filters and activations."""

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
from pipeline.config.model import ModelConfig
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.training import tensorboard_pictures, trained_model
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.job import Job
from pipeline.training.recipe_job import make_job
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store
from tests.pipeline.finished import Finished
from tests.pipeline.sealed import seal

TINY = Path(__file__).parents[2] / "tiny.yaml"
DDRNET = {"width": 8, "head_width": 8}


def load(model: str, folder: Path, **options) -> inspection.Subject:
    return inspection.load(model, Workspace(folder), options=options)


def test_a_saved_model_has_the_weights_it_was_made_of(tmp_path: Path, ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    model = without_heads(catalog.build("ddrnet", spec.num_classes, DDRNET))
    tf.saved_model.save(servable.Servable(model, Fit((64, 96))), tmp_path / "1")
    config = ModelConfig(name="ddrnet", options=DDRNET)
    facts.write(tmp_path / "1", spec=spec, model=config, fit=Fit((64, 96)), metrics={}, signatures={})
    subject = load(str(tmp_path), tmp_path)
    assert (subject.name, subject.fit, subject.weights) == ("ddrnet", Fit((64, 96)), str(tmp_path / "1"))
    assert subject.size == (64, 96)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
    np.testing.assert_array_equal(segmenter.logits(subject.model, image), segmenter.logits(model, image))
    config = ModelConfig(name="ddrnet", options={**DDRNET, "width": 16})
    facts.write(tmp_path / "1", spec=spec, model=config, fit=None, metrics={}, signatures={})
    with pytest.raises(UserError, match="exported by another version of Segline"):
        load(str(tmp_path), tmp_path)


def test_a_run_and_its_artifact_give_the_trained_model(
    tmp_path: Path, ingested: Path, tiny_recipe, monkeypatch
) -> None:
    model, calls = catalog.build("fast", 11, {"width": 8}), []
    monkeypatch.setattr(trained_model, "load", lambda *arguments: calls.append(arguments) or model)
    run = RunFolder.create(Workspace(tmp_path), tiny_recipe, ["segline"], "monday")
    with pytest.raises(UserError, match="Run monday has no result of step ingest yet"):
        load("monday", tmp_path)
    train = tmp_path / "artifacts" / "train" / "abc"
    train.mkdir(parents=True)
    seal(train, run="monday")
    run.link("ingest", ingested)
    run.link("train", train)
    for name in ("monday", "mon", str(run.path), str(train)):
        subject = load(name, tmp_path)
        assert (subject.model, subject.name, subject.weights) == (model, "fast", "run monday")
    assert calls == 4 * [(train, tiny_recipe.model, 11)]


def test_a_recipe_gives_the_network_that_its_training_begins_with(tmp_path: Path) -> None:
    subject = load("demo", tmp_path)
    assert (subject.name, subject.weights) == ("fast", "as the training of recipe demo begins")
    assert subject.model.output_shape[-1] == 11  # the classes of its data


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'ddrnt'\. Did you mean 'ddrnet'"):
        load("ddrnt", tmp_path)
    with pytest.raises(UserError, match="is no folder"):
        load(str(tmp_path / "missing"), tmp_path)
    with pytest.raises(ModelError, match="takes no parameter 'widht'"):
        load("fast", tmp_path, widht=3)
    for given in ({"options": {"width": 3}}, {"num_classes": 3}):
        with pytest.raises(
            UserError, match=r"--option and --classes are for a model given by name\. .* and has its own"
        ):
            inspection.load("demo", Workspace(tmp_path), **given)
    with pytest.raises(UserError, match="is not a model: it holds neither"):
        load(str(tmp_path), tmp_path)


def test_a_saved_model_whose_variables_cannot_be_read(finished: Finished, capfd) -> None:
    assert main(["inspect", str(finished.workspace.serving / "net/2")]) == 2
    assert "cannot be loaded, as its files are damaged" in " ".join(capfd.readouterr().err.split())


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
    message = " ".join(capfd.readouterr().err.split())
    assert message == (
        "segline: --size: Images of 8x96 are smaller than the stride 16 of model 'fast'. Use at least 16x96, or "
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


def test_the_summary_is_for_an_image_that_is_large_enough(tmp_path: Path) -> None:
    assert load("fast", tmp_path, width=8).size == (360, 480)
    assert load("unet", tmp_path, width=1, depth=9).size == (512, 512)


def test_the_table_has_80_columns_and_shortens_no_name() -> None:
    images = keras.Input((None, None, 3), name="image")
    name = "backbone_expanded_conv_12_squeeze_excite_global_average_pooling"
    x = keras.layers.Conv2D(512, 7, padding="same", name=name)(images)
    lines = inspection.table(keras.Model(images, x), (1024, 2048))
    assert name in lines and max(map(len, lines)) <= 80
    assert lines[lines.index(name) + 1].split() == ["Conv2D", "1024x2048x512", "75,776", "157,840.0"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filters", "stem_conv"], "has no layer 'stem_conv'. Similar: stem_"),
        (["--filter", "3"], "--filter 3 needs the layer of the filter: --filters LAYER"),
        (["--activations", "logits"], "--image FILE"),
        (["--activations", "logits", "--image", "missing.png"], "there is no file 'missing.png'"),
        (["--image", "missing.png"], "--image missing.png needs a layer whose output to draw: --activations LAYER"),
        (["--size", "360"], "--size must be HEIGHTxWIDTH"),
        (["--option", "width"], "--option must be KEY=VALUE"),
        (["--option", "wide=["], "wide"),
    ],
)
def test_mistakes_are_reported_in_a_sentence(arguments: list[str], message: str, tmp_path: Path, capfd) -> None:
    assert main(["inspect", "fast", "--out", str(tmp_path), *arguments]) == 2
    assert message in " ".join(capfd.readouterr().err.split())


def test_training_draws_the_layers_that_the_recipe_names(ingested: Path, validated: Path) -> None:
    def job(*layers: str) -> Job:
        named = f"train.tensorboard.inspect=[{', '.join(layers)}]"
        config = load_recipe(str(TINY), ["data.manual_dir=unused", named])
        return make_job(config, {"ingest": ingested, "validate": validated}, 2, tf.distribute.get_strategy())

    made = job("stem_a_conv")
    assert made.validate is not None
    pictures = tensorboard_pictures.draw(made.model, made.display, made.validate(lambda: None))
    assert {"inspect/stem_a_conv/activations", "inspect/stem_a_conv/filters"} < set(pictures)
    with pytest.raises(ModelError, match=r"no layer 'stem_c_conv'\. Similar: stem_"):
        job("stem_a_conv", "stem_c_conv")


def test_a_running_training_has_its_newest_checkpoint(tmp_path: Path, ingested: Path, tiny_recipe) -> None:
    workspace = Workspace(tmp_path)
    run = RunFolder.create(workspace, tiny_recipe, ["segline"], "today")
    run.link("ingest", ingested)
    store = Store(workspace.store)
    store.begin_run("today", "tiny", "segline", "", "running")
    store.begin("today", "train", "", "abc", "{}")
    store.close()
    with pytest.raises(UserError, match="training of run today has written no checkpoint yet"):
        load("today", tmp_path)
    model = catalog.build("fast", 11, {"width": 8})
    checkpoints = Checkpoints(workspace.partial("train", "abc") / "checkpoints")
    arrays = {f"model/{index}": variable.numpy() for index, variable in enumerate(model.variables)}
    for number, factor in ((3, 0.5), (7, 1.0)):
        checkpoints.save(number, {key: factor * array for key, array in arrays.items()}, {})
    subject = load("today", tmp_path)
    assert subject.weights == "run today, after step 7 of an unfinished training"
    for restored, saved in zip(subject.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(restored, saved)
    (checkpoints.folder / "step-000000007.npz").write_bytes(b"torn")
    with pytest.raises(UserError, match="newest checkpoint of run today cannot be read"):
        load("today", tmp_path)
    assert len(list(checkpoints.folder.iterdir())) == 2
