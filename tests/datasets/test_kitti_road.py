"""KITTI Road: red and blue of the masks, the held-out images, lane and road, test without labels, calibration."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import catalog
from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.kitti_road import calibration, sample
from datasets.kitti_road.classes import split_of
from datasets.kitti_road.kitti_road_dataset_builder import Builder, read_mask
from datasets.raw import RawFolder
from datasets.spec import IGNORE

COUNT, SIZE = 14, (48, 160)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "data_road"
    assert sample.write(folder, count=COUNT, seed=1, size=SIZE) == {"train": 8, "val": 4, "test": 2}
    return folder


@pytest.fixture
def raw(drawn: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "data_road"))


def build(raw: Path, data_dir: Path, **options) -> Builder:
    builder = Builder(data_dir=data_dir, **options)
    config = tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
    builder.download_and_prepare(download_config=config)
    return builder


def png(colours: list) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.array(colours, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_the_published_sizes() -> None:
    assert catalog.spec("kitti_road").split_sizes == {"train": 229, "val": 60, "test": 290}
    assert catalog.spec("kitti_road", "lane").split_sizes == {"train": 75, "val": 20, "test": 96}
    assert [split_of("um", number) for number in (0, 74, 75, 94)] == ["train", "train", "val", "val"]
    assert split_of("uu", 77) == "train" and split_of("umm", 76) == "val"


def test_a_mask_is_read_as_by_the_devkit() -> None:
    mask = read_mask(png([[[255, 0, 255], [255, 0, 0]], [[0, 0, 0], [0, 0, 255]]]))
    np.testing.assert_array_equal(mask, [[1, 0], [IGNORE, IGNORE]])
    with pytest.raises(BadFileError, match="received 2x2; KITTI's masks are RGB") as caught:
        read_mask(png([[0, 1], [1, 0]]))
    assert caught.value.kind is Kind.MASK_CHANNELS


def test_sample_data_becomes_records(drawn: Path, tmp_path: Path) -> None:
    builder = build(drawn, tmp_path, allow_partial=True)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 8,
        "val": 4,
        "test": 2,
    }
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert {example["group"] for example in examples} == {b"um", b"umm", b"uu"}
    assert set(np.unique(np.concatenate([example["label"].ravel() for example in examples]))) >= {0, 1}
    val = {example["id"].decode() for example in tfds.as_numpy(builder.as_dataset(split="val"))}
    assert val == {"um_000075", "umm_000076", "uu_000078", "um_000076"}


def test_test_images_have_no_labels(drawn: Path, tmp_path: Path) -> None:
    builder = build(drawn, tmp_path, allow_partial=True)
    for example in tfds.as_numpy(builder.as_dataset(split="test")):
        assert (example["label"] == IGNORE).all() and example["label"].shape == (*SIZE, 1)


def test_the_lane_is_part_of_the_road_and_only_in_um(drawn: Path, tmp_path: Path) -> None:
    road, lane = (
        {
            e["id"]: e["label"]
            for e in tfds.as_numpy(build(drawn, tmp_path, config=c, allow_partial=True).as_dataset("train"))
        }
        for c in ("road", "lane")
    )
    assert set(lane) == {id_ for id_ in road if id_.startswith(b"um_")} and lane
    for id_, label in lane.items():
        assert 0 < (label == 1).sum() < (road[id_] == 1).sum()
        assert ((label == 1) <= (road[id_] == 1)).all()


def test_the_calibration_is_beside_the_records(drawn: Path, tmp_path: Path) -> None:
    builder = build(drawn, tmp_path, allow_partial=True)
    matrices = json.loads((Path(builder.data_dir) / "calibration.json").read_text())
    assert len(matrices) == 12 and {"P2", "R0_rect", "Tr_cam_to_road"} <= matrices["um_000075"].keys()
    p2 = np.array(matrices["um_000075"]["P2"])
    assert p2.shape == (3, 4) and p2[0, 0] == p2[1, 1] == pytest.approx(0.58 * SIZE[1])
    assert set(json.loads((Path(builder.data_dir) / "calibration_test.json").read_text())) == {
        "um_000000",
        "umm_000000",
    }


def test_the_drawn_camera_sees_the_road_where_its_calibration_says() -> None:
    _, road, _, laid = sample.draw_scene(1, 0, "um", (375, 1242))
    matrices = {name: np.array(rows) for name, rows in calibration.parse(sample.format_calibration(laid, 1242)).items()}
    to_road = np.vstack([matrices["Tr_cam_to_road"], [0, 0, 0, 1]])
    point = matrices["P2"] @ np.linalg.inv(to_road) @ np.array([-laid.road.middle + 1, 0, 12, 1])  # 1 m into our lane
    x, y = point[:2] / point[2]
    assert tuple(road[int(y), int(x)]) in {sample.ROAD, sample.OTHER}
    assert 375 * 0.46 < y < 375


def test_data_without_calibration_has_no_such_file(raw: Path, tmp_path: Path) -> None:
    shutil.rmtree(raw / "training" / "calib")
    builder = build(raw, tmp_path / "out", allow_partial=True)
    assert not (Path(builder.data_dir) / "calibration.json").exists()


def test_an_invalid_calibration_file_is_named(raw: Path, tmp_path: Path) -> None:
    (raw / "training/calib/um_000000.txt").write_text("P2: 1 2 3\n")
    with pytest.raises(DatasetError, match=r"training/calib/um_000000\.txt: 'P2' with 3 numbers"):
        build(raw, tmp_path / "out", allow_partial=True)


def test_a_calibration_without_a_needed_matrix_is_invalid(raw: Path, tmp_path: Path) -> None:
    file = raw / "training/calib/um_000000.txt"
    kept = [line for line in file.read_text().splitlines() if not line.startswith(("Tr_cam_to_road", "R0_rect"))]
    file.write_text("\n".join(kept))
    with pytest.raises(DatasetError, match=r"um_000000\.txt: there is no R0_rect, no Tr_cam_to_road; needed are P2"):
        build(raw, tmp_path / "out", allow_partial=True)


def test_a_missing_calibration_file_is_named_before_anything_is_read(raw: Path, tmp_path: Path) -> None:
    (raw / "training/calib/um_000075.txt").unlink()
    message = r"1 of 12 files that evaluation reads is missing: training/calib/um_000075\.txt\.\nPut it there\. Or rem"
    with pytest.raises(DatasetError, match=message):
        Builder(data_dir=tmp_path, allow_partial=True).survey(raw)
    (raw / "testing/calib/um_000000.txt").unlink()  # evaluation does not read those
    (raw / "training/calib/um_000075.txt").write_text((raw / "training/calib/um_000000.txt").read_text())
    assert Builder(data_dir=tmp_path, allow_partial=True).survey(raw)["val"] == 4


def test_files_without_a_partner_are_problems(raw: Path, tmp_path: Path) -> None:
    (raw / "training/gt_image_2/um_road_000000.png").unlink()
    (raw / "training/image_2/uu_000000.png").unlink()
    problems = Builder(data_dir=tmp_path).find(RawFolder(raw))["train"].problems
    assert {(p.kind, p.file) for p in problems} == {
        (Kind.WITHOUT_MASK, "training/image_2/um_000000.png"),
        (Kind.WITHOUT_IMAGE, "training/gt_image_2/uu_road_000000.png"),
    }


def test_the_message_for_a_short_split_names_the_missing(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"Split train: received 8 images, published are 229\. Missing: um_000003"):
        build(drawn, tmp_path)


def test_names_of_another_form_are_refused(raw: Path, tmp_path: Path) -> None:
    shutil.copy(raw / "training/image_2/um_000000.png", raw / "training/image_2/mine.png")
    with pytest.raises(DatasetError, match=r"um_000042\.png are expected\. Received: training/image_2/mine\.png"):
        Builder(data_dir=tmp_path).find(RawFolder(raw))


def test_the_downloaded_zip_file_is_read_in_place(raw: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "zips" / "data_road"), "zip", raw.parent, raw.name)
    builder = build(tmp_path / "zips", tmp_path / "out", allow_partial=True)
    assert builder.info.splits["train"].num_examples == 8
    assert (Path(builder.data_dir) / "calibration.json").is_file()


def test_the_real_data(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "data_road").is_dir():
        pytest.skip("KITTI Road is not among the real data")
    builder = build(real_data / "data_road", tmp_path, config="lane", allow_partial=True)
    assert builder.info.splits["train"].num_examples == 6
    values = {
        value for e in tfds.as_numpy(builder.as_dataset(split="train")) for value in np.unique(e["label"]).tolist()
    }
    assert values == {0, 1, IGNORE}


def test_if_all_masks_are_of_the_other_target_its_configuration_is_named(raw: Path, tmp_path: Path) -> None:
    for mask in (raw / "training/gt_image_2").glob("*_road_*"):
        mask.unlink()
    with pytest.raises(DatasetError) as caught:
        build(raw, tmp_path / "out", allow_partial=True)
    assert "no mask is named um_road_000000.png or so, 5 are named as um_lane_000000.png." in str(caught.value)
    assert str(caught.value).endswith("To learn from these: --set data.config=lane")
    assert build(raw, tmp_path / "out", config="lane", allow_partial=True).info.splits["train"].num_examples
