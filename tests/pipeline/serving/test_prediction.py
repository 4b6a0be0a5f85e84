"""segline predict: each image once, under its own name and at its own size; unreadable ones are reported at the end."""

import csv
import json
import os
import shutil
import time
from pathlib import Path, PurePath

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.__main__ import main
from pipeline.drawing import render
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.export.model_folder import newest_version
from pipeline.serving import image_files
from pipeline.serving.image_files import ImageFile
from pipeline.serving.output_formats import draw_contours, picture_outputs
from pipeline.serving.prediction import predict
from pipeline.serving.prediction_progress import FILE
from pipeline.serving.served_model import ServedModel
from tests.pipeline.export.photos import BACK, mask, saved, turned, upright, write
from tests.pipeline.serving.toy import COLOURS, draw, files


def test_a_folder_at_any_depth_keeps_its_paths(model, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for number, name in enumerate(("a.png", "x/a.png", "x/y/b.bmp")):
        draw(raw / name, height=5 + number)
    (raw / "notes.txt").write_text("not an image")
    summary = predict(model, [raw], out)
    names = {"a.png", "x/a.png", "x/y/b.png"}
    assert files(out) == {f"{kind}/{name}" for kind in ("ids", "colour", "overlay") for name in names}
    assert summary.images == 3 and summary.folders["ids"] == out / "ids"
    ids = Image.open(out / "ids/x/y/b.png")
    mask = np.asarray(ids)
    assert mask.shape == (7, 8) and np.asarray(ids.convert("RGB"))[0, [0, 7]].tolist() == [[128, 64, 128], [0, 0, 255]]
    assert (mask[:, :4] == 0).all() and (mask[:, 4:] == 1).all()
    assert (np.asarray(Image.open(out / "colour/a.png")) == render.colour(mask[:5], COLOURS)).all()
    assert np.asarray(Image.open(out / "overlay/a.png"))[0, 7].tolist() == [100, 0, 128]
    assert "\n3 files" in f"\n{(shown := capsys.readouterr().out)}" and str(out / "shares.csv") in shown


def test_an_overlay_has_a_legend_of_the_classes_in_it():
    draw_overlay = picture_outputs(["overlay"], ("dark", "red", "green"), [*COLOURS, (0, 255, 0)], 0.5)[0].draw
    image, mask = np.zeros((1000, 2000, 3), np.uint8), np.zeros((1000, 2000), np.uint8)
    mask[:250] = 1
    picture = draw_overlay(ImageFile(Path("a.png"), PurePath("a.png"), named=True), image, mask)
    legend = picture[1000:]
    assert picture.shape[1] == 2000 and {(128, 64, 128), (0, 0, 255)} < {
        tuple(p) for p in legend.reshape(-1, 3).tolist()
    }
    assert not (legend == (0, 255, 0)).all(-1).any() and 30 < len(legend) < 60  # letters twice as large
    left = {colour: int((legend == colour).all(-1).any(0).argmax()) for colour in COLOURS}
    assert left[128, 64, 128] < left[0, 0, 255]  # the larger share first
    video = ImageFile(Path("a.mp4"), PurePath("a.png"), named=True)
    assert draw_overlay(video, image, mask).shape == draw_overlay(video, image, 0 * mask).shape
    narrow = draw_overlay(video, image[:6, :8], mask[:6, :8])
    assert narrow.shape[1] > 8 and (narrow[:6, 8:] == 255).all()


def test_the_shares_of_all_results_are_a_table(model, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    draw(raw / "a, b.png"), draw(raw / "c.png", red=0)
    predict(model, [raw / "c.png"], out)
    predict(model, [raw / "a, b.png"], out)
    draw(raw / "d.png", width=3)
    predict(model, [raw], out, outputs=["ids", "colour", "overlay"])
    rows = list(csv.reader((out / "shares.csv").open()))
    assert rows[0] == ["file", "result", "pixels", "dark", "red"]
    assert rows[1:] == [
        [str((raw / "a, b.png").resolve()), "ids/a, b.png", "48", "0.500000", "0.500000"],
        [str((raw / "c.png").resolve()), "ids/c.png", "48", "1.000000", "0.000000"],
        [str((raw / "d.png").resolve()), "ids/d.png", "18", "0.333333", "0.666667"],
    ]
    (out / "ids/c.png").unlink()
    predict(model, [raw / "d.png"], out)
    assert [row[1] for row in csv.reader((out / "shares.csv").open())][1:] == ["ids/a, b.png", "ids/d.png"]


def test_a_second_run_does_not_read_results_as_images(model, tmp_path):
    draw(tmp_path / "a.png")
    for _ in range(2):
        assert predict(model, [tmp_path], tmp_path / "out").images == 1


def test_results_may_be_written_beside_the_images_or_above_them(model, tmp_path):
    draw(tmp_path / "street/a.png"), draw(tmp_path / "street/colours/b.png")
    for out in (tmp_path / "street", tmp_path):
        for reused in (0, 2):
            summary = predict(model, [tmp_path / "street"], out, outputs=["ids", "contours"])
            assert (summary.images, summary.reused) == (2, reused)
        shutil.rmtree(out / "contours")
        assert predict(model, [tmp_path / "street"], out, outputs=["colour"]).images == 2
        assert {path.name for path in out.iterdir()} == {"ids", "colour", FILE, "shares.csv"} | (
            {"a.png", "colours"} if out.name == "street" else {"street"}
        )
        for path in (out / "ids", out / "colour"):
            shutil.rmtree(path)
        (out / FILE).unlink(), (out / "shares.csv").unlink()


def test_images_that_results_could_overwrite_are_refused(model, tmp_path):
    image = draw(tmp_path / "data/colour/a.png")
    draw(tmp_path / "data/b.png")
    for paths in ([tmp_path / "data"], [image]):
        with pytest.raises(UserError, match=r"results could overwrite images(?s:.*)data/colour/a\.png"):
            predict(model, paths, tmp_path / "data")
    assert files(tmp_path / "data") == {"colour/a.png", "b.png"}


@pytest.mark.parametrize(
    "name",
    ["-rf.png", "a b\n'c'.png", "%d:{}.png", "\u6e2c\u8a66.png", "x" * 251 + ".png", os.fsdecode(b"\xff\xfe.png")],
)
def test_unusual_names_are_accepted(model, tmp_path, name):
    try:
        path = draw(tmp_path / "in" / name)
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such name")
    shutil.copy(path, tmp_path / "in" / "plain.png")
    assert main(["predict", str(model), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--outputs", "ids"]) == 0
    assert (tmp_path / "out/ids" / name).read_bytes() == (tmp_path / "out/ids/plain.png").read_bytes()


def test_unreadable_files_with_undecodable_names_are_listed(model, tmp_path):
    for number in range(20):
        (tmp_path / os.fsdecode(b"\xff%02d.png" % number)).write_bytes(b"no image")
    with pytest.raises(UserError, match="20 of 20 files could not be read"):
        predict(model, [tmp_path], tmp_path / "out")
    assert "udcff19.png: This is not an image" in (tmp_path / "out" / "unreadable.txt").read_text(encoding="utf-8")


def test_more_images_than_a_batch_keep_their_order(model, tmp_path):
    paths = [draw(tmp_path / f"{number}.png", red=200 * (number % 2)) for number in range(7)]
    predict(model, paths, tmp_path / "out", batch_size=3)
    highest = [int(np.asarray(Image.open(tmp_path / f"out/ids/{number}.png")).max()) for number in range(7)]
    assert highest == [0, 1, 0, 1, 0, 1, 0]


def test_equal_names_are_made_distinct(model, tmp_path):
    draw(tmp_path / "a/1.png"), draw(tmp_path / "b/1.png"), draw(tmp_path / "b/1.bmp")
    predict(model, [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert files(tmp_path / "out/ids") == {"a/1.png", "b/1.png.png", "b/1.bmp.png"}
    with pytest.raises(UserError, match="would write the same result") as error:
        predict(model, [tmp_path / "a/1.png", tmp_path / "b/1.png"], tmp_path / "out2")
    assert str(tmp_path / "b/1.png") in str(error.value) and not (tmp_path / "out2").exists()


def test_unreadable_images_are_listed_after_the_others_are_done(model, tmp_path):
    good = draw(tmp_path / "good.png", 40, 40)
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:60])
    with pytest.raises(UserError, match="2 of 3 files could not be read") as error:
        predict(model, [tmp_path], tmp_path / "out")
    lines = str(error.value).splitlines()[1:]
    assert "cut.png: Invalid PNG" in lines[0] and "text.png: This is not an image of an accepted format" in lines[1]
    assert "function_node" not in str(error.value)
    assert files(tmp_path / "out/ids") == {"good.png"}


def test_many_unreadable_files_are_shortened_on_screen_and_listed_in_a_file(model, tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02d}.png").write_text("no image")
    with pytest.raises(UserError, match="30 of 30 files could not be read") as error:
        predict(model, [tmp_path], tmp_path / "out")
    lines = str(error.value).splitlines()
    assert len(lines) == 20 and lines[-1] == f"  and 12 more: {tmp_path / 'out' / 'unreadable.txt'}"
    assert len((tmp_path / "out" / "unreadable.txt").read_text().splitlines()) == 30


def test_the_highest_version_is_loaded(model):
    assert newest_version(model) == model / "10"
    assert newest_version(model / "2") == model / "2"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": Path("nowhere")}, "there is no such folder"),
        ({"paths": [Path("no.png"), Path("nor.png")]}, "'no.png', 'nor.png'"),
        ({"alpha": 1.5}, "Received: 1.5"),
        ({"batch_size": 0}, "Received: 0"),
        ({"outputs": ["ids", "gold"]}, "Received: 'gold'"),
        ({"submission": "cityscapes"}, "these classes are not of Cityscapes: 'dark', 'red'"),
        ({"submission": "kitti_road"}, r"such as um_000000.png. Received: .*a.png"),
    ],
)
def test_wrong_arguments_are_refused_and_nothing_is_written(model, tmp_path, change, message):
    arguments = {"model": model, "paths": [draw(tmp_path / "a.png")], "out": tmp_path / "out", **change}
    with pytest.raises(UserError, match=message):
        predict(**arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_images_and_a_foreign_model_are_refused(model, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"No image \(.bmp, "):
        predict(model, [tmp_path / "empty"], tmp_path / "out")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(UserError, match="not a model that Segline exported"):
        predict(tmp_path, [draw(tmp_path / "a.png")], tmp_path / "out")
    with pytest.raises(UserError, match=r"neither saved_model\.pb nor numbered versions"):
        predict(tmp_path / "empty", [draw(tmp_path / "a.png")], tmp_path / "out")


def written(folder: Path) -> dict[str, int]:
    """The mtime of each result."""
    return {name: (folder / name).stat().st_mtime_ns for name in files(folder)}


def test_a_second_run_resumes_the_first(model, tmp_path, capsys):
    raw, out = tmp_path / "raw", tmp_path / "out"
    paths = [draw(raw / f"{number}.png") for number in range(4)]
    predict(model, [raw], out)
    before = written(out)
    (out / "overlay/1.png").unlink()
    (out / "ids/.partial-2.png").write_bytes(b"half")
    later = time.time() + 5
    draw(paths[3])
    os.utime(paths[3], (later, later))
    existing = written(out)
    assert predict(model, [raw], out, dry_run=True).images == 2 and written(out) == existing
    assert predict(model, [raw], tmp_path / "new", dry_run=True).images == 0 and not (tmp_path / "new").exists()
    assert "would predict 2 of 4 files with" in capsys.readouterr().out
    summary = predict(model, [raw], out)
    assert (summary.images, summary.reused) == (4, 2) and "(2 of them reused)" in capsys.readouterr().out
    changed = {name.split("/")[1] for name, when in written(out).items() if before.get(name) != when}
    assert changed == {"1.png", "3.png", ".partial-2.png"}


def test_a_result_of_another_image_with_the_same_name_is_overwritten(model, tmp_path):
    out = tmp_path / "out"
    for folder, red in (("cam1", 200), ("cam2", 0)):
        os.utime(draw(tmp_path / folder / "a.png", red=red), (1e9, 1e9))
    for folder, reused, highest in (("cam1", 0, 1), ("cam1", 1, 1), ("cam2", 0, 0), ("cam1", 0, 1)):
        assert predict(model, [tmp_path / folder], out, outputs=["ids"]).reused == reused
        assert np.asarray(Image.open(out / "ids/a.png")).max() == highest
    draw(tmp_path / "cam1/a.png", red=0)
    os.utime(tmp_path / "cam1/a.png", (1e8, 1e8))
    assert predict(model, [tmp_path / "cam1"], out, outputs=["ids"]).reused == 0
    assert np.asarray(Image.open(out / "ids/a.png")).max() == 0


def test_another_model_or_setting_reuses_nothing(model, tmp_path):
    path, out = draw(tmp_path / "a.png"), tmp_path / "out"
    predict(model, [path], out)
    assert predict(model, [path], out).reused == 1
    assert predict(model, [path], out, alpha=0.25).reused == 0
    other = tmp_path / "other"
    shutil.copytree(model / "2", other)
    index = other / "variables" / "variables.index"
    entries = json.loads((other / facts.FILE).read_text(encoding="utf-8"))
    (other / facts.FILE).write_text(json.dumps(entries | {"note": "trained longer"}), encoding="utf-8")
    assert index.is_file() and predict(other, [path], out, alpha=0.25).reused == 0
    (out / FILE).write_text("[]", encoding="utf-8")
    assert predict(other, [path], out, alpha=0.25).reused == 0


def test_images_of_one_size_are_batched_in_any_order(model, tmp_path, monkeypatch):
    paths = [draw(tmp_path / f"{number}.png", height=5 + number % 2) for number in range(8)]
    shapes = []
    classify = ServedModel.classify

    def count(self, images):
        shapes.append(images.shape)
        return classify(self, images)

    monkeypatch.setattr(ServedModel, "classify", count)
    predict(model, paths, tmp_path / "out", batch_size=4)
    assert sorted(shapes) == [(4, 5, 8, 3), (4, 6, 8, 3)]


FORMATS = {
    "a.png": "PNG",
    "b.jpg": "JPEG",
    "c.bmp": "BMP",
    "d.webp": "WEBP",
    "e.tif": "TIFF",
    "f.tiff": "TIFF",
    "g.gif": "GIF",
    "h.ppm": "PPM",
    "i.pgm": "PPM",
    "J.JPEG": "JPEG",
}


def test_every_format_that_training_takes_is_predicted(model, tmp_path):
    assert {Path(name).suffix.lower() for name in FORMATS} == image_files.SUFFIXES
    red = Image.fromarray(mask()[..., None] * np.array([200, 0, 0], np.uint8))
    for name, kind in FORMATS.items():
        options = {"lossless": True} if kind == "WEBP" else {}
        write(tmp_path / "in" / name, saved(red.convert("L" if name == "i.pgm" else "RGB"), kind, **options))
    assert predict(model, [tmp_path / "in"], tmp_path / "out", outputs=["ids"]).images == len(FORMATS)
    for name in FORMATS:
        expected = np.zeros_like(mask()) if name == "i.pgm" else mask()  # grey: nowhere is red above 100
        wrong = np.asarray(Image.open((tmp_path / "out/ids" / name).with_suffix(".png"))) != expected
        assert wrong.mean() < 0.06  # a JPEG blurs the border


def test_several_images_in_one_file_are_not_the_first_one(model, tmp_path):
    frames = tmp_path / "frames.gif"
    upright().save(frames, save_all=True, append_images=[upright(1)])
    with pytest.raises(UserError, match=r"frames.gif: several images in one file"):
        predict(model, [frames], tmp_path / "out")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 2, 6, 7])
def test_a_turned_photo_is_predicted_upright_or_turned_back(model, tmp_path, kind, orientation):
    """A model of upright pictures sees a photo as a viewer shows it; its masks fit the photo, or its stored pixels."""
    photo = write(tmp_path / f"a.{kind.lower()}", turned(upright(), kind, orientation, quality=95))
    back = BACK[orientation]
    for geometry, expected in (("upright", mask()), ("stored", mask())):
        predict(model, [photo], tmp_path / "out", outputs=["ids", "overlay"], alpha=0, geometry=geometry)
        if geometry == "stored" and back is not None:
            expected = np.asarray(Image.fromarray(expected).transpose(back))
        ids, overlay = (np.asarray(Image.open(tmp_path / "out" / name / "a.png")) for name in ("ids", "overlay"))
        assert ids.shape == expected.shape and (ids != expected).mean() < 0.02
        overlay = overlay[: len(ids), : ids.shape[1]]  # without its legend
        np.testing.assert_array_equal(ids, overlay[..., 0] > 100)  # picture and mask lie alike


def test_the_signature_of_files_answers_as_predict(model, tmp_path):
    contents = [turned(upright(value), "JPEG", value) for value in BACK]
    paths = [write(tmp_path / f"{number}.jpg", content) for number, content in enumerate(contents)]
    predict(model, paths, tmp_path / "out", outputs=["ids"])
    signature = tf.saved_model.load(str(model / "10")).signatures["serving_bytes"]
    answer = signature(image_bytes=tf.constant(contents))
    for number, png in enumerate(answer["png_bytes"].numpy()):
        assert (tmp_path / f"out/ids/{number}.png").is_file()
        ids = np.asarray(Image.open(tmp_path / f"out/ids/{number}.png"))
        np.testing.assert_array_equal(tf.io.decode_png(png)[..., 0].numpy(), ids)
    assert answer["orientation"].numpy().tolist() == list(BACK)


def test_the_command_knows_the_geometry(model, tmp_path, capsys):
    photo = write(tmp_path / "a.jpg", turned(upright(), "JPEG", 6))
    command = ["predict", str(model), str(photo), "--out", str(tmp_path / "out"), "--outputs", "ids"]
    assert main([*command, "--geometry", "stored"]) == 0
    assert Image.open(tmp_path / "out/ids/a.png").size == Image.open(photo).size
    assert main(command) == 0 and Image.open(tmp_path / "out/ids/a.png").size == upright().size
    assert "reused" not in capsys.readouterr().out
    with pytest.raises(UserError, match="geometry must be one of upright, stored"):
        predict(model, [photo], tmp_path / "out", geometry="lying")


def test_contours_have_both_classes_colours(model, tmp_path):
    predict(model, [draw(tmp_path / "a.png")], tmp_path / "out", outputs=["contours"])
    picture = np.asarray(Image.open(tmp_path / "out/contours/a.png"))
    assert picture[0, 2:6].tolist() == [[0, 0, 0], [128, 64, 128], [0, 0, 255], [200, 0, 0]]
    assert files(tmp_path / "out") == {"contours/a.png"}
    image = np.full((3, 3, 3), 9, np.uint8)
    mask = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    assert (draw_contours(image, mask, COLOURS) == 9).all(-1).tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    for side, thickness in ((299, 1), (300, 2), (2000, 7)):
        mask = np.zeros((3, side), np.uint8)
        mask[:, side // 2 :] = 1
        drawn = draw_contours(np.full((3, side, 3), 9, np.uint8), mask, COLOURS)
        assert (drawn != 9).any(-1).sum(1).tolist() == [2 * thickness] * 3
