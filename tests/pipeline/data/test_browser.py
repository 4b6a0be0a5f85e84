"""`segline browse`: contact sheets and statistics of the records, and errors for what cannot be shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.spec import IGNORE, DatasetSpec
from pipeline.__main__ import main
from pipeline.analysis import galleries
from pipeline.data import browser, statistics, statistics_table
from pipeline.drawing import contact_sheet
from pipeline.errors import UserError
from pipeline.input import batches, record_reader, records
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace


def test_sheets_statistics_and_a_line_for_each_class(ingested: Path, tmp_path: Path) -> None:
    (tmp_path / "sheet-9.png").write_bytes(b"an earlier sheet")
    lines = browser.browse(ingested, tmp_path, count=100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sheet-1.png", "statistics.png", "statistics.txt"]
    spec = DatasetSpec.read(ingested / "spec.json")
    assert all(any(line.startswith(name) for line in lines) for name in spec.classes)
    assert all(len(line) <= 80 for line in lines[:-1])
    assert "train of camvid: 8 images" in lines[0] and "72x96 (8)" in "\n".join(lines)
    with Image.open(tmp_path / "sheet-1.png") as sheet:
        assert sheet.width == 3 * 288 + 2 * 4  # 96 enlarged threefold


def test_a_folder_of_ones_own_has_its_own_name(ingested: Path) -> None:
    spec = replace(DatasetSpec.read(ingested / "spec.json"), name="image_folder", title="my cells")
    measured = statistics.measure(ingested / "records", spec.num_classes, "val")["val"]
    assert statistics_table.table("val", measured, spec)[0].startswith("val of my cells: ")
    with pytest.raises(UserError, match="my cells has no class 'Dog'"):
        browser.require_class(spec, "Dog")


def test_cells_of_images_of_any_size_are_of_one_size(ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    cells = []
    for size in ((20, 40), (700, 90), (300, 2000), (1, 1)):
        mask = np.full(size, IGNORE, np.uint8)
        mask[: size[0] // 2] = 3
        cells.append(contact_sheet.cell(np.full((*size, 3), 200, np.uint8), mask, "title", spec))
    assert len({cell.shape for cell in cells}) == 1
    sheet = contact_sheet.grid(cells, "mine", [("Road: 50 %", spec.colours[3]), ("ignored", None)])
    height, width = cells[0].shape[:2]
    assert sheet.shape[1] == 3 * width + 4 * 12 and sheet.shape[0] > 2 * height
    painted = np.rint(0.25 * 200 + 0.75 * np.array(spec.colours[3]))
    assert (sheet == painted).all(axis=-1).sum() > 1000


def test_a_sheet_shows_the_image_its_mask_and_both(ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    mask = np.zeros((20, 40), np.uint8)
    mask[5:] = 3
    image = np.full((20, 40, 3), 200, np.uint8)
    drawn = contact_sheet.strip(image, mask, "title", spec)
    tops, first = drawn[-8 * 15 :, :, :], drawn[-1]  # enlarged eightfold
    assert (first[:320] == 200).all() and (first[324:644] == spec.colours[3]).all()
    assert tops.shape[1] == 3 * 320 + 8


def test_many_examples_make_several_sheets(ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    strips = [np.zeros((10, 30, 3), np.uint8)] * (2 * contact_sheet.ROWS + 1)
    assert len(list(contact_sheet.sheets(strips, spec))) == 3


def test_images_with_the_largest_share_of_a_class_come_first(ingested: Path) -> None:
    chosen = browser._most(ingested / "records", "train", 3, 3)
    shares = [float(choice.remark.split()[1].rstrip("%")) for choice in chosen]
    assert len(chosen) == 3 and shares == sorted(shares, reverse=True) and shares[0] > 0
    every = [record.id for path in records.shards(ingested / "records", "train") for record in record_reader.read(path)]
    assert all(every[choice.index] == choice.id for choice in chosen)


def test_an_unknown_class_or_split_is_refused(ingested: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"camvid has no class 'Dog'. Allowed: Sky, "):
        browser.browse(ingested, tmp_path, class_name="Dog")
    with pytest.raises(UserError, match=r"no image in 'dev'. Splits with images: train \(8 images\)"):
        browser.browse(ingested, tmp_path, split="dev")


def test_shares_in_the_table_add_up_to_100_percent(ingested: Path) -> None:
    spec = DatasetSpec.read(ingested / "spec.json")
    measured = statistics.measure(ingested / "records", spec.num_classes)["val"]
    lines = statistics_table.table("val", measured, spec)
    shares = [float(line.split()[1].rstrip("%")) for line in lines[3 : 3 + spec.num_classes]]
    assert sum(shares) == pytest.approx(100, abs=0.1)
    assert statistics_table.plot(measured, spec).shape[1] == statistics_table.WIDTH


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # of the letters of a caption
def test_images_may_be_larger_than_pillows_limit(
    ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    add = statistics.SplitStatistics.add
    monkeypatch.setattr(
        statistics.SplitStatistics, "add", lambda one, record: measured.append(record) or add(one, record)
    )
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # above twice as many it raises an error; these have 6912
    browser.browse(ingested, tmp_path, split="val", class_name="Sky", count=2)
    assert len(measured) == 4 and Image.MAX_IMAGE_PIXELS == 3000  # only those of val


def test_augmented_draws_exactly_the_training_images(ingested: Path, camvid_raw: Path) -> None:
    """The first batch of an epoch equals what is drawn for its example."""
    from pipeline.data.augmentation_preview import drawing

    recipe = load_recipe(str(Path(__file__).parents[2] / "tiny.yaml"), [f"data.manual_dir={camvid_raw}"])
    spec = DatasetSpec.read(ingested / "spec.json")
    measured = statistics.measure(ingested / "records", spec.num_classes)["train"]
    draw = drawing(ingested, recipe.input, recipe.train.seed, "train", measured)
    rows = [draw("name", index) for index in range(measured.images)]
    dataset = batches.train_dataset(
        ingested / "records", recipe.input, batch_size=1, seed=recipe.train.seed, epoch=1, first_step=0
    )
    image = next(dataset.as_numpy_iterator())["image"][0]
    enlarged = image.repeat(5, 0).repeat(5, 1)  # 64 x 64 in 320 pixels
    second = [row[:, 288 + 4 + 320 + 4 :][:, :320] for row in rows]  # after the original and the first epoch
    titles = rows[0].shape[0] - (320 + 4 + 320)
    assert sum(np.array_equal(part[titles : titles + 320], enlarged) for part in second) == 1


def test_the_command_takes_a_dataset(camvid_raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "browse",
        "camvid",
        "--workspace",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "out"),
        "--count",
        "2",
    ]
    assert main(command) == 2
    assert "Name its folder of raw files: --set data.manual_dir=DIR" in " ".join(capsys.readouterr().err.split())
    assert main([*command, "--augmented"]) == 2
    assert "Give a recipe" in " ".join(capsys.readouterr().err.split())
    given = ["--set", f"data.manual_dir={camvid_raw}", "--set", "data.allow_partial=true"]
    assert main([*command, *given, "--split", "val"]) == 0
    assert "val of camvid" in capsys.readouterr().out and (tmp_path / "out" / "sheet-1.png").is_file()
    assert not (tmp_path / "work" / "runs").exists() and not Workspace(tmp_path / "work").holds_results


def test_the_page_shows_a_split_without_predictions(ingested: Path, tmp_path: Path) -> None:
    assert galleries.of_split(ingested, tmp_path / "all", split="val", class_name=None, count=None) == 4
    text = (tmp_path / "all/index.html").read_text(encoding="utf-8")
    assert "<h1>camvid: val</h1>" in text and 'name="low"' not in text and 'value="prediction"' not in text
    assert len(list((tmp_path / "all/pictures").iterdir())) == 4 * 2
    assert galleries.of_split(ingested, tmp_path / "some", split=None, class_name="Sky", count=3) == 3


def test_browse_writes_something_and_no_file_of_ones_own_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["browse", "camvid", "--workspace", str(tmp_path / "work"), "--set", "data.manual_dir=raw"]
    assert main(command) == 2
    assert "--html DIR writes a page to look through" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("my page")
    assert main([*command, "--html", str(tmp_path / "mine")]) == 2
    assert "--html must be a new folder" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "mine/index.html").read_text() == "my page"
