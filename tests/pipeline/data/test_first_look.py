"""The contact sheet that `segline init` draws: what the layout makes of the masks is seen, and bad files are named."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from datasets import catalog
from pipeline.data.initialisation import initialise
from pipeline.drawing import contact_sheet, render
from pipeline.errors import UserError
from pipeline.orchestration import preflight
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace


def draw_pairs(folder: Path, number: int, values: tuple[int, ...] = (0, 1)) -> None:
    """Draw images of 32 x 48 pixels with masks that hold these values."""
    blocks = np.arange(24).reshape(4, 6).repeat(8, 0).repeat(8, 1)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for i in range(number):
        Image.fromarray((blocks * 10).astype(np.uint8)).convert("RGB").save(folder / f"images/{i}.png")
        Image.fromarray(np.array(values, np.uint8)[blocks % len(values)]).save(folder / f"masks/{i}.png")


def noted(printed: list[str]) -> str:
    return " ".join(line.strip() for line in printed)


def test_a_sheet_shows_how_the_masks_are_read(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "drawn", 20, (0,))
    draw_pairs(tmp_path / "drawn", 1, (0, 1, 255))
    (tmp_path / "data").mkdir()
    for i in range(20):
        (tmp_path / f"drawn/images/{i}.png").rename(tmp_path / f"data/{i}.png")
        (tmp_path / f"drawn/masks/{i}.png").rename(tmp_path / f"data/{i}_mask.png")
    printed = initialise(tmp_path / "data", None, tmp_path / "recipe.yaml", force=False)
    sheet = tmp_path / "data/segline.png"
    assert f"Wrote {sheet}: how the layout reads the masks. Look at it." in printed
    with Image.open(sheet) as drawn:
        pixels = np.asarray(drawn)
    colours = catalog.spec("image_folder", None, tmp_path / "data/segline.yaml").colours
    swatches = [(pixels == colour).all(axis=-1).sum() for colour in colours]
    assert min(swatches) >= 100, "a class is not in the legend"
    assert "image_folder" not in "".join(printed)
    again = initialise(tmp_path / "data", None, tmp_path / "recipe.yaml", force=True)
    assert again == printed, "the sheet in the folder is taken for an image"


def test_names_that_the_font_lacks_are_numbers_in_the_legend_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_pairs(tmp_path / "data", 4)
    (tmp_path / "data/classes.txt").write_text("Straße\nroad\n", encoding="utf-8")
    legends: list[list[render.Entry]] = []
    grid = contact_sheet.grid
    monkeypatch.setattr(contact_sheet, "grid", lambda *of: (legends.append(of[2]), grid(*of))[1])
    printed = initialise(tmp_path / "data", None, tmp_path / "recipe.yaml", force=False)
    assert [text.partition(":")[0] for text, _ in legends[0]] == ["class 0", "road", "ignored"]
    assert "The sheet's font lacks some signs: class 0 is Straße." in printed


def test_a_layout_elsewhere_has_its_sheet_beside_it(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "data", 4)
    initialise(tmp_path / "data", tmp_path / "out/mine.yaml", tmp_path / "recipe.yaml", force=False)
    assert (tmp_path / "out/mine.png").is_file() and not (tmp_path / "data/segline.png").exists()
    (tmp_path / "out/mine.yaml").unlink()
    (tmp_path / "recipe.yaml").unlink()
    with pytest.raises(UserError, match=r"mine\.png: exists already"):
        initialise(tmp_path / "data", tmp_path / "out/mine.yaml", tmp_path / "recipe.yaml", force=False)


def test_bad_files_are_named_and_left_out_of_the_sheet(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "data", 6)
    content = (tmp_path / "data/images/3.png").read_bytes()
    (tmp_path / "data/images/3.png").write_bytes(content[: len(content) // 2])
    printed = noted(initialise(tmp_path / "data", None, tmp_path / "recipe.yaml", force=False))
    assert "1 of the files that were looked at is bad: images/3.png: " in printed
    assert (tmp_path / "data/segline.png").is_file()


def test_a_layout_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "data", 1)
    printed = noted(initialise(tmp_path / "data", None, tmp_path / "recipe.yaml", force=False))
    assert "as it is, the layout cannot be used, so no sheet is drawn. In" in printed and "no image is in" in printed
    assert not (tmp_path / "data/segline.png").exists()


def test_a_page_shows_what_init_prints_of_a_coco_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (tmp_path / "cells/images").mkdir(parents=True)
    for i in range(80):
        images.append({"id": i, "file_name": f"{i:04d}.jpg", "width": 48, "height": 32})
        picture = Image.new("RGB", (48, 32), (i, 90, 90))
        for category, left in ((1, 2), (2, 24)):
            square = [left, 4, left + 16, 4, left + 16, 24, left, 24]
            ImageDraw.Draw(picture).polygon(square, fill=(200, 40 * category, i))
            annotations.append(
                {"id": 2 * i + category, "image_id": i, "category_id": category, "segmentation": [square], "iscrowd": 0}
            )
        picture.save(tmp_path / "cells/images" / images[-1]["file_name"])
    categories = [{"id": 1, "name": "cell"}, {"id": 2, "name": "debris"}]
    whole = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "cells/annotations.json").write_text(json.dumps(whole))
    monkeypatch.chdir(tmp_path)
    printed = initialise(Path("cells"), None, None, force=False)
    page = (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")
    assert "```\n" + "\n".join(printed) + "\n```" in page
    recipe = load_recipe("cells.yaml")
    assert preflight.check(recipe, Workspace(tmp_path / "workspace")) == []
    with Image.open("cells/segline.png") as sheet:
        pixels = np.asarray(sheet)
    counts = [(pixels == colour).all(axis=-1).sum() for colour in recipe.data.spec().colours]
    assert min(counts) >= 100, "a class is not in the legend"


def test_init_imports_no_tensorflow(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "data", 4)
    code = (
        "import sys; from pathlib import Path; from pipeline.data.initialisation import initialise;"
        f"initialise(Path({str(tmp_path / 'data')!r}), None, Path({str(tmp_path / 'r.yaml')!r}), force=False);"
        "sys.exit(sorted({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
    assert (tmp_path / "data/segline.png").is_file()
