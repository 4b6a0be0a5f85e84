"""Cityscapes: against a plain loop, and against the official script where it is installed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.evaluation.protocols.cityscapes import AVERAGE_SIZES, CATEGORIES, IGNORED, LABEL_IDS, Cityscapes
from pipeline.evaluation.protocols.protocol import ScoredImage

CLASSES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation"),
    *("terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"),
)
IDS = np.array([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 29, 30])
"""Label id of each train id; the last two are those of IGNORED."""


def scene(seed: int, shape=(40, 60)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and prediction in train ids (a prediction may be 255, an ignored id), and instance ids.

    Some pixels of each are of caravans and trailers, train ids 19 and 20; without these classes both are 255.
    """
    rng = np.random.default_rng(seed)
    truth = rng.choice([*range(15), 17, 18, 255], shape).astype(np.uint8)
    truth[5:15, 5:25], truth[20:30, 10:20], truth[20:26, 30:50], truth[32:38, 2:12] = 13, 11, 18, 19
    wrong = rng.choice([*range(17), 19, 20, 255], shape)
    prediction = np.where(rng.random(shape) < 0.4, wrong, truth % 21).astype(np.uint8)
    labels = np.where(truth == 255, 0, IDS[np.minimum(truth, 20)])
    instances = labels.copy()
    boxes = ((13, np.s_[5:15, 5:20], 0), (13, np.s_[5:15, 20:25], 1), (11, np.s_[20:30, 10:20], 7))
    for train_id, box, number in boxes:
        instances[box] = IDS[train_id] * 1000 + number
    instances[20:26, 30:50], instances[32:38, 2:12] = 33001, 29003
    return truth, prediction, instances.astype(np.int64)


def scored(name: str, drawn: tuple[np.ndarray, ...], classes: int = 19) -> ScoredImage:
    truth, prediction = (np.where(ids < classes, ids, 255).astype(np.uint8) for ids in drawn[:2])
    return ScoredImage(name, "", truth, prediction, truth * 0.0, np.zeros(0))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instances")
    images = [scene(seed) for seed in range(3)]
    for number, (_, _, instances) in enumerate(images):
        Image.fromarray(instances.astype(np.uint16)).save(folder / f"{number}.png")
    return images, folder


@pytest.fixture(scope="module", params=[CLASSES, (*CLASSES, *IGNORED)], ids=["19 classes", "caravans, trailers"])
def classes(request) -> tuple[str, ...]:
    return request.param


@pytest.fixture(scope="module")
def result(scenes, classes):
    protocol = Cityscapes(classes, scenes[1])
    for number, drawn in enumerate(scenes[0]):
        protocol.add(scored(str(number), drawn, len(classes)))
    return protocol.result()


def naive(scenes, members: list[int], name: str, classes: int) -> tuple[float, float | None]:
    """IoU and iIoU of the union of some classes, with pixel sets, after the comments of the official script."""
    hits = missed = false = false_instances = 0
    weighted = np.zeros(2)
    of_instances = [*members, 19, 20] if name == "vehicle" and classes == 21 else members
    for truth, prediction, instances in scenes:
        true, predicted = np.isin(truth, members), np.isin(prediction, members)
        hits += (true & predicted).sum()
        missed += (true & ~predicted).sum()
        false += (predicted & ~true & (truth < 19)).sum()
        predicted = np.isin(prediction, of_instances)
        false_instances += (predicted & ~true & (truth < 19)).sum()
        for instance in np.unique(instances[instances > 1000]):
            owner = next((key for key, value in LABEL_IDS.items() if value == instance // 1000), "ignored")
            if owner != "ignored" and CLASSES.index(owner) in members:
                mask = instances == instance
                weight = AVERAGE_SIZES[owner] / mask.sum()
                right = predicted[mask].sum()
                weighted += np.array([right, mask.sum() - right]) * weight
    total = weighted.sum() + false_instances
    iiou = weighted[0] / total if total and name in (*LABEL_IDS, "human", "vehicle") else None
    return hits / (hits + missed + false), iiou


def test_classes_and_categories_equal_a_plain_loop(scenes, classes, result):
    for title, groups in {"Classes": {name: (name,) for name in CLASSES}, "Categories": CATEGORIES}.items():
        for name, members in groups.items():
            if name in ("bus", "train"):
                continue
            iou, iiou = naive(scenes[0], [CLASSES.index(member) for member in members], name, len(classes))
            row = result.tables[title][name]
            assert row["IoU"] == pytest.approx(iou, abs=1e-12)
            assert row.get("iIoU") == (None if iiou is None else pytest.approx(iiou, abs=1e-12))


def test_classes_only_predicted_count_0_and_absent_ones_are_left_out(result):
    assert result.tables["Classes"]["bus"]["IoU"] == 0.0 and list(result.tables["Classes"]) == list(CLASSES)
    shown = [row["IoU"] for row in result.tables["Classes"].values() if row["IoU"] is not None]
    assert result.metrics["class_iou"] == pytest.approx(np.mean(shown))


def test_missing_instances_are_named(tmp_path):
    with pytest.raises(UserError, match=r"aachen\.png do not exist"):
        Cityscapes(CLASSES, tmp_path).add(scored("aachen", scene(0)))


def test_a_note_says_that_instances_are_missing():
    protocol = Cityscapes(CLASSES, None)
    protocol.add(scored("a", scene(0)))
    assert "no iIoU" in protocol.result().note and protocol.result().metrics["class_iiou"] is None


def test_metrics_equal_the_official_scripts(scenes, classes, result, tmp_path: Path, monkeypatch):
    script = pytest.importorskip(
        "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling", reason="cityscapesscripts is not installed"
    )
    monkeypatch.setattr(np, "in1d", np.isin, raising=False)  # version 2.3 of the script calls what NumPy 2 dropped
    predictions, truths = [], []
    for number, (truth, prediction, instances) in enumerate(scenes[0]):
        for stem, train_ids in (("labelIds", truth), ("pred", prediction)):
            ids = np.where(train_ids < (len(classes) if stem == "pred" else 21), IDS[np.minimum(train_ids, 20)], 0)
            Image.fromarray(ids.astype(np.uint8)).save(tmp_path / f"{number}_{stem}.png")
        Image.fromarray(instances.astype(np.int32)).save(tmp_path / f"{number}_instanceIds.png")
        truths.append(str(tmp_path / f"{number}_labelIds.png"))
        predictions.append(str(tmp_path / f"{number}_pred.png"))
    script.args.quiet, script.args.JSONOutput, script.args.evalPixelAccuracy = True, False, False
    official = script.evaluateImgLists(predictions, truths, script.args)
    for title, ious, iious in (
        ("Classes", official["classScores"], official["classInstScores"]),
        ("Categories", official["categoryScores"], official["categoryInstScores"]),
    ):
        for name, row in result.tables[title].items():
            for column, scores in (("IoU", ious), ("iIoU", iious)):
                expected = scores.get(name, float("nan"))
                received = row.get(column)
                assert (received is None and np.isnan(expected)) or received == pytest.approx(expected, abs=1e-12), name
    for metric, score in {
        "class_iou": "averageScoreClasses",
        "class_iiou": "averageScoreInstClasses",
        "category_iou": "averageScoreCategories",
        "category_iiou": "averageScoreInstCategories",
    }.items():
        assert result.metrics[metric] == pytest.approx(official[score], abs=1e-12), metric
