"""KITTI Road: against a plain transcription of the development kit, pixel by pixel."""

import json

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.evaluation.protocols.kitti_road import KittiRoad, look_up
from pipeline.evaluation.protocols.protocol import ScoredImage

CALIBRATION = {
    "P2": [721.5377, 0, 609.5593, 44.85728, 0, 721.5377, 172.854, 0.2163791, 0, 0, 1, 0.002745884],
    "R0_rect": [
        *(0.9999239, 0.00983776, -0.007445048),
        *(-0.009869795, 0.9999421, -0.004278459),
        *(0.007402527, 0.004351614, 0.9999631),
    ],
    "Tr_cam_to_road": [
        *(0.99990447, -0.0117016558, -0.00736082672, 0.0191198498),
        *(0.0116025183, 0.999843274, -0.0133698701, -1.56219808),
        *(0.00751612258, 0.0132831861, 0.999883481, 0.275277589),
    ],
}


def naive(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """The kit's evaluation of pairs (truth, 8-bit probabilities), threshold by threshold."""
    thresholds = np.array(range(256)) / 255.0
    missed, false, positives, negatives = np.zeros(256), np.zeros(256), 0, 0
    for truth, levels in pairs:
        probability = np.clip(levels.astype("f4") / np.iinfo(levels.dtype).max, 0.0, 1.0)
        road, other = probability[truth == 1], probability[truth == 0]
        edges = np.concatenate(([-np.inf], thresholds, [np.inf]))
        missed += np.cumsum(np.histogram(road, bins=edges)[0])[:256]
        false += np.flipud(np.cumsum(np.flipud(np.histogram(other, bins=edges)[0])))[1:257]
        positives, negatives = positives + road.size, negatives + other.size
    hits = positives - missed
    recall, precision = hits / positives, hits / (hits + false + 1e-10)
    average = sum(max(precision[np.where(recall >= at)]) for at in np.arange(0, 1.1, 0.1)) / 11.0
    f1 = 2 * precision * recall / (precision + recall + 1e-10)
    best = f1.argmax()
    return {
        "MaxF": f1[best],
        "AvgPrec": average,
        "PRE": hits[best] / (hits[best] + false[best]),
        "REC": hits[best] / positives,
        "FPR": false[best] / negatives,
        "FNR": missed[best] / positives,
    }


def image(seed: int, shape=(375, 1242)) -> tuple[np.ndarray, np.ndarray]:
    """Truth with ignored pixels, and probabilities correlated with it, of all 256 levels."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 1, 255], shape, p=[0.6, 0.3, 0.1]).astype(np.uint8)
    return truth, np.clip(rng.random(shape) * 0.7 + 0.3 * (truth == 1), 0, 1).astype(np.float32)


def scored(name: str, group: str, truth: np.ndarray, positive: np.ndarray) -> ScoredImage:
    return ScoredImage(name, group, truth, (positive > 0.5).astype(np.uint8), positive, np.zeros(0))


@pytest.fixture(scope="module")
def images():
    return {f"{group}_{seed}": (group, *image(seed)) for seed, group in enumerate(("um", "umm", "um", "uu"))}


def levels(positive: np.ndarray) -> np.ndarray:
    return np.rint(positive * 255).astype(np.uint8)


def test_each_category_and_urban_equal_the_kits(images):
    protocol = KittiRoad(None)
    for name, (group, truth, positive) in images.items():
        protocol.add(scored(name, group, truth, positive))
    result = protocol.result()
    table = result.tables["Perspective"]
    assert set(table) == {"um", "umm", "uu", "URBAN"} and "no calibration" in result.note.lower()
    for category in table:
        pooled = [(t, levels(p)) for group, t, p in images.values() if category in (group, "URBAN")]
        assert table[category] == pytest.approx(naive(pooled), abs=1e-9)
    assert result.metrics["MaxF"] == table["URBAN"]["MaxF"]


def birds_eye(seen: np.ndarray, fill: int) -> np.ndarray:
    """The kit's look-up, pixel by pixel in plain Python."""
    p2 = np.reshape(CALIBRATION["P2"], (3, 4))
    rectify = np.vstack([np.hstack([np.reshape(CALIBRATION["R0_rect"], (3, 3)), np.zeros((3, 1))]), [0, 0, 0, 1]])
    road = np.vstack([np.reshape(CALIBRATION["Tr_cam_to_road"], (3, 4)), [0, 0, 0, 1]])
    ground = p2.dot(rectify).dot(np.linalg.inv(road))[:, [0, 2, 3]]
    view = np.full((800, 400), fill, seen.dtype)
    for row in range(0, 800, 7):
        for column in range(0, 400, 3):
            point = [np.float32(-10 + 0.025 + 0.05 * column), np.float32(46 - 0.025 - 0.05 * row), 1]
            x, y, w = ground @ point
            x, y = x / w, y / w
            if 1 <= y <= seen.shape[0] and 1 <= x <= seen.shape[1]:
                view[row, column] = seen[int(y) - 1, int(x) - 1]
    return view


def test_the_birds_eye_view_shows_the_kits_pixels():
    numbers = np.arange(375 * 1242, dtype=np.int64).reshape(375, 1242)
    rows, columns, inside = look_up(CALIBRATION, numbers.shape)
    assert inside.shape == (800, 400) and inside.mean() > 0.5
    view = np.full(inside.shape, -1, np.int64)
    view[inside] = numbers[rows, columns]
    np.testing.assert_array_equal(view[::7, ::3], birds_eye(numbers, -1)[::7, ::3])


def test_the_birds_eye_view_is_measured(images, tmp_path):
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(dict.fromkeys(images, CALIBRATION)))
    protocol = KittiRoad(file)
    name, (group, truth, positive) = next(iter(images.items()))
    protocol.add(scored(name, group, truth, positive))
    rows, columns, _ = look_up(CALIBRATION, truth.shape)
    seen = (truth[rows, columns], levels(positive)[rows, columns])
    assert protocol.result().tables["Bird's-eye view"]["URBAN"] == pytest.approx(naive([seen]), abs=1e-9)
    with pytest.raises(UserError, match="no calibration for image 'other'"):
        protocol.add(scored("other", group, truth, positive))


def test_a_split_without_road_has_no_metrics():
    truth = np.zeros((4, 4), np.uint8)
    protocol = KittiRoad(None)
    protocol.add(scored("a", "um", truth, truth.astype(np.float32)))
    assert set(protocol.result().metrics.values()) == {None}
