"""The report is complete, self-contained, well-formed and safe against names that look like HTML."""

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from datasets.foreign_text import ACTING
from datasets.spec import DatasetSpec
from pipeline.drawing import charts, pictures
from pipeline.drawing.overlays import Choice
from pipeline.evaluation import gate
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.measurement import Measurement
from pipeline.evaluation.metric_text import number
from pipeline.evaluation.protocols.boundary import BoundaryF1
from pipeline.evaluation.scoring import Batch
from pipeline.input.examples import Example
from pipeline.report import markdown, page
from pipeline.report.contents import Artifact, Material

CLASSES = ("road", "<script>alert(1)</script>", "car")
SPEC = DatasetSpec("toy", CLASSES, ((128, 64, 128), (0, 0, 255), (9, 9, 9)), {}, (), "http://x.org", "free", "@a{}")
FORMAT = {"format": "float16", "megabytes": 0.1, "milliseconds": 5.0, "miou": 0.5, "miou_drop": 0.01}
FORMAT["different_pixels"] = 0.000_002
VOID = {"meta", "img", "link"}


class Reader(HTMLParser):
    """Collects elements and refuses tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def batch(name: str, group: str, place: int) -> Batch:
    """One image of 24 x 32 whose left half is road and right half the class with the bad name; car is absent."""
    rng = np.random.default_rng(place)
    labels = np.zeros((1, 24, 32), np.uint8)
    labels[:, :, 16:] = 1
    labels[:, :2] = 255
    predictions = np.where(rng.random(labels.shape) < 0.2, 1, labels % 255).astype(np.uint8)
    answers = np.stack([predictions, np.full(labels.shape, 0.7), labels * 0.0, labels * 0.0], -1).astype(np.float32)
    confusion = np.zeros((1, 3, 3), np.int64)
    np.add.at(confusion[0], (labels[labels < 255], predictions[labels < 255]), 1)
    images = rng.integers(0, 256, (1, 24, 32, 3)).astype(np.uint8)
    return Batch([name], [group], [place], images, labels, predictions, confusion, answers)


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    folder: Path = tmp_path_factory.mktemp("report")
    measurement = Measurement(SPEC, {"boundary": BoundaryF1(CLASSES)})
    batches = {'a"<b>': batch('a"<b>', "day|<i>", 0), "c": batch("c", "night", 1)}
    more = [batch(name, "night", place) for place, name in enumerate("def", start=2)]
    for scored in [*batches.values(), *more]:
        measurement.add(scored)
    metrics = {
        "dataset": "toy",
        "split": "val",
        "images": 5,
        "classes": list(CLASSES),
        "inference": {},
        **measurement.metrics(confidence=0.95, pairs=2),
    }
    batches |= {scored.ids[0]: scored for scored in more}
    predicted = {scored.images[0].tobytes(): scored.predictions[0] for scored in batches.values()}
    shown = [Example(name, b"", scored.images[0], scored.labels[0]) for name, scored in batches.items()]
    choices = [Choice("worst", 1, 'a"<b>', 0.5), Choice("best", 1, "c", 0.6)]
    pictures.write(folder, shown, lambda image: predicted[image.tobytes()], choices, metrics["confused"], SPEC)
    import json

    return Material(
        run="night-7",
        recipe="toy",
        command="segline run <toy>",
        code="git 123",
        spec=SPEC,
        metrics=metrics,
        verdict=gate.judge(metrics, demands={"miou": 0.9}, max_miou_drop=0.02, served=None),
        speed={"device": "2 CPU cores", "images_per_second": 3.2, "parameters": 1000, "seconds": 1, "replicas": 1},
        history=[
            {"epoch": 1, "loss": 2.0, "miou": None, "lr": 0.1},
            {"epoch": 2, "loss": 1.0, "miou": 0.4, "lr": 0.0},
        ],
        pictures=json.loads((folder / "pictures/index.json").read_text()),
        folder=folder / "pictures",
        settings={"model.name": "fast", "input.size": None},
        versions={"tensorflow": "2.21"},
        artifacts=[Artifact("train", "artifacts/train/1", "ab" * 32, "night-6", 0.0)],
        sizes={"weights": 123456},
        parity={"different_pixels": 3, "pixels": 1000},
        formats=[FORMAT],
    )


@pytest.fixture(scope="module")
def html(material) -> str:
    return page.page(material)


@pytest.fixture(scope="module")
def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def test_tags_match_and_every_section_is_there(read):
    assert read.open == []
    assert len(read.all("section")) == len(page.SECTIONS)
    targets = {f"#{section['id']}" for section in read.all("section")}
    assert targets <= {link.get("href") for link in read.all("a")}


def test_nothing_is_fetched_and_no_script_runs(read, html):
    assert not read.all("script") and not read.all("link")
    assert all(image["src"].startswith("data:image/") for image in read.all("img"))
    assert "@import" not in html and "url(" not in html
    assert "<script>alert" not in html and "<toy>" not in html and "day|<i>" not in html


def test_every_image_has_a_text_and_every_table_a_caption(read):
    assert len(read.all("img")) == 2 * 4 + 3
    assert all(image["alt"] for image in read.all("img"))
    assert len(read.all("caption")) == len(read.all("table")) >= 7
    assert all(chart["aria-label"] for chart in read.all("svg")) and read.all("svg")
    assert all(cell.get("scope") for cell in read.all("th"))
    assert [attributes.get("lang") for attributes in read.all("html")] == ["en"]


def test_failures_are_at_the_top(html):
    head = html.split('<section id="classes"')[0]
    assert (
        "Weakest classes</a>, by IoU: " in head
        and "Most frequent confusion</a>: " in head
        and "% of its pixels" in head
    )
    assert "Weakest group</a>: " in head and "Worst image</a>: " in head
    assert head.index("Where it fails") < head.index("The gate")


def test_metrics_verdict_and_absent_classes_are_shown(material, html):
    assert number(material.metrics["miou"]) in html
    assert "no model is served yet" in html and "does not apply" in html and "failed" in html
    assert "out of the means: car" in html
    assert html.count('<b style="left:') == 2  # the intervals of two classes; a group of four images has none
    assert (
        "artifacts/train/1" in html
        and "float16" in html
        and "<td>0.0002%</td>" in html
        and "3 of 1,000 pixels differ" in html
    )


def test_a_note_says_that_few_images_have_no_intervals(material):
    metrics = {**material.metrics, "intervals": {**material.metrics["intervals"], "figures": {}}}
    shown = page.page(replace(material, metrics=metrics))
    assert "There are no intervals" in shown and "jackknife" not in shown and '<b style="left:' not in shown


def test_data_without_a_homepage_and_a_citation_have_no_empty_ones(material, html):
    bare = page.page(replace(material, spec=replace(material.spec, homepage="", licence="", citation=" ")))
    assert "Homepage" in html and "How to cite" in html
    assert "Homepage" not in bare and 'href=""' not in bare and "How to cite" not in bare and "not stated" in bare


def test_markdown_holds_the_metrics_and_escapes_names(material):
    text = markdown.markdown(material)
    assert f"| miou | {material.metrics['miou']:.4f} |" in text
    assert "day\\|&lt;i&gt;" in text and "<script>" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_a_note_says_that_there_are_no_pictures(material):
    none = {"examples": [], "confused": []}
    assert "evaluate.overlays: 0" in page.page(replace(material, pictures=none))


@pytest.mark.parametrize(("low", "high"), [(0, 0.63), (0, 3e-3), (1, 40), (5, 5), (0, 0)])
def test_ticks_are_round_and_cover_the_values(low, high):
    ticks = charts.ticks(low, high, 5)
    assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 8


def test_empty_charts_say_so_and_a_single_point_is_drawn():
    assert "nothing was recorded" in charts.line_chart([(1, float("nan"))], label="loss", x_label="epoch")
    assert charts.line_chart([(1, 0.5)], label="loss", x_label="epoch").count("<circle") == 1


def test_the_densest_crop_contains_the_patch():
    mask = np.zeros((200, 300), bool)
    mask[150:170, 250:280] = True
    mask[10, 10] = True
    rows, columns = pictures.densest(mask)
    assert mask[rows, columns].sum() == 600 and rows.stop - rows.start == columns.stop - columns.start == 67
    assert pictures.densest(np.ones((20, 30), bool)) == (slice(0, 20), slice(0, 30))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def dom(html, tmp_path_factory) -> str:
    """The report in a real browser, with measurements of its layout by a script added here."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed here (apt-get install chromium)")
    script = (
        "<script>onload=()=>{const b=document.body,i=[...document.images];i.forEach(x=>x.loading='eager');"
        "setTimeout(()=>{const bad=i.filter(x=>!x.complete||!x.naturalWidth).length;"
        "b.dataset.seen=JSON.stringify({bad,images:i.length,wide:document.documentElement.scrollWidth,"
        "window:innerWidth,paper:getComputedStyle(b).backgroundColor,"
        "tab:[...document.querySelectorAll('a,summary,[tabindex]')].length})},300)}</script>"
    )
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(html.replace("</body>", script + "</body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,900", "--virtual-time-budget=3000"]
    shown = subprocess.run(
        [BROWSER, *options, f"--user-data-dir={path.parent / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return shown.stdout


def test_a_browser_shows_all_images_and_a_narrow_window_does_not_scroll_sideways(dom):
    import json
    from html import unescape

    seen = json.loads(unescape(re.search(r'data-seen="([^"]*)"', dom)[1]))
    assert seen["images"] == 11 and seen["bad"] == 0
    assert seen["wide"] <= seen["window"]
    assert seen["tab"] > len(page.SECTIONS)


def test_counts_survive_their_file(tmp_path):
    counts = ImageCounts(("a", "ü"), ("g", "h"), *(np.arange(4).reshape(2, 2) + k for k in range(3)))
    counts.write(tmp_path / "one.npz")
    counts.write(tmp_path / "two.npz")
    read = ImageCounts.read(tmp_path / "one.npz")
    assert read.ids == counts.ids and read.groups == counts.groups
    np.testing.assert_array_equal(read.predicted, counts.predicted)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_group_shows_its_interval(material):
    slices = [{**slice_, "interval": [0.1234, 0.4567]} for slice_ in material.metrics["slices"]]
    shown = replace(material, metrics={**material.metrics, "slices": slices})
    assert page.page(shown).count("<td>0.123 to 0.457</td>") == 2
    assert markdown.markdown(shown).count("| 0.1234 to 0.4567 |") == 2


HOSTILE = "x\x1b[31m\u202e\n| [y](javascript:z) `*_"


def test_text_of_the_data_neither_acts_nor_becomes_markup(material):
    names = tuple(f"{HOSTILE}{index}" for index in range(3))
    rows = [{**row, "name": name} for row, name in zip(material.metrics["per_class"], names, strict=True)]
    groups = [{**group, "group": HOSTILE} for group in material.metrics["slices"]]
    spec = replace(SPEC, classes=names, homepage="javascript:alert(1)", licence=HOSTILE, citation=HOSTILE)
    metrics = {**material.metrics, "per_class": rows, "slices": groups, "title": HOSTILE, "classes": names}
    pairs = [{**pair, "truth": names[0], "prediction": names[1]} for pair in material.pictures["confused"]]
    metrics["confused"] = [{**pair, "truth": names[0], "prediction": names[1]} for pair in metrics["confused"]]
    shown = replace(material, spec=spec, metrics=metrics, pictures={**material.pictures, "confused": pairs})
    html, text = page.page(shown), markdown.markdown(shown)
    reader = Reader()
    reader.feed(html)
    assert not [link for link in reader.all("a") if not (link["href"] or "").startswith("#")]
    assert "javascript:alert(1)" in html  # as text
    for written in (html, text):
        assert not ACTING.search(written.replace("\n", "").replace("\t", ""))
    assert "\\[y\\](javascript:z)" in text and text.count("\n| \\u") == 0
    assert len({line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| x")}) == 2


def test_a_homepage_of_the_web_is_a_link(read):
    assert {"href": "http://x.org", "rel": "noreferrer"} in read.all("a")
