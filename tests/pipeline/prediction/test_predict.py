"""segline predict: every image once, under its own name, at its own size; bad ones are told, the others are done."""

import json
import os
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from datasets.spec import DatasetSpec
from models.servable import SIGNATURES, Servable
from pipeline.__main__ import main
from pipeline.config.recipe import ModelConfig
from pipeline.drawing import render
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.prediction.forms import contours
from pipeline.prediction.predict import predict
from pipeline.prediction.progress import FILE
from pipeline.prediction.served_model import ServedModel, newest_version

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
    facts.write(folder / "10", spec=spec, model=ModelConfig(name="fast"), fit=None, metrics={}, signatures=SIGNATURES)
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
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != FILE}


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
    assert "3 files" in capsys.readouterr().out


def test_the_second_run_does_not_take_results_for_images(model, tmp_path):
    draw(tmp_path / "a.png")
    for _ in range(2):
        assert predict(model, [tmp_path], tmp_path / "out").images == 1


@pytest.mark.parametrize(
    "name",
    ["-rf.png", "a b\n'c'.png", "%d:{}.png", "\u6e2c\u8a66.png", "x" * 251 + ".png", os.fsdecode(b"\xff\xfe.png")],
)
def test_a_strange_name_is_a_name(model, tmp_path, name):
    try:
        path = draw(tmp_path / "in" / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such name")
    shutil.copy(path, tmp_path / "in" / "plain.png")
    assert main(["predict", str(model), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--outputs", "ids"]) == 0
    assert (tmp_path / "out/ids" / name).read_bytes() == (tmp_path / "out/ids/plain.png").read_bytes()


def test_names_that_are_no_text_are_listed_when_they_cannot_be_read(model, tmp_path):
    for number in range(20):
        (tmp_path / os.fsdecode(b"\xff%02d.png" % number)).write_bytes(b"no image")
    with pytest.raises(UserError, match="20 of 20 files could not be read"):
        predict(model, [tmp_path], tmp_path / "out")
    assert "udcff19.png: This is not an image" in (tmp_path / "out" / "unreadable.txt").read_text(encoding="utf-8")


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
    with pytest.raises(UserError, match="2 of 3 files could not be read") as error:
        predict(model, [tmp_path], tmp_path / "out")
    lines = str(error.value).splitlines()[1:]
    assert "cut.png: Invalid PNG" in lines[0] and "text.png: This is not an image of a kind" in lines[1]
    assert "function_node" not in str(error.value)
    assert files(tmp_path / "out/ids") == {"good.png"}


def test_many_bad_files_are_told_in_a_screen_and_listed_in_a_file(model, tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.png").write_text("no image")
    with pytest.raises(UserError, match="30 of 30 files could not be read") as error:
        predict(model, [tmp_path], tmp_path / "out")
    lines = str(error.value).splitlines()
    assert len(lines) == 20 and lines[-1] == f"  and 12 more: {tmp_path / 'out' / 'unreadable.txt'}"
    assert len((tmp_path / "out" / "unreadable.txt").read_text().splitlines()) == 30


def test_the_highest_version_is_taken(model):
    assert newest_version(model) == model / "10"
    assert newest_version(model / "2") == model / "2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": Path("nowhere")}, "there is no such folder"),
        ({"paths": [Path("no.png"), Path("nor.png")]}, "'no.png', 'nor.png'"),
        ({"alpha": 1.5}, "Received: 1.5"),
        ({"batch_size": 0}, "Received: 0"),
        ({"outputs": ["ids", "gold"]}, "Received: 'gold'"),
        ({"submission": "cityscapes"}, "classes that Cityscapes has not: 'dark', 'red'"),
        ({"submission": "kitti_road"}, r"such as um_000000.png. Received: .*a.png"),
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


def made(folder: Path) -> dict[str, int]:
    """When each result was written."""
    return {name: (folder / name).stat().st_mtime_ns for name in files(folder)}


def test_a_second_run_goes_on_where_the_first_stopped(model, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    paths = [draw(raw / f"{number}.png") for number in range(4)]
    predict(model, [raw], out)
    before = made(out)
    (out / "overlay/1.png").unlink()
    (out / "ids/.partial-2.png").write_bytes(b"half")
    later = time.time() + 5
    draw(paths[3])
    os.utime(paths[3], (later, later))
    there = made(out)
    assert predict(model, [raw], out, dry_run=True).images == 2 and made(out) == there
    assert predict(model, [raw], tmp_path / "new", dry_run=True).images == 0 and not (tmp_path / "new").exists()
    assert "would make 2 of 4 with" in capsys.readouterr().out
    summary = predict(model, [raw], out)
    assert (summary.images, summary.reused) == (4, 2) and "(2 were there already)" in capsys.readouterr().out
    changed = {name.split("/")[1] for name, when in made(out).items() if before.get(name) != when}
    assert changed == {"1.png", "3.png", ".partial-2.png"}


def test_another_model_or_another_setting_makes_all_anew(model, tmp_path):
    path, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(model, [path], out)
    assert predict(model, [path], out).reused == 1
    assert predict(model, [path], out, alpha=0.25).reused == 0
    other = tmp_path / "other"
    shutil.copytree(model / "2", other)
    index = other / "variables" / "variables.index"
    told = json.loads((other / facts.FILE).read_text(encoding="utf-8"))
    (other / facts.FILE).write_text(json.dumps(told | {"note": "trained longer"}), encoding="utf-8")
    assert index.is_file() and predict(other, [path], out, alpha=0.25).reused == 0
    (out / FILE).write_text("[]", encoding="utf-8")
    assert predict(other, [path], out, alpha=0.25).reused == 0


def test_images_of_one_size_are_computed_together_wherever_they_stand(model, tmp_path, monkeypatch):
    paths = [draw(tmp_path / f"{number}.png", height=5 + number % 2) for number in range(8)]
    shapes = []
    classify = ServedModel.classify

    def count(self, images):
        shapes.append(images.shape)
        return classify(self, images)

    monkeypatch.setattr(ServedModel, "classify", count)
    predict(model, paths, tmp_path / "out", batch_size=4)
    assert sorted(shapes) == [(4, 5, 8, 3), (4, 6, 8, 3)]


def test_contours_are_the_borders_in_both_classes_colours(model, tmp_path):
    predict(model, [draw(tmp_path / "a.png")], tmp_path / "out", outputs=["contours"])
    found = np.asarray(Image.open(tmp_path / "out/contours/a.png"))
    assert found[0, 2:6].tolist() == [[0, 0, 0], [128, 64, 128], [0, 0, 255], [200, 0, 0]]
    assert files(tmp_path / "out") == {"contours/a.png"}
    image = np.full((3, 3, 3), 9, np.uint8)
    mask = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    assert (contours(image, mask, COLOURS) == 9).all(-1).tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]


def named(model: Path, folder: Path, classes: tuple[str, ...]) -> Path:
    """The same model with other names for its two classes."""
    shutil.copytree(model / "2", folder)
    told = json.loads((folder / facts.FILE).read_text(encoding="utf-8"))
    (folder / facts.FILE).write_text(json.dumps(told | {"classes": classes}), encoding="utf-8")
    return folder


def test_a_submission_to_cityscapes_holds_label_ids_under_official_names(model, tmp_path):
    city = named(model, tmp_path / "city", ("sidewalk", "bicycle"))
    draw(tmp_path / "val/ulm/ulm_000003_000019_leftImg8bit.png")
    draw(tmp_path / "val/bad-tolz/bad-tolz_000000_000001.png")
    predict(city, [tmp_path / "val"], tmp_path / "out", submission="cityscapes")
    assert files(tmp_path / "out") == {"ulm_000003_000019_labelIds.png", "bad-tolz_000000_000001_labelIds.png"}
    ids = np.asarray(Image.open(tmp_path / "out/ulm_000003_000019_labelIds.png"))
    assert ids.dtype == np.uint8 and ids[0].tolist() == [8] * 4 + [33] * 4


def test_a_submission_to_kitti_road_holds_probabilities_from_both_views(model, tmp_path):
    road = named(model, tmp_path / "road_model", ("other", "road"))
    draw(tmp_path / "um_000003.png", height=370, width=1224, red=101)
    predict(road, [tmp_path / "um_000003.png"], tmp_path / "out", submission="kitti_road")
    assert files(tmp_path / "out") == {"um_road_000003.png"}
    levels = np.asarray(Image.open(tmp_path / "out/um_road_000003.png"))
    assert levels.shape == (370, 1224) and set(np.unique(levels)) == {0, round(255 / (1 + np.exp(-1)))}
    calib = tmp_path / "calib"
    calib.mkdir()
    with pytest.raises(UserError, match=r"--calib: .*um_000003.txt cannot be read"):
        predict(road, [tmp_path / "um_000003.png"], tmp_path / "above", submission="kitti_road", calib=calib)
    rows = {
        "P2": "721.5 0 609.6 44.9 0 721.5 172.9 0.22 0 0 1 0.003",
        "R0_rect": "1 0 0 0 1 0 0 0 1",
        "Tr_cam_to_road": "1 0 0 0 0 1 0 -1.7 0 0 1 0",
    }
    (calib / "um_000003.txt").write_text("".join(f"{name}: {row}\n" for name, row in rows.items()))
    predict(road, [tmp_path / "um_000003.png"], tmp_path / "above", submission="kitti_road", calib=calib)
    above = np.asarray(Image.open(tmp_path / "above/um_road_000003.png"))
    assert above.shape == (800, 400) and above[400, 100] == 0 and above[400, 300] == 186


def test_a_video_comes_back_as_videos_of_exact_ids_and_of_overlays(model, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    source = tmp_path / "in" / "file:drive -i.mp4"
    source.parent.mkdir()
    writer = ffmpeg.write_frames(str(source), (64, 48), fps=5, macro_block_size=1)
    writer.send(None)
    for shift in range(7):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, 16 + 2 * shift :, 0] = 250
        writer.send(frame)
    writer.close()
    (tmp_path / "in" / "no.mkv").write_bytes(b"no video")
    with pytest.raises(UserError, match="1 of 2 files could not be read") as error:
        predict(model, [tmp_path / "in"], tmp_path / "out", outputs=["ids", "overlay"], batch_size=3)
    assert "no.mkv: ffmpeg cannot read it" in str(error.value)
    assert files(tmp_path / "out") == {"ids/file:drive -i.mkv", "overlay/file:drive -i.mp4"}
    frames = ffmpeg.read_frames(str(tmp_path / "out/ids/file:drive -i.mkv"), pix_fmt="gray", bits_per_pixel=8)
    assert next(frames)["size"] == (64, 48)
    ids = [np.frombuffer(frame, np.uint8).reshape(48, 64) for frame in frames]
    assert len(ids) == 7
    for shift, mask in enumerate(ids):
        assert set(np.unique(mask)) == {0, 1} and abs((mask[24] == 0).sum() - (16 + 2 * shift)) <= 1
    (tmp_path / "in" / "no.mkv").unlink()
    assert predict(model, [tmp_path / "in"], tmp_path / "out", outputs=["ids", "overlay"], batch_size=3).reused == 1


def test_a_missing_ffmpeg_is_told(model, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setattr("pipeline.prediction.video.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'segline\[video\]'"):
        predict(model, [tmp_path / "a.mp4"], tmp_path / "out")
