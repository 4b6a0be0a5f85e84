"""The report is whole, self-contained, well-formed and safe against names that look like HTML."""

from html.parser import HTMLParser

import numpy as np
import pytest

from datasets.spec import DatasetSpec
from pipeline import charts, figures, gate, overlays, report

CLASSES = ("road", "<script>alert(1)</script>", "car")
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


@pytest.fixture(scope="module")
def evaluation():
    spec = DatasetSpec("toy", CLASSES, ((128, 64, 128), (0, 0, 255), (9, 9, 9)), {}, (), "http://x.org", "free", "@a{}")
    metrics = {
        "dataset": "toy",
        "split": "val",
        "images": 3,
        "classes": list(CLASSES),
        **figures.summarise(np.array([[60, 20, 0], [10, 30, 0], [0, 0, 0]]), CLASSES),
        "image_miou": {"a": 0.5},
    }
    mask = np.zeros((6, 8), np.uint8)
    parts = overlays.parts(np.zeros((6, 8, 3), np.uint8), mask, mask, spec)
    history = [{"epoch": 1, "loss": 2.0, "miou": None, "lr": 0.1}, {"epoch": 2, "loss": 1.0, "miou": 0.4, "lr": 0.0}]
    return report.Evaluation(
        spec=spec,
        metrics=metrics,
        verdict=gate.judge(metrics, min_miou=0.9, max_miou_drop=0.02, served=None),
        history=history,
        settings={"model.name": "fast", "input.size": None},
        versions={"tensorflow": "2.21"},
        pictures=[(overlays.Choice("worst", 1, 'a"<b>', 0.5), parts)],
    )


@pytest.fixture(scope="module")
def read(evaluation):
    reader = Reader()
    reader.feed(report.page(evaluation))
    reader.close()
    return reader


def test_tags_match_and_every_section_is_there(read):
    assert read.open == []
    assert len(read.all("section")) == len(report.SECTIONS)
    targets = {f"#{section['id']}" for section in read.all("section")}
    assert targets <= {link.get("href") for link in read.all("a")}


def test_nothing_is_fetched_and_no_script_runs(read, evaluation):
    assert not read.all("script") and not read.all("link")
    assert all(image["src"].startswith("data:image/") for image in read.all("img"))
    assert "@import" not in report.page(evaluation) and "url(" not in report.page(evaluation)


def test_every_image_has_a_text_and_every_table_a_caption(read):
    assert len(read.all("img")) == len(overlays.PARTS)
    assert all(image["alt"] for image in read.all("img"))
    assert len(read.all("caption")) == len(read.all("table")) == 3
    assert all(chart["aria-label"] for chart in read.all("svg"))


def test_figures_verdict_and_absent_classes_are_shown(evaluation):
    page = report.page(evaluation)
    assert gate.number(evaluation.metrics["miou"]) in page
    assert "no model is served yet" in page and "does not apply" in page and "failed" in page
    assert "out of the means: car" in page
    assert 'title="20 pixels">25<' in page


def test_no_picture_is_said(evaluation):
    from dataclasses import replace

    assert "evaluate.overlays: 0" in report.page(replace(evaluation, pictures=[]))


@pytest.mark.parametrize(("low", "high"), [(0, 0.63), (0, 3e-3), (1, 40), (5, 5), (0, 0)])
def test_ticks_are_round_and_cover_the_values(low, high):
    found = charts.ticks(low, high, 5)
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8


def test_a_chart_of_nothing_says_so_and_one_point_is_drawn():
    assert "nothing was recorded" in charts.line_chart([(1, float("nan"))], label="loss", x_label="epoch")
    assert charts.line_chart([(1, 0.5)], label="loss", x_label="epoch").count("<circle") == 1
