"""The gallery: its facts, its pictures, and the page in a real browser with 5,000 images."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.spec import IGNORE, DatasetSpec
from pipeline.errors import UserError
from pipeline.report import gallery
from pipeline.report.gallery import Shown, Suspicion
from tests.pipeline.report import browser

SPEC = DatasetSpec("toy", ("road", "</script>", "car"), ((0, 0, 0), (0, 0, 255), (9, 9, 9)), {}, (), "", "", "")
MANY = 5000


def shown(number: int) -> Shown:
    """Half of it road, a quarter the class of the bad name; the prediction misses a number of rows."""
    truth = np.zeros((8, 8), np.uint8)
    truth[4:6], truth[6:] = 1, IGNORE
    prediction = np.zeros((8, 8), np.uint8)
    prediction[4 + number % 3 :] = 1
    suspicions = [Suspicion("The mask says road.", 10.0 * number, (1, 2, 3, 4))] if number == 3 else []
    return Shown(
        f"im{number}<b>", "day" if number % 2 else "night", np.zeros((8, 8, 3), np.uint8), truth, prediction, suspicions
    )


def data(folder: Path) -> list:
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["images"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("gallery") / "page"
    assert gallery.write(out, map(shown, range(12)), SPEC, title="toy: val", note="Twelve.") == 12
    return out


def test_facts_are_those_of_the_pixels(folder):
    first, second, third, fourth = data(folder)[:4]
    assert first["classes"] == {"0": [0.6667, 1.0], "1": [0.3333, 1.0]} and first["miou"] == 1.0
    assert second["classes"]["1"] == [0.3333, 0.5] and second["miou"] == round((32 / 40 + 0.5) / 2, 4)
    assert third["classes"]["1"][1] == 0.0 and "boxes" not in third
    assert (fourth["boxes"], fourth["suspicion"]) == ([[1, 2, 3, 4]], 30.0)
    for part, file in fourth["files"].items():
        assert Image.open(folder / file).size == (8, 8), part
    assert Image.open(folder / fourth["thumbnail"]).size == (8, 8)


def test_without_a_prediction_there_are_shares_only(tmp_path):
    gallery.write(tmp_path, [replace(shown(0), prediction=None)], SPEC, title="toy", note="")
    (one,) = data(tmp_path)
    assert one["classes"] == {"0": [0.6667], "1": [0.3333]} and "miou" not in one
    assert list(one["files"]) == ["input", "truth"]
    assert 'name="low"' not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_only_a_gallery_is_replaced(tmp_path, folder):
    gallery.require_free(folder, "--html")
    gallery.require_free(tmp_path, "--html")
    (tmp_path / "index.html").write_bytes("my page, für Größen".encode("latin-1"))
    with pytest.raises(UserError, match="--html must be a new folder, an empty one, or one with an earlier page"):
        gallery.require_free(tmp_path, "--html")


def test_a_killed_one_is_replaced(tmp_path):
    def killed():
        yield shown(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.write(tmp_path, killed(), SPEC, title="toy", note="")
    gallery.require_free(tmp_path, "--html")


@pytest.mark.long
def test_a_browser_filters_sorts_opens_and_chooses_among_5000_images(folder, tmp_path):
    """A few dozen cells exist at a time, wherever one scrolls."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    facts = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    many = [{**facts["images"][number % 12], "id": f"im{number}"} for number in range(MANY)]
    page = folder / "many.html"
    body = json.dumps({**facts, "images": many}).replace("<", "\\u003c")
    page.write_text(re.sub(r'id="data">.*?</script>', lambda _: f'id="data">{body}</script>', text), encoding="utf-8")
    seen = browser.measure(
        page,
        """
        const find = (selector) => document.querySelector(selector), cells = () => document.querySelectorAll(".cell");
        const count = () => find(".count").textContent;
        const ids = () => [...cells()].map((cell) => cell.querySelector(".words").title);
        const set = (name, value) => {
          find(`[name=${name}]`)[typeof value === "boolean" ? "checked" : "value"] = value;
          find(`[name=${name}]`).dispatchEvent(new Event("input", { bubbles: true }));
        };
        const press = (key) => find(".grid").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        const out = { start: cells().length, all: count() };
        out.images = [...document.images].filter((image) => image.complete && image.naturalWidth).length;
        const scroll = (to) => { scrollTo(0, to); dispatchEvent(new Event("scroll")); };
        scroll(1e9);
        out.end = [cells().length, ids().includes("im4999")];
        set("group", "day"); out.day = count(); set("group", "");
        set("of", "1"); set("low", "0.4"); out.low = count(); set("low", ""); set("of", "");
        set("suspect", true); out.suspect = count(); set("suspect", false);
        scroll(0);
        set("sort", "low"); out.lowest = ids()[0]; set("sort", "order");
        set("text", "im4999"); out.matches = ids();
        press("x"); set("text", ""); press("Home"); press("ArrowRight"); press("x");
        out.chosen = find("textarea").value;
        press("3"); out.layer = find("[name=layer]").value;
        press("Enter"); out.open = [find("dialog").open, find(".viewer-name").textContent];
        out.wide = [document.documentElement.scrollWidth, innerWidth];
        return out;
        """,
    )
    assert seen["all"] == "5,000 of 5,000 images" and 0 < seen["start"] < 60 and seen["images"] > seen["start"]
    assert seen["end"][0] < 60 and seen["end"][1]
    assert seen["day"].startswith("2,500 of") and seen["suspect"].startswith("417 of")
    assert seen["low"].startswith("3,334 of") and seen["lowest"] in {"im2", "im5", "im8", "im11"}
    assert seen["matches"] == ["im4999"] and seen["chosen"].split() == ["im1", "im4999"]
    assert seen["layer"] == "prediction" and seen["open"] == [True, "im1"]
    assert seen["wide"][0] <= seen["wide"][1]
