"""The gate passes the models that meet every demand, and no other."""

import pytest
from pydantic import ValidationError

from pipeline.config.evaluate import EvaluateConfig
from pipeline.evaluation import gate, metric_names
from pipeline.evaluation.protocols import registry

METRICS = {"dataset": "camvid", "split": "val", "classes": ["road", "sky"], "images": 10, "miou": 0.6}


def judge(metrics=METRICS, *, least=None, drop=None, served=None):
    return gate.judge(metrics, demands={} if least is None else {"miou": least}, max_miou_drop=drop, served=served)


@pytest.mark.parametrize(
    ("verdict", "outcome", "line"),
    [
        (judge(), "no gate set", "no gate set: nothing was checked"),
        (judge(drop=0.02), "no gate set", "no gate set: nothing was checked"),  # no model is served yet
        (judge(drop=0.02, served={**METRICS, "split": "test"}), "no gate set", "no gate set: nothing was checked"),
        (judge(least=0.5, drop=0.02), "passed", "passed (1 of 2 checks apply)"),
        (judge(least=0.7, drop=0.02), "failed", "failed"),
    ],
)
def test_only_a_model_that_something_checked_has_passed(verdict, outcome, line):
    assert gate.outcome(verdict) == outcome and gate.summary(verdict)[0].startswith(line)
    assert verdict["passed"] is {"passed": True, "failed": False, "no gate set": None}[outcome]
    assert max(map(len, gate.summary(verdict))) <= 70
    if outcome != "failed":
        gate.require_passed(verdict)  # without a gate a model is served


@pytest.mark.parametrize(("least", "passed"), [(0.59, True), (0.6, True), (0.61, False)])
def test_min_miou_is_a_lower_bound(least, passed):
    verdict = judge(least=least)
    assert verdict["passed"] is passed
    assert verdict["checks"] == [
        {"check": "mIoU", "required": least, "received": 0.6, "passed": passed, "note": "", "bound": "at least"},
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
    ("other", "note"),
    [
        ({"dataset": "kitti"}, "another dataset: kitti"),
        ({"dataset": "image_folder", "title": "my photos"}, "another dataset: my photos"),
        ({"split": "test"}, "another split: test"),
        ({"classes": ["road"]}, "another class list: road"),
    ],
)
def test_a_model_measured_on_something_else_is_not_compared_and_the_note_says_so(other, note):
    verdict = judge(drop=0.0, served={**METRICS, "miou": 0.9, **other})
    check = verdict["checks"][0]
    assert verdict["passed"] is check["passed"] is None
    assert note in check["note"]


def test_the_first_model_is_compared_with_nothing():
    verdict = judge(drop=0.0)
    assert verdict["passed"] is None and verdict["checks"][0]["note"] == "no model is served yet"


def test_another_number_of_images_is_compared_and_noted():
    note = judge(drop=0.02, served={**METRICS, "images": 7})["checks"][0]["note"]
    assert "7 images" in note and "10" in note


def test_failures_say_what_was_required_and_received():
    lines = gate.failures(judge(least=0.7, drop=0.02, served={**METRICS, "miou": 0.65}))
    assert lines[0] == "mIoU: required at least 0.7000, received 0.6000"
    assert lines[1].startswith("mIoU against the served model: required at least 0.6300, received 0.6000 (served: 0.65")


def test_failures_fit_the_terminal():
    shown = gate.lines(judge(drop=0.02, served={**METRICS, "miou": 0.65}))
    assert len(shown) > 1 and max(map(len, shown)) <= 70 and shown[1].startswith("    ")


WIDE = {
    **METRICS,
    "calibration": {"ece": 0.08},
    "per_class": [{"name": "road", "iou": 0.9, "accuracy": 0.95, "precision": None, "f1": 0.9}],
    "slices": [{"group": "0016E5", "miou": 0.4, "iou": {"road": 0.7, "sky": None}}],
    "protocols": {"camvid": {"figures": {"global_accuracy": 0.8}, "tables": {"T": {"a": {"IoU": 0.3}}}}},
}


@pytest.mark.parametrize(
    ("name", "bound", "passed"),
    [
        ("iou/road", 0.9, True),
        ("recall/road", 0.96, False),
        ("precision/road", 0.0, False),
        ("slice/0016E5/miou", 0.41, False),
        ("slice/0016E5/iou/road", 0.7, True),
        ("slice/other/miou", 0.0, False),
        ("camvid/global_accuracy", 0.8, True),
        ("camvid/T/a/IoU", 0.4, False),
        ("ece", 0.08, True),
        ("ece", 0.07, False),
    ],
)
def test_every_metric_can_be_demanded_and_a_missing_one_fails(name, bound, passed):
    verdict = gate.judge(WIDE, demands={name: bound}, max_miou_drop=None, served=None)
    assert verdict["passed"] is passed
    if not passed and name == "ece":
        assert "required at most 0.0700" in gate.failures(verdict)[0]


