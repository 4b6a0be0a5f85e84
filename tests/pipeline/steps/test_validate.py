"""Statistics and weights against values computed by hand; every anomaly, with every severity."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from datasets import tfrecord
from datasets.errors import DatasetError
from datasets.spec import IGNORE, DatasetSpec
from pipeline.config.validate import ValidateConfig
from pipeline.data import anomalies, class_weights, statistics
from pipeline.data.statistics import SplitStatistics
from pipeline.errors import UserError
from pipeline.input import record_reader
from pipeline.input.record_reader import Record
from pipeline.steps import validate

SPEC = DatasetSpec(
    name="toy",
    classes=("Road", "Car", "Dog"),
    colours=((1, 1, 1), (2, 2, 2), (3, 3, 3)),
    split_sizes={"train": 2, "val": 1},
    sources=(),
    homepage="",
    licence="",
    citation="",
)
V = IGNORE


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def record(id_: str, label: list[list[int]], colour: int = 0, group: str = "g") -> Record:
    mask = np.array(label, np.uint8)
    return Record(id_, group, png(np.full((*mask.shape, 3), colour, np.uint8)), png(mask))


def counted(*records: Record) -> SplitStatistics:
    split = SplitStatistics(SPEC.num_classes)
    for one in records:
        split.add(one)
    return split


TRAIN = (
    record("a", [[0, 0, 0, 0], [0, 0, 1, V]], colour=10),  # 6 road, 1 car
    record("b", [[0, 0, 2, V]], colour=50, group="h"),  # 2 road, 1 dog
)
VAL = (record("c", [[0, 1, 2, 2]], colour=90),)


def serialized(one: Record) -> bytes:
    example = tf_example_pb2.Example()
    for name in ("id", "group", "image", "label"):
        value = getattr(one, name)
        example.features.feature[name].bytes_list.value.append(value.encode() if isinstance(value, str) else value)
    return example.SerializeToString()


def ingest_folder(folder: Path, splits: dict[str, tuple[Record, ...]]) -> Path:
    """Write an ingest folder with a shard for each record."""
    (folder / "records").mkdir(parents=True)
    SPEC.write(folder / "spec.json")
    for split, examples in splits.items():
        for index, one in enumerate(examples):
            shard = folder / "records" / f"toy-{split}.tfrecord-{index:05d}-of-{len(examples):05d}"
            tfrecord.write(shard, [serialized(one)])
    info = [{"name": split, "shardLengths": ["1"] * len(examples)} for split, examples in splits.items()]
    (folder / "records" / "dataset_info.json").write_text(json.dumps({"name": "toy", "splits": info}))
    return folder


class Settings:
    """A recipe with only the section `validate`."""

    def __init__(self, **severities: str) -> None:
        self.validate_ = ValidateConfig(**severities)


def run(tmp_path: Path, splits: dict[str, tuple[Record, ...]], **severities: str) -> Path:
    (out := tmp_path / "out").mkdir(parents=True)
    validate.run(Settings(**severities), {"ingest": ingest_folder(tmp_path / "ingest", splits)}, out)
    return out


# Counting


def test_pixels_images_sizes_and_groups_are_counted() -> None:
    split = counted(*TRAIN)
    assert split.images == 2
    assert split.pixels.tolist() == [8, 1, 1]
    assert split.images_with_class.tolist() == [2, 1, 1]
    assert split.pixels_beside_class.tolist() == [10, 7, 3]
    assert split.void_pixels == 2
    assert dict(split.sizes) == {(2, 4): 1, (1, 4): 1}
    assert dict(split.groups) == {"g": 1, "h": 1}


def test_mean_and_deviation_are_over_all_pixels() -> None:
    split = counted(*TRAIN)  # 8 pixels of 10, 4 of 50
    assert split.mean == pytest.approx([280 / 12] * 3)
    assert split.std == pytest.approx([math.sqrt((8 * 100 + 4 * 2500) / 12 - (280 / 12) ** 2)] * 3)


def test_merged_statistics_equal_those_of_the_whole() -> None:
    parts = counted(TRAIN[0])
    ids = parts.ids
    parts.merge(counted(TRAIN[1]))
    assert parts.as_dict() == counted(*TRAIN).as_dict()
    assert parts.ids == counted(*TRAIN).ids
    assert parts.ids is ids, "a copy for each shard would take time quadratic in the number of images"


def test_a_greyscale_image_has_three_channels() -> None:
    one = Record("a", "g", png(np.full((1, 2), 7, np.uint8)), png(np.zeros((1, 2), np.uint8)))
    assert counted(one).mean.tolist() == [7, 7, 7]


def test_label_ids_that_are_no_class_are_named() -> None:
    with pytest.raises(ValueError, match=r"record 'x': label ids \[3, 200\]; allowed 0\.\.2 and 255"):
        counted(record("x", [[0, 3, 200]]))


def test_a_damaged_record_file_is_named(tmp_path: Path) -> None:
    records = ingest_folder(tmp_path, {"train": TRAIN}) / "records"
    shard = next(records.glob("*train*00001-of*"))
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(DatasetError, match=rf"damaged: {shard.name}.*--rerun ingest"):
        statistics.measure(records, 3)


@pytest.mark.parametrize("place", [3, 20, -2])
def test_a_flipped_bit_in_a_record_is_detected(place: int, tmp_path: Path) -> None:
    shard = tmp_path / "x.tfrecord"
    tfrecord.write(shard, [serialized(TRAIN[0]), serialized(TRAIN[1])])
    assert [one.id for one in record_reader.read(shard)] == ["a", "b"]
    content = bytearray(shard.read_bytes())
    content[place] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="damaged"):
        list(record_reader.read(shard))


# Weights


def test_median_frequency_counts_only_images_where_the_class_occurs() -> None:
    frequency = [8 / 10, 1 / 7, 1 / 3]  # labelled pixels of a: 7, of b: 3
    expected = [(1 / 3) / value for value in frequency]
    assert class_weights.median_frequency(counted(*TRAIN)) == pytest.approx(expected)
    assert class_weights.sqrt_median_frequency(counted(*TRAIN)) == pytest.approx([math.sqrt(one) for one in expected])


def test_enet_is_one_over_the_logarithm_of_the_frequency() -> None:
    expected = [1 / math.log(1.02 + 0.8), 1 / math.log(1.02 + 0.1), 1 / math.log(1.02 + 0.1)]
    assert class_weights.enet(counted(*TRAIN)) == pytest.approx(expected)


def test_a_class_without_pixels_has_weight_0_and_does_not_change_the_median() -> None:
    weights = class_weights.all_kinds(counted(record("a", [[0, 0, 0, 1]])))
    assert weights["median_frequency"] == pytest.approx([0.5 / 0.75, 0.5 / 0.25, 0])
    assert [values[2] for values in weights.values()] == [0, 0, 0]
    assert all(values == [0, 0, 0] for values in class_weights.all_kinds(counted()).values())


# Anomalies


def kinds(splits: dict[str, SplitStatistics], **severities: str) -> list[tuple[str, str]]:
    return [(one.anomaly, one.severity) for one in anomalies.find(splits, SPEC, ValidateConfig(**severities))]


def test_sound_data_has_no_anomaly() -> None:
    assert kinds({"train": counted(*TRAIN), "val": counted(*VAL)}) == []


CASES = {
    "class_absent_from_train": {"train": (record("a", [[0, 1]]),), "val": VAL},
    "class_absent_from_evaluation": {"train": TRAIN, "val": (record("c", [[0, 0, 2, V]], colour=90),)},
    "class_absent_from_all": {"train": TRAIN[1:], "val": (record("c", [[0, 0, 2, V]], colour=90),)},
    "split_missing": {"train": TRAIN},
    "same_image_in_two_splits": {"train": TRAIN, "val": (record("z", [[0, 1, 1, 1], [1, 1, 1, 2]], colour=10),)},
    "all_void_mask": {"train": (*TRAIN, record("d", [[V, V]], colour=3)), "val": VAL},
    "nearly_one_colour": {"train": TRAIN, "val": (*VAL, record("d", [[0, 1, 2, 2]], colour=92))},
}
NAMED = {
    "class_absent_from_train": "class 'Dog' is absent from train, but present in val (2 pixels in 1 images)",
    "class_absent_from_evaluation": "class 'Car' is absent from val, but present in train: an evaluation on val does "
    "not measure how well it is predicted",
    "class_absent_from_all": "class 'Car' is absent from every split: no mask shows it; check the masks",
    "split_missing": "split val is missing: it holds no image, published are 1",
    "same_image_in_two_splits": "the same image in two splits: train 'a', val 'z'",
    "all_void_mask": "every pixel of the mask is void: train 'd'",
    "nearly_one_colour": "the images of val are nearly one colour (standard deviation 1.0 of 255)",
}


@pytest.mark.parametrize("kind", sorted(CASES))
def test_an_anomaly_stops_warns_or_is_ignored_as_the_recipe_says(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError) as error:
        run(tmp_path / "error", CASES[kind], **{kind: "error"})
    assert f"error: {NAMED[kind]}" in str(error.value)
    assert f"--set validate.{kind}=warning" in str(error.value)
    assert list((tmp_path / "error" / "out").iterdir()) == []
    capsys.readouterr()
    out = run(tmp_path / "warning", CASES[kind], **{kind: "warning"})
    shown = capsys.readouterr().out
    assert f"warning: {NAMED[kind]}" in " ".join(shown.split()) and max(map(len, shown.splitlines())) <= 80
    written = json.loads((out / "anomalies.json").read_text())
    ids = {"same_image_in_two_splits": ["a"], "all_void_mask": ["d"]}.get(kind, [])
    assert written == [{"anomaly": kind, "severity": "warning", "message": NAMED[kind], "ids": ids}]
    out = run(tmp_path / "ignore", CASES[kind], **{kind: "ignore"})
    assert NAMED[kind] not in capsys.readouterr().out
    assert json.loads((out / "anomalies.json").read_text()) == []


def test_a_missing_training_split_is_an_error_whatever_the_severity(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="split train is missing") as error:
        run(tmp_path, {"val": VAL}, split_missing="ignore")
    assert "--set" not in str(error.value)
    assert "absent from train" not in str(error.value)


def test_a_split_without_records_is_missing() -> None:
    assert kinds({"train": counted(*TRAIN), "val": counted()}) == [("split_missing", "warning")]


def test_a_split_without_labels_is_one_anomaly() -> None:
    unlabelled = counted(record("a", [[V, V]], colour=5), record("b", [[V, V]], colour=60))
    (anomaly,) = anomalies.find(
        {"train": counted(*TRAIN), "val": counted(*VAL), "test": unlabelled}, SPEC, ValidateConfig()
    )
    assert anomaly.message == "split test has no labels: all 2 masks are void, nothing can be measured on it"


def test_an_anomaly_of_many_images_shortens_its_message_but_not_its_ids() -> None:
    train, val = SplitStatistics(SPEC.num_classes, images=500), SplitStatistics(SPEC.num_classes, images=500)
    for split in (train, val):
        split.ids = {bytes([i // 256, i % 256]): f"{i:03d}" for i in range(300)}
        split.void_ids = [f"{i:03d}" for i in range(400)]
    severities = ValidateConfig(nearly_one_colour="ignore")
    shared, *void = anomalies.find({"train": train, "val": val}, SPEC, severities)
    assert shared.message.startswith("300 images of train are in val too: '000', '001', ")
    assert shared.message.endswith("'019' and 280 more") and len(shared.ids) == 300
    assert [(one.message.split(": ")[0], len(one.ids)) for one in void] == [
        ("every pixel of 400 masks is void", 400)
    ] * 2


def test_classes_absent_from_the_evaluated_splits_and_from_all_are_warnings() -> None:
    train, val = counted(record("a", [[0, 1]])), counted(record("b", [[0, 0]], colour=9))
    received = anomalies.find({"train": train, "val": val, "test": val}, SPEC, ValidateConfig())
    assert [(one.anomaly, one.severity) for one in received if one.anomaly.startswith("class")] == [
        ("class_absent_from_evaluation", "warning"),
        ("class_absent_from_evaluation", "warning"),
        ("class_absent_from_all", "warning"),
    ]
    messages = " ".join(one.message for one in received)
    assert "'Car' is absent from val, but" in messages and "'Car' is absent from test, but" in messages
    assert "class 'Dog' is absent from every split" in messages


def test_all_errors_and_warnings_are_reported_at_once(tmp_path: Path) -> None:
    splits = {
        "train": (record("a", [[0, 0]], colour=1), record("b", [[0, 0]], colour=2), record("v", [[V, V]], colour=4)),
        "val": (record("x", [[1, 2]], colour=1), record("y", [[0, 0]], colour=2)),
    }
    with pytest.raises(UserError) as error:
        run(tmp_path, splits)
    text = str(error.value)
    assert text.startswith("3 errors in the data")
    shared = "2 images of train are in val too: 'a' as 'x', 'b' as 'y'"
    for part in ("'Car'", "'Dog'", shared, "warning: every pixel", "train 'v'"):
        assert part in text
    assert text.index("error: ") < text.index("warning: ")


# The step


def test_statistics_and_weights_are_written_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(tmp_path, {"train": TRAIN, "val": VAL})
    facts = json.loads((out / "statistics.json").read_text())
    assert facts["classes"] == ["Road", "Car", "Dog"]
    assert facts["splits"]["train"]["pixels"] == [8, 1, 1]
    assert facts["splits"]["train"]["images_with_class"] == [2, 1, 1]
    assert facts["splits"]["train"]["sizes"] == {"1x4": 1, "2x4": 1}
    assert facts["splits"]["val"]["images"] == 1
    weights = json.loads((out / "weights.json").read_text())
    assert set(weights) == {"median_frequency", "sqrt_median_frequency", "enet"}
    assert all(len(values) == 3 for values in weights.values())
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == ["Road", "80.00%", "2", "25.00%", "1"]


def test_the_protocol_buffers_hold_the_same_statistics(tmp_path: Path) -> None:
    out = run(tmp_path, {"train": TRAIN, "val": VAL})
    message = statistics_pb2.DatasetFeatureStatisticsList.FromString((out / "statistics.pb").read_bytes())
    assert [(one.name, one.num_examples) for one in message.datasets] == [("train", 2), ("val", 1)]
    features = {one.name: one for one in message.datasets[0].features}
    height = features["height"].num_stats
    assert (height.min, height.max, height.mean, height.median, height.std_dev) == (1, 2, 1.5, 1.5, 0.5)
    assert features["group"].string_stats.unique == 2
    histograms = {one.name: one.rank_histogram.buckets for one in features["label"].custom_stats}
    pixels = {bucket.label: bucket.sample_count for bucket in histograms["pixels of each class"]}
    assert pixels == {"Road": 8, "Car": 1, "Dog": 1}
    schema = schema_pb2.Schema.FromString((out / "schema.pb").read_bytes())
    assert {one.name for one in schema.feature} == {"image", "label", "id", "group", "height", "width"}
    assert list(schema.string_domain[0].value) == list(SPEC.classes)


def test_the_sample_data_passes(validated: Path) -> None:
    facts = json.loads((validated / "statistics.json").read_text())
    assert {split: one["images"] for split, one in facts["splits"].items()} == {"train": 8, "val": 4, "test": 2}
    assert facts["splits"]["train"]["sizes"] == {"72x96": 8}
    for one in facts["splits"].values():
        assert sum(one["pixels"]) + one["void_pixels"] == one["images"] * 72 * 96


def test_measuring_imports_no_tensorflow(ingested: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.steps import validate;"
        "from pipeline.data import statistics;"
        f"statistics.measure(Path({str(ingested / 'records')!r}), 11); print('tensorflow' in sys.modules)"
    )
    project = Path(__file__).parents[3]
    shown = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
