"""The gate lets through what it should and nothing else."""

import pytest

from pipeline import gate

METRICS = {"dataset": "camvid", "split": "val", "classes": ["road", "sky"], "images": 10, "miou": 0.6}


def judge(metrics=METRICS, *, least=None, drop=None, served=None):
    return gate.judge(metrics, min_miou=least, max_miou_drop=drop, served=served)


def test_no_demand_passes_without_a_check():
    assert judge() == {"passed": True, "checks": []}


@pytest.mark.parametrize(("least", "passed"), [(0.59, True), (0.6, True), (0.61, False)])
def test_least_miou(least, passed):
    verdict = judge(least=least)
    assert verdict["passed"] is passed
    assert verdict["checks"] == [
        {"check": "mIoU", "required": least, "received": 0.6, "passed": passed, "note": ""},
    ]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_metric_that_is_missing_fails(missing):
    assert not judge({**METRICS, "miou": missing}, least=0.0)["passed"]


@pytest.mark.parametrize(("before", "passed"), [(0.5, True), (0.62, True), (0.63, False)])
def test_not_worse_than_the_served_model(before, passed):
    verdict = judge(drop=0.02, served={**METRICS, "miou": before})
    assert verdict["passed"] is passed
    assert verdict["checks"][0]["required"] == pytest.approx(before - 0.02)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"dataset": "kitti"}, "another dataset: kitti"),
        ({"split": "test"}, "another split: test"),
        ({"classes": ["road"]}, "another class list: road"),
    ],
)
def test_a_model_measured_on_something_else_is_not_compared_and_it_is_said(other, said):
    verdict = judge(drop=0.0, served={**METRICS, "miou": 0.9, **other})
    check = verdict["checks"][0]
    assert verdict["passed"] and check["passed"] is None
    assert said in check["note"]


def test_the_first_model_is_compared_with_nothing():
    verdict = judge(drop=0.0)
    assert verdict["passed"] and verdict["checks"][0]["note"] == "no model is served yet"


def test_another_number_of_images_is_compared_but_said():
    note = judge(drop=0.02, served={**METRICS, "images": 7})["checks"][0]["note"]
    assert "7 images" in note and "10" in note


def test_failures_say_what_was_required_and_received():
    lines = gate.failures(judge(least=0.7, drop=0.02, served={**METRICS, "miou": 0.65}))
    assert lines[0] == "mIoU: required at least 0.7000, received 0.6000"
    assert lines[1].startswith("mIoU against the served model: required at least 0.6300, received 0.6000 (served: 0.65")
