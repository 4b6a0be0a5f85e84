"""segline predict --format: the files of a benchmark submission, for the benchmark's images only."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.serving.prediction import predict
from tests.pipeline.serving.toy import draw, files


def with_classes(model: Path, folder: Path, classes: tuple[str, ...]) -> Path:
    """The same model with other names for its two classes."""
    shutil.copytree(model / "2", folder)
    entries = json.loads((folder / facts.FILE).read_text(encoding="utf-8"))
    (folder / facts.FILE).write_text(json.dumps(entries | {"classes": classes}), encoding="utf-8")
    return folder


def test_a_submission_to_cityscapes_holds_label_ids_under_official_names(model, tmp_path):
    city = with_classes(model, tmp_path / "city", ("sidewalk", "bicycle"))
    draw(tmp_path / "val/ulm/ulm_000003_000019_leftImg8bit.png")
    draw(tmp_path / "val/bad-tolz/bad-tolz_000000_000001.png")
    predict(city, [tmp_path / "val"], tmp_path / "out", submission="cityscapes")
    assert files(tmp_path / "out") == {"ulm_000003_000019_labelIds.png", "bad-tolz_000000_000001_labelIds.png"}
    ids = np.asarray(Image.open(tmp_path / "out/ulm_000003_000019_labelIds.png"))
    assert ids.dtype == np.uint8 and ids[0].tolist() == [8] * 4 + [33] * 4


def test_a_submission_to_kitti_road_holds_probabilities_from_both_views(model, tmp_path):
    road = with_classes(model, tmp_path / "road_model", ("other", "road"))
    draw(tmp_path / "um_000003.png", height=370, width=1224, red=101)
    predict(road, [tmp_path / "um_000003.png"], tmp_path / "out", submission="kitti_road")
    assert files(tmp_path / "out") == {"um_road_000003.png"}
    levels = np.asarray(Image.open(tmp_path / "out/um_road_000003.png"))
    assert levels.shape == (370, 1224) and set(np.unique(levels)) == {0, round(255 / (1 + np.exp(-1)))}
    calib = tmp_path / "calib"
    calib.mkdir()
    with pytest.raises(UserError, match=r"--calib: .*um_000003.txt cannot be read"):
        predict(road, [tmp_path / "um_000003.png"], tmp_path / "birds_eye", submission="kitti_road", calib=calib)
    rows = {
        "P2": "721.5 0 609.6 44.9 0 721.5 172.9 0.22 0 0 1 0.003",
        "R0_rect": "1 0 0 0 1 0 0 0 1",
        "Tr_cam_to_road": "1 0 0 0 0 1 0 -1.7 0 0 1 0",
    }
    (calib / "um_000003.txt").write_text("".join(f"{name}: {row}\n" for name, row in rows.items()))
    predict(road, [tmp_path / "um_000003.png"], tmp_path / "birds_eye", submission="kitti_road", calib=calib)
    birds_eye = np.asarray(Image.open(tmp_path / "birds_eye/um_road_000003.png"))
    assert birds_eye.shape == (800, 400) and birds_eye[400, 100] == 0 and birds_eye[400, 300] == 186


def test_other_files_in_the_folders_of_cityscapes_are_left_out(model, tmp_path, capsys):
    city = with_classes(model, tmp_path / "city", ("sidewalk", "bicycle"))
    draw(tmp_path / "data/leftImg8bit/ulm_000003_000019_leftImg8bit.png", red=0)
    mask = draw(tmp_path / "data/gtFine/ulm_000003_000019_gtFine_color.png")
    predict(city, [tmp_path / "data"], tmp_path / "out", submission="cityscapes")
    assert files(tmp_path / "out") == {"ulm_000003_000019_labelIds.png"}
    assert (np.asarray(Image.open(tmp_path / "out/ulm_000003_000019_labelIds.png")) == 8).all()
    line = capsys.readouterr().out.splitlines()[0]
    assert line == "left out 1 files in folders: not images of cityscapes by their names" and len(line) <= 80
    for paths in ([mask], [mask.parent]):
        with pytest.raises(UserError, match=r"such as aachen_.* Received: .*gtFine_color\.png"):
            predict(city, paths, tmp_path / "out", submission="cityscapes")


def test_two_images_with_one_submitted_file_are_refused(model, tmp_path):
    city = with_classes(model, tmp_path / "city", ("sidewalk", "bicycle"))
    draw(tmp_path / "raw/old/ulm_000003_000019.png"), draw(tmp_path / "raw/ulm_000003_000019_leftImg8bit.png")
    road = with_classes(model, tmp_path / "road_model", ("other", "road"))
    draw(tmp_path / "kitti/image_2/um_000000.png"), draw(tmp_path / "kitti/image_3/um_000000.png")
    draw(tmp_path / "kitti/image_2/um_000000.jpg")
    for served, raw, submission in ((city, "raw", "cityscapes"), (road, "kitti", "kitti_road")):
        with pytest.raises(UserError, match="would write the same result") as error:
            predict(served, [tmp_path / raw], tmp_path / "out", submission=submission)
        for path in (tmp_path / raw).rglob("*.*g"):
            assert str(path) in str(error.value)
    assert not (tmp_path / "out").exists()


def test_masks_and_results_of_kitti_road_are_not_its_images(model, tmp_path):
    road = with_classes(model, tmp_path / "road_model", ("other", "road"))
    draw(tmp_path / "training/image_2/um_000000.png"), draw(tmp_path / "training/gt_image_2/um_lane_000000.png")
    for reused in (0, 1):
        summary = predict(road, [tmp_path / "training"], tmp_path / "training", submission="kitti_road")
        assert (summary.images, summary.reused) == (1, reused)
