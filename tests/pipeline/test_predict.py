"""segline predict: every image once, under its own name, at its own size; bad ones are told, the others are done."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.spec import DatasetSpec
from models.servable import SIGNATURES, Servable
from pipeline import facts, render
from pipeline.config import ModelConfig
from pipeline.errors import UserError
from pipeline.predict import newest_version, predict

COLOURS = ((128, 64, 128), (0, 0, 255))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """serving/<name> with the versions 2 and 10; class 1 where red is above 100."""
    folder = tmp_path_factory.mktemp("serving")
    images = keras.Input([None, None, 3])
    convolution = keras.layers.Conv2D(2, 1)
    net = keras.Model(images, convolution(images))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0, 1] = 1
    convolution.set_weights([kernel, np.array([100, 0], np.float32)])
    module = Servable(net, None)
    tf.saved_model.save(module, folder / "10", signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), COLOURS, {}, (), "", "", "")
    facts.write(folder / "10", spec=spec, model=ModelConfig(name="fast"), size=None, metrics={}, signatures=SIGNATURES)
    shutil.copytree(folder / "10", folder / "2")
    return folder


def draw(path: Path, height: int = 6, width: int = 8, red: int = 200) -> Path:
    """Left half black, right half red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :, 0] = red
    Image.fromarray(image).save(path)
    return path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_at_any_depth_keeps_its_paths(model, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for number, name in enumerate(("a.png", "x/a.png", "x/y/b.bmp")):
        draw(raw / name, height=5 + number)
    (raw / "notes.txt").write_text("not an image")
    summary = predict(model, [raw], out)
    names = {"a.png", "x/a.png", "x/y/b.png"}
    assert files(out) == {f"{kind}/{name}" for kind in ("ids", "colour", "overlay") for name in names}
    assert summary.images == 3 and summary.folders["ids"] == out / "ids"
    mask = np.asarray(Image.open(out / "ids/x/y/b.png"))
    assert mask.shape == (7, 8)
    assert (mask[:, :4] == 0).all() and (mask[:, 4:] == 1).all()
    assert (np.asarray(Image.open(out / "colour/a.png")) == render.colour(mask[:5], COLOURS)).all()
    assert np.asarray(Image.open(out / "overlay/a.png"))[0, 7].tolist() == [100, 0, 128]
    assert "3 images" in capsys.readouterr().out


def test_the_second_run_does_not_take_results_for_images(model, tmp_path):
    draw(tmp_path / "a.png")
    for _ in range(2):
        assert predict(model, [tmp_path], tmp_path / "out").images == 1


def test_more_images_than_a_batch_keep_their_order(model, tmp_path):
    paths = [draw(tmp_path / f"{number}.png", red=200 * (number % 2)) for number in range(7)]
    predict(model, paths, tmp_path / "out", batch_size=3)
    shown = [int(np.asarray(Image.open(tmp_path / f"out/ids/{number}.png")).max()) for number in range(7)]
    assert shown == [0, 1, 0, 1, 0, 1, 0]


def test_same_names_are_kept_apart(model, tmp_path):
    draw(tmp_path / "a/1.png"), draw(tmp_path / "b/1.png"), draw(tmp_path / "b/1.bmp")
    predict(model, [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert files(tmp_path / "out/ids") == {"a/1.png", "b/1.png.png", "b/1.bmp.png"}
    with pytest.raises(UserError, match="would write the same result") as error:
        predict(model, [tmp_path / "a/1.png", tmp_path / "b/1.png"], tmp_path / "out2")
    assert str(tmp_path / "b/1.png") in str(error.value) and not (tmp_path / "out2").exists()


def test_bad_images_are_all_listed_after_the_good_ones_are_done(model, tmp_path):
    good = draw(tmp_path / "good.png", 40, 40)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:60])
    with pytest.raises(UserError, match="2 of 3 images could not be read") as error:
        predict(model, [tmp_path], tmp_path / "out")
    lines = str(error.value).splitlines()[1:]
    assert "cut.png: Invalid PNG" in lines[0] and "text.png: Unknown image file format" in lines[1]
    assert "function_node" not in str(error.value)
    assert files(tmp_path / "out/ids") == {"good.png"}


def test_the_highest_version_is_taken(model):
    assert newest_version(model) == model / "10"
    assert newest_version(model / "2") == model / "2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": Path("nowhere")}, "there is no such folder"),
        ({"paths": [Path("no.png"), Path("nor.png")]}, "'no.png', 'nor.png'"),
        ({"alpha": 1.5}, "Received: 1.5"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_written(model, tmp_path, change, said):
    arguments = {"model": model, "paths": [draw(tmp_path / "a.png")], "out": tmp_path / "out", **change}
    with pytest.raises(UserError, match=said):
        predict(**arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_and_a_foreign_model_are_told(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"No image \(.bmp, "):
        predict(model, [tmp_path / "empty"], tmp_path / "out")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UserError, match="not a model that Segline exported"):
        predict(tmp_path, [draw(tmp_path / "a.png")], tmp_path / "out")
    with pytest.raises(UserError, match=r"neither saved_model\.pb nor numbered versions"):
        predict(tmp_path / "empty", [draw(tmp_path / "a.png")], tmp_path / "out")
