"""The report is complete, self-contained, well-formed and safe against names that look like HTML."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from datasets.foreign_text import ACTING
from datasets.spec import DatasetSpec
from pipeline.config import recipe_file
from pipeline.drawing import charts, page_template, pictures
from pipeline.drawing.overlays import Choice
from pipeline.evaluation import gate
from pipeline.evaluation.image_counts import ImageCounts
from pipeline.evaluation.measurement import Measurement
from pipeline.evaluation.metric_text import number
from pipeline.evaluation.protocols.boundary import BoundaryF1
from pipeline.evaluation.scoring import Batch
from pipeline.input.examples import Example
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.report import data_values, markdown, metric_values, page, run_values
from pipeline.report.contents import Artifact, Material
from tests.pipeline.report import browser

CLASSES = ("road", "<script>alert(1)</script>", "car")
SPEC = DatasetSpec("toy", CLASSES, ((128, 64, 128), (0, 0, 255), (9, 9, 9)), {}, (), "http://x.org", "free", "@a{}")
FORMAT = {"format": "float16", "megabytes": 0.1, "milliseconds": 5.0, "miou": 0.5, "miou_drop": 0.01}
FORMAT["different_pixels"] = 0.000_002
VOID = {"meta", "img", "link", "input"}
SPLIT = {"images": 3, "pixels": [60, 30, 0], "void_pixels": 10, "images_with_class": [3, 2, 0], "groups": {"a": 3}}
IOUS = {"road": 0.25, "<script>alert(1)</script>": None, "car": 0.5}


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
            {"epoch": 1, "loss": 2.0, "miou": None, "lr": 0.1, "val_loss": None, "per_class_iou": None},
            {"epoch": 2, "loss": 1.0, "miou": 0.4, "lr": 0.0, "val_loss": 1.5, "per_class_iou": IOUS},
        ],
        pictures=json.loads((folder / "pictures/index.json").read_text()),
        folder=folder / "pictures",
        settings={"model.name": "fast", "input.size": None},
        yaml=recipe_file.dump(load_recipe("demo", ["data.manual_dir='/a <b> & c'"])),
        statistics={"splits": {"train": {**SPLIT, "sizes": {"24x32": 2, "48x64": 1}}}},
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


def test_nothing_is_fetched_and_only_the_pages_own_script_runs(read, html):
    assert len(read.all("script")) == 1 and not read.all("link")
    assert all(image["src"].startswith("data:image/") for image in read.all("img") if image["alt"])
    assert "@import" not in html and "url(" not in html
    assert "<script>alert" not in html and "<toy>" not in html and "day|<i>" not in html


def test_a_policy_allows_the_pages_style_and_script_and_nothing_else(read, html):
    (policy,) = [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    style, script = html.split("<style>")[1].split("</style>")[0], html.split("<script>")[1].split("</script>")[0]
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": page_template.csp_hash(style),
        "script-src": page_template.csp_hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in read.elements)


def test_every_image_has_a_text_and_every_table_a_caption(read):
    assert sum(bool(image["alt"]) for image in read.all("img")) == 2 * 4 + 3
    assert not any("loading" in image for image in read.all("img"))  # a capture of the whole page shows all
    assert len(read.all("caption")) == len(read.all("table")) >= 9
    charts_ = [chart for chart in read.all("svg") if "chart" in (chart.get("class") or "").split()]
    assert all(chart["aria-label"] for chart in charts_) and len(charts_) == 6
    assert all(cell.get("scope") for cell in read.all("th"))
    assert [attributes.get("lang") for attributes in read.all("html")] == ["en"]


def test_failures_are_at_the_top(html):
    head = html.split('<section id="classes"')[0]
    assert (
        "Weakest class</a>, by IoU: " in head and "Most frequent confusion</a>: " in head and "% of its pixels" in head
    )
    assert "Weakest group</a>: " in head and "Worst image</a>: " in head
    assert head.index("Where it fails") < head.index("The gate")


def test_metrics_verdict_and_absent_classes_are_shown(material, html):
    assert number(material.metrics["miou"]) in html
    assert "no model is served yet" in html and "does not apply" in html and "failed" in html
    assert "out of the means: car" in html
    assert html.count('class="whisker"') == 2 * 3  # the intervals of two classes; a group of four images has none
    assert (
        "artifacts/train/1" in html
        and "float16" in html
        and "<td>0.0002%</td>" in html
        and "3 of 1,000 pixels differ" in html
    )


def test_a_note_says_that_few_images_have_no_intervals(material):
    metrics = {**material.metrics, "intervals": {**material.metrics["intervals"], "figures": {}}}
    shown = page.page(replace(material, metrics=metrics))
    assert "There are no intervals" in shown and "jackknife" not in shown and 'class="whisker"' not in shown


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


def test_an_empty_chart_is_none_and_a_single_point_is_drawn():
    nothing = charts.Series("loss", [(1, float("nan"))])
    assert charts.line_chart([nothing], label="loss", x_label="epoch") is None
    assert charts.sparkline(nothing, x_label="epoch") is None
    one = charts.line_chart([charts.Series("loss", [(1, 0.5)]), nothing], label="loss", x_label="epoch")
    assert one.count("<circle") == 1


def test_the_densest_crop_contains_the_patch():
    mask = np.zeros((200, 300), bool)
    mask[150:170, 250:280] = True
    mask[10, 10] = True
    rows, columns = pictures.densest(mask)
    assert mask[rows, columns].sum() == 600 and rows.stop - rows.start == columns.stop - columns.start == 67
    assert pictures.densest(np.ones((20, 30), bool)) == (slice(0, 20), slice(0, 30))


@pytest.fixture(scope="module")
def opened(html, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def test_a_browser_shows_all_images_and_the_slider_compares_two_layers(opened):
    """In a narrow window, which does not scroll sideways; without `allowed` the policy lets no other script run."""
    seen = browser.measure(
        opened,
        """
        const images = [...document.querySelectorAll("figure img")], stage = document.querySelector(".stage");
        const [left, right] = document.querySelectorAll(".layer"), split = document.querySelector("[data-split]");
        const cut = () => [left.style.clipPath, right.style.clipPath];
        const before = cut();
        split.value = 20;
        split.dispatchEvent(new Event("input", { bubbles: true }));
        const after = cut(), first = document.querySelector(".viewer-name").textContent;
        const press = (key) => stage.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        press("+");
        const zoomed = document.querySelector("[data-level]").textContent;
        press("ArrowRight");
        const second = document.querySelector(".viewer-name").textContent;
        return { bad: images.filter((x) => !x.complete || !x.naturalWidth).length, images: images.length,
          wide: document.documentElement.scrollWidth, window: innerWidth, before, after, zoomed, first, second,
          sources: [left.src, right.src].map((x) => x.slice(0, 14)) };
        """,
    )
    assert (seen["images"], seen["bad"]) == (11, 0)
    assert seen["wide"] <= seen["window"]
    assert seen["before"] == ["inset(0px 50% 0px 0px)", "inset(0px 0px 0px 50%)"]
    assert seen["after"] == ["inset(0px 80% 0px 0px)", "inset(0px 0px 0px 20%)"]
    assert seen["sources"] == ["data:image/png"] * 2 and seen["zoomed"] == "150%"
    assert seen["first"].startswith('a"<b>') and seen["second"].startswith("c: ")


@pytest.mark.long
def test_the_policy_stops_a_foreign_script(opened):
    assert browser.measure(opened, "return 1", allowed=False) is None


@pytest.mark.long
@pytest.mark.parametrize("classes", [3, 59])
def test_the_confusion_matrix_is_printed_on_one_sheet(material, tmp_path, classes):
    names = tuple(f"class number {index}" for index in range(classes))
    matrix = (np.eye(classes, dtype=np.int64) * 1000 + 10).tolist()
    spec = replace(SPEC, classes=names, colours=((1, 2, 3),) * classes)
    shown = replace(material, spec=spec, metrics={**material.metrics, "confusion": matrix})
    values = {
        "title": "matrix",
        "style": page_template.texts(page_template.SHARED / "page.css", page.TEMPLATES / "report.css")
        + page_template.heat_rules(),
        "script": "",
        "images": "data:",
        "material": shown,
        "values": metric_values.confusion(shown),
    }
    (tmp_path / "bare").mkdir()
    text = (
        '{% extends "frame.html.j2" %}{% block body %}<div id="confusion-matrix">{% include "matrix" %}{% endblock %}'
    )
    (tmp_path / "bare/page").write_text(text)
    (tmp_path / "bare/matrix").write_text((page.TEMPLATES / "sections/confusion-matrix.html.j2").read_text())
    (tmp_path / "matrix.html").write_text(page_template.render(tmp_path / "bare", "page", values), encoding="utf-8")
    assert browser.print_pages(tmp_path / "matrix.html") == 1


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


def test_the_settings_are_the_recipe_that_runs_again(html, tmp_path):
    class Text(HTMLParser):
        text, inside = "", False

        def handle_starttag(self, tag, attrs):
            self.inside = ("class", "yaml") in attrs or (self.inside and tag != "pre")

        def handle_endtag(self, tag):
            self.inside = False

        def handle_data(self, data):
            self.text += data if self.inside else ""

    reader = Text()
    reader.feed(html)
    (tmp_path / "demo.yaml").write_text(reader.text, encoding="utf-8")
    assert load_recipe(str(tmp_path / "demo.yaml")) == load_recipe("demo", ["data.manual_dir='/a <b> & c'"])


def test_confusions_are_ranked_by_pixels_and_by_share_of_the_class(material):
    metrics = {**material.metrics, "confusion": [[900, 90, 10], [3, 0, 3], [0, 0, 0]]}
    rankings = metric_values.confused(replace(material, metrics=metrics))["rankings"]
    assert [pair["pixels"] for pair in rankings["most pixels"]] == [90, 10, 3, 3]
    assert [pair["share"] for pair in rankings["largest share of the true class"]] == [0.5, 0.5, 0.09, 0.01]


def test_losses_share_a_chart_and_each_class_has_a_curve(material):
    charts_, curves = run_values.training(material).values()
    assert [(title, names) for title, names, _ in charts_] == [
        ("Loss", ["training", "validation"]),
        ("Validation split", ["mIoU"]),
        ("Learning rate", ["learning rate"]),
    ]
    assert [(curve["name"], curve["last"]) for curve in curves] == [("road", 0.25), ("car", 0.5)]


def test_the_data_part_counts_images_sizes_and_shares(material, html):
    values = data_values.data(material)
    (split,) = values["splits"]
    assert (split["labelled"], split["ignored"], split["sizes"]) == (90, 0.1, "24x32 (2), 48x64 (1)")
    assert values["shares"] == [[60 / 90], [30 / 90], [0.0]] and values["shown_in"] == [[3], [2], [0]]
    assert "<td>66.67%</td>" in html
    assert "has not measured the data" in page.page(replace(material, statistics={}))


@pytest.mark.parametrize(
    ("confidence", "words"), [(0.9, "overconfident"), (0.7, "underconfident"), (0.805, "as sure as it is right")]
)
def test_the_words_on_calibration_fit_the_numbers(material, confidence, words):
    bins = [{"pixels": 10, "confidence": confidence, "accuracy": 0.8}]
    metrics = {**material.metrics, "calibration": {"ece": 0.1, "bins": bins}}
    assert metric_values.calibration(replace(material, metrics=metrics))["tendency"] == words


def test_a_model_that_nothing_checked_has_passed_no_gate(material):
    verdict = {
        "passed": None,
        "checks": [{**check, "passed": None} for check in material.verdict["checks"]],
        "note": "",
    }
    shown = page.page(replace(material, verdict=verdict))
    assert '<span class="verdict unset">no gate set</span>' in shown and "verdict passed" not in shown


def test_ignored_pixels_are_striped_beside_a_black_class(material):
    black = replace(SPEC, colours=((0, 0, 0), (0, 0, 255), (9, 9, 9)))
    legend = run_values.images(replace(material, spec=black))["legend"]
    assert legend[0] == ("road", (0, 0, 0)) and legend[-1] == ("ignored", None)
    assert page.page(replace(material, spec=black)).count('stroke="#202124"') == 1


@pytest.mark.parametrize(("number", "text"), [(1, "1 image "), (5, "5 images ")])
def test_one_image_is_one_image(material, number, text):
    assert f"Measured on {text}of" in page.page(replace(material, metrics={**material.metrics, "images": number}))
