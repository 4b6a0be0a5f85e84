"""Two models on the same images: the test holds its level, its interval agrees with it, and few images say so."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.evaluation import comparison
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.image_counts import FILE, ImageCounts
from pipeline.evaluation.intervals import intervals, metrics
from pipeline.evaluation.paired import Difference, fewest, paired
from pipeline.workspace import json_file

CLASSES = ("a", "b")


def counts(accuracies: np.ndarray, prefix: str = "i") -> ImageCounts:
    """Images of 1,000 pixels of class a, of which a share is correct, and as many of class b, all correct."""
    hits = np.stack([np.rint(accuracies * 1000), np.full(len(accuracies), 1000)], axis=1).astype(np.int64)
    predicted = np.stack([hits[:, 0], 2000 - hits[:, 0]], axis=1)
    ids = tuple(f"{prefix}{number}" for number in range(len(accuracies)))
    return ImageCounts(ids, ("g",) * len(ids), hits, np.full(hits.shape, 1000), predicted)


def null_pair(rng: np.random.Generator, images: int, ease: float = 0.0) -> tuple[ImageCounts, ImageCounts]:
    """Two models of images of very unequal sizes, a third without class b; the first is better by `ease`, in logits."""
    truth = np.rint(1000 * np.exp(rng.normal(0, 1, (images, 2)))).astype(np.int64)
    truth[rng.random(images) < 1 / 3, 1] = 0
    ids, logits, models = tuple(map(str, range(images))), rng.normal(1, 1, (images, 1)), []
    for gain in (ease, 0.0):
        share = 1 / (1 + np.exp(-logits - gain - rng.normal(0, 0.5, truth.shape)))
        hits = np.rint(truth * share).astype(np.int64)
        models.append(ImageCounts(ids, ("g",) * images, hits, truth, hits + (truth - hits)[:, ::-1]))
    return models[0], models[1]


@pytest.fixture(scope="module")
def accuracies() -> np.ndarray:
    return np.clip(np.random.default_rng(0).normal(0.6, 0.1, 200), 0, 1)


def test_p_values_of_few_images_equal_those_of_all_swaps_one_by_one() -> None:
    ours, theirs = null_pair(np.random.default_rng(3), 7, ease=0.3)
    both = {name: np.stack([getattr(ours, name), getattr(theirs, name)]) for name in ("hits", "truth", "predicted")}
    as_large: dict[str, list[bool]] = {}
    for swap in itertools.product((0, 1), repeat=7):
        sides = []
        for swapped in (np.array(swap), 1 - np.array(swap)):
            parts = {name: values[swapped, np.arange(7)] for name, values in both.items()}
            sides.append(metrics(ImageCounts(ours.ids, ours.groups, **parts).total(), CLASSES))
        for name in sides[0]:
            as_large.setdefault(name, []).append(abs(sides[0][name] - sides[1][name]))
    differences = paired(ours, theirs, CLASSES, replicates=1000, confidence=0.95)
    for name, difference in differences.items():
        expected = np.mean(np.array(as_large[name]) >= abs(difference.ours - difference.theirs) - 1e-12)
        assert difference.p == pytest.approx(expected, abs=1e-12), name
    assert len(differences) == 7


def test_more_than_noise_fires_as_often_as_claimed_and_the_interval_agrees() -> None:
    rng, alarms, covered = np.random.default_rng(0), [], []
    for images in (6, 10, 30) * 100:
        for difference in paired(*null_pair(rng, images), CLASSES, replicates=200, confidence=0.95).values():
            if difference.beyond_noise is not None:
                alarms.append(difference.beyond_noise)
                covered.append(difference.low <= 0 <= difference.high)
                assert difference.low <= difference.ours - difference.theirs <= difference.high
    assert len(alarms) > 1500 and np.mean(alarms) < 0.06
    assert [not alarm for alarm in alarms] == covered


def test_the_interval_of_a_difference_covers_it() -> None:
    rng, covered = np.random.default_rng(0), []
    ours, theirs = (metrics(model.total(), CLASSES) for model in null_pair(rng, 20_000, ease=1.0))
    true = {name: value - theirs[name] for name, value in ours.items()}
    for _ in range(200):
        rows = paired(*null_pair(rng, 30, ease=1.0), CLASSES, replicates=400, confidence=0.95)
        covered.append([rows[name].low <= value <= rows[name].high for name, value in true.items()])
    assert np.mean(covered, axis=0).min() > 0.9


def test_a_difference_that_every_image_shares_is_known_well(accuracies: np.ndarray) -> None:
    rows = comparison.compare(
        counts(accuracies[:40]), counts(accuracies[:40] - 0.1), CLASSES, replicates=500, confidence=0.95
    ).differences
    assert (rows["iou/a"].low, rows["iou/a"].high) == pytest.approx((0.1, 0.1), abs=1e-3) and rows["iou/a"].beyond_noise
    one = intervals(counts(accuracies[:40]), CLASSES, confidence=0.95)["iou/a"]
    assert one[0] < accuracies[:40].mean() - 0.02 < one[1]  # of one model alone, it is not


def test_a_model_that_predicts_a_class_that_is_not_there_is_worse(accuracies: np.ndarray) -> None:
    ours, theirs = counts(accuracies[:40]), counts(accuracies[:40])
    for each in (ours, theirs):
        each.hits[:, 1] = each.truth[:, 1] = 0
    theirs.predicted[:, 1] = 0
    compared = comparison.compare(ours, theirs, CLASSES, replicates=100, confidence=0.95)
    assert "iou/b" not in compared.differences and compared.differences["miou"].ours < 0.5


@pytest.mark.parametrize("images", range(1, fewest(0.95) + 1))
def test_few_images_have_no_verdict(accuracies: np.ndarray, images: int) -> None:
    few = comparison.compare(
        counts(accuracies[:images]), counts(accuracies[:images] - 0.2), CLASSES, replicates=50, confidence=0.95
    )
    row, lines = few.as_dict()["differences"]["iou/a"], comparison.table(few, "a", "b")
    assert row["ours"] > row["theirs"] and row["differing"] == images
    enough = images == fewest(0.95)
    assert row["p"] == (2 / 2**images if enough else None) and row["beyond_noise"] is (True if enough else None)
    assert enough or row["low"] is row["high"] is None
    assert any(line.startswith("iou/a") and line.endswith(" A" if enough else " few") for line in lines)
    assert enough or "few: A and B differ on fewer than 6 images, too few to tell this from noise." in lines


def test_images_on_which_both_agree_do_not_count(accuracies: np.ndarray) -> None:
    changed = accuracies.copy()
    changed[:5] -= 0.3
    rows = paired(counts(accuracies), counts(changed), CLASSES, replicates=100, confidence=0.95)
    assert rows["miou"].beyond_noise is None and rows["miou"].differing == 5
    same = paired(counts(accuracies), counts(accuracies), CLASSES, replicates=100, confidence=0.95)["miou"]
    assert (same.low, same.high, same.p, same.beyond_noise) == (0, 0, 1, False)


def test_random_differences_are_called_noise(accuracies: np.ndarray) -> None:
    shuffled = accuracies + np.random.default_rng(1).normal(0, 0.05, 200)
    shuffled += accuracies.mean() - shuffled.mean()
    compared = comparison.compare(counts(accuracies), counts(shuffled), CLASSES, replicates=500, confidence=0.95)
    assert not compared.differences["iou/a"].beyond_noise and compared.differences["iou/a"].p > 0.2
    lines = comparison.table(compared, "a", "b")
    assert max(map(len, lines)) <= 80 and any(line.startswith("iou/a") and line.endswith("noise") for line in lines)


def test_three_comparisons_are_corrected_for_their_number() -> None:
    def pair(p: float, differing: int = 40) -> Comparison:
        return Comparison(40, 0, 0, {"miou": Difference(0.6, 0.5, 0.01, 0.2, p, differing, p <= 0.05)}, 0.95)

    rows = [one.differences["miou"] for one in comparison.corrected([pair(0.03), pair(0.01), pair(0.04)])]
    assert [row.p for row in rows] == pytest.approx([0.06, 0.03, 0.06])
    assert [row.beyond_noise for row in rows] == [False, True, False]
    (alone,) = comparison.corrected([pair(0.03)])
    assert alone == pair(0.03)
    few = comparison.corrected([pair(0.03, differing=6)] * 3)
    assert {one.differences["miou"].beyond_noise for one in few} == {None}  # 3 * 2 / 2**6 is more than 0.05
    lines = comparison.table(few[0], "a", "b")
    assert "Verdicts are corrected for 3 comparisons (Holm 1979); intervals are not." in lines
    assert any("fewer than 7 images" in line for line in lines) and max(map(len, lines)) <= 80


def test_only_common_images_are_compared_and_changed_masks_refused(accuracies: np.ndarray) -> None:
    ours, theirs = counts(accuracies), counts(accuracies[:50])
    compared = comparison.compare(ours, theirs, CLASSES, replicates=20, confidence=0.95)
    assert (compared.images, compared.only_ours, compared.only_theirs) == (50, 150, 0)
    theirs.truth[3] += 1
    with pytest.raises(UserError, match=r"masks of 1 images are not the same.*i3"):
        comparison.compare(ours, theirs, CLASSES, replicates=20, confidence=0.95)
    with pytest.raises(UserError, match="no image in common"):
        comparison.compare(ours, counts(accuracies, "other"), CLASSES, replicates=20, confidence=0.95)


def test_a_class_that_only_one_model_answers_and_no_truth_shows_counts_against_it() -> None:
    """Its IoU is 0 for that model and n/a for the other, so that only the means are compared."""
    blank = counts(np.ones(12))
    blank.hits[:, 1] = blank.truth[:, 1] = blank.predicted[:, 1] = 0
    answering = ImageCounts(blank.ids, blank.groups, blank.hits.copy(), blank.truth, blank.predicted.copy())
    answering.hits[0, 0] = answering.predicted[0, 0] = 990
    answering.predicted[0, 1] = 10
    differences = comparison.compare(answering, blank, CLASSES, replicates=20, confidence=0.95).differences
    assert differences["miou"].ours == pytest.approx(11_990 / 12_000 / 2) and differences["miou"].theirs == 1
    assert "iou/a" in differences and "iou/b" not in differences


def test_two_evaluations_of_other_data_are_named_as_their_users_know_them(tmp_path: Path) -> None:
    titles = {"image_folder": "my photos", "camvid": "camvid"}
    for dataset, title in titles.items():
        (tmp_path / dataset).mkdir()
        facts = {"dataset": dataset, "title": title, "split": "val", "classes": CLASSES}
        json_file.write(tmp_path / dataset / "metrics.json", facts)
    with pytest.raises(UserError, match="different datasets: my photos and camvid"):
        comparison.compare_folders(*(tmp_path / dataset for dataset in titles))


def test_comparison_reports_different_inference(accuracies: np.ndarray, tmp_path: Path) -> None:
    facts = {"dataset": "toy", "split": "val", "classes": CLASSES}
    scales = {"inference": "whole", "scales": [0.75, 1.0, 1.25, 1.5], "flip": True}
    for name, inference in {"plain": {}, "scales": scales}.items():
        (tmp_path / name).mkdir()
        json_file.write(tmp_path / name / "metrics.json", {**facts, "inference": inference})
        counts(accuracies[:20]).write(tmp_path / name / FILE)
    plain, other = tmp_path / "plain", tmp_path / "scales"
    lines = comparison.table(comparison.compare_folders(other, plain, replicates=20), "other", "plain")
    text = "A: the whole image at once, averaged over zooms 0.75, 1, 1.25, 1.5 and mirror images. B: the whole image"
    assert text in " ".join(lines) and max(map(len, lines)) <= 80
    assert comparison.compare_folders(plain, plain, replicates=20).inference is None
    assert "inference" not in comparison.compare_folders(plain, plain, replicates=20).as_dict()