def test_unknown_metric_names_are_reported_before_anything_runs():
    used = {"camvid": registry.definition("camvid").metrics}
    good = ["miou", "iou/road", "f1/sky", "slice/a/b/miou", "slice/a b/iou/sky", "camvid/miou", "ece", "camvid/T/a/IoU"]
    assert metric_names.problems(good, ["road", "sky"], used) == []
    bad = ["iou/raod", "slice/a/iuo", "slice/a/sky", "slice/a/ece", "slice/miou", "kitti_road/MaxF", "camvid/miuo"]
    *lines, known = metric_names.problems(bad, ["road", "sky"], used)
    assert len(lines) == len(bad) and "Did you mean 'iou/road'?" in lines[0] and "'camvid/miou'" in lines[-1]
    assert "slice/<group>/iou/<class>, camvid/global_accuracy" in known


@pytest.mark.parametrize("bound", [1.5, -0.1])
def test_a_bound_that_no_share_can_meet_or_miss_is_refused(bound):
    with pytest.raises(ValidationError, match="1"):
        EvaluateConfig(gate={"miou": bound})


def paired(low, high):
    return gate.PairedDifference(images=40, difference=(low + high) / 2, low=low, high=high, confidence=0.95)


@pytest.mark.parametrize(("low", "high", "passed"), [(-0.1, -0.01, False), (-0.1, 0.0, True), (0.1, 0.2, True)])
def test_a_drop_beyond_noise_is_refused(low, high, passed):
    verdict = gate.judge(
        METRICS, demands={}, max_miou_drop=None, served=METRICS, refuse_significant_drop=True, paired=paired(low, high)
    )
    assert verdict["passed"] is passed and "sign-flip test over 40 images" in verdict["checks"][0]["note"]


@pytest.mark.parametrize(
    ("served", "comparison", "note"),
    [
        (None, None, "no model is served yet"),
        (METRICS, None, "keeps no counts"),
        (METRICS, "the masks differ", "the masks differ"),
        (METRICS, "images in common: 3", "images in common: 3"),
        ({**METRICS, "inference": {"flip": True}}, paired(-1, -1), "other evaluate.inference"),
    ],
)
def test_without_common_images_the_noise_check_does_not_apply_and_says_why(served, comparison, note):
    verdict = gate.judge(
        METRICS, demands={}, max_miou_drop=None, served=served, refuse_significant_drop=True, paired=comparison
    )
    assert verdict["passed"] is verdict["checks"][0]["passed"] is None and note in verdict["checks"][0]["note"]


def test_metrics_of_another_inference_than_the_exported_one_say_so():
    assert "the exported model" in judge({**METRICS, "inference": {"flip": True}})["note"]


def test_checks_that_do_not_apply_are_listed_unless_no_model_is_served():
    few = "images in common: 1; to tell a difference from noise, at least 5 are needed"
    verdict = gate.judge(
        METRICS, demands={}, max_miou_drop=None, served=METRICS, refuse_significant_drop=True, paired=few
    )
    lines = gate.unapplied(verdict)
    assert few in " ".join(line.strip() for line in lines) and max(map(len, lines)) <= 70
    first = gate.judge(METRICS, demands={}, max_miou_drop=0.1, served=None, refuse_significant_drop=True)
    assert gate.unapplied(first) == []


@pytest.mark.parametrize(
    ("images", "common", "ending"),
    [
        (METRICS["images"], None, ""),
        (METRICS["images"], METRICS["images"], ""),
        (METRICS["images"], 1, f"on {METRICS['images']} images, this one on {METRICS['images']}, 1 of them the same"),
        (99, 2, f"on 99 images, this one on {METRICS['images']}, 2 of them the same"),
        (99, None, f"on 99 images, this one on {METRICS['images']}"),
    ],
)
def test_a_drop_against_other_images_says_how_many_are_the_same(images, common, ending):
    served = {**METRICS, "images": images}
    note = gate.judge(METRICS, demands={}, max_miou_drop=0.1, served=served, common=common)["checks"][0]["note"]
    assert note.endswith(ending or "is allowed")
