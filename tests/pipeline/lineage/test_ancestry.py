"""runs, lineage, diff, reproduce and the OpenLineage export, with steps that only write a file."""

import importlib
import json
import os
import pkgutil
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.evaluate import EvaluateConfig
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.lineage import ancestry, diff, history, openlineage, reproduction
from pipeline.orchestration import follow_up, run_command
from pipeline.orchestration.graph import RAW, Step
from pipeline.orchestration.runner import Runner
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store


class Copy(Step):
    """In place of ingest: copies the raw files, and writes `noise`, which a test may change."""

    noise = ""

    @property
    def module(self) -> str:
        return "pipeline.steps"

    @property
    def run(self) -> Callable[[Recipe, dict[str, Path], Path], None]:
        def copy(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
            shutil.copytree(inputs["raw"], out / "records")
            (out / "spec.json").write_text(self.noise)

        return copy


class Measure(Copy):
    """In place of evaluate: an mIoU that depends on the records' size and on `noise`."""

    @property
    def run(self) -> Callable[[Recipe, dict[str, Path], Path], None]:
        def measure(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
            size = sum(path.stat().st_size for path in (inputs["ingest"] / "records").rglob("*") if path.is_file())
            miou = size / 1e5 + len(self.noise) / 10
            metrics = dict.fromkeys(diff.TOTALS, miou) | {"split": "val", "images": 1}
            (out / "metrics.json").write_text(json.dumps(metrics | {"per_class": [{"name": "Sky", "iou": miou}]}))
            (out / "verdict.json").write_text(json.dumps({"passed": True}))

        return measure


STEPS = (
    Copy("ingest", ("data",), (RAW,), ("records", "spec.json")),
    Measure("evaluate", ("evaluate",), ("ingest",), ("metrics.json",)),
)


class Bench:
    def __init__(self, root: Path) -> None:
        self.raw = root / "raw"
        (self.raw / "train").mkdir(parents=True)
        (self.raw / "train/a").write_text("alpha")
        self.workspace = Workspace(root / "work")

    def recipe(self, **evaluate: object) -> Recipe:
        return Recipe.model_validate(
            {
                "name": "fake",
                "data": {"name": "camvid", "manual_dir": self.raw},
                "model": {"name": "fast"},
                "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1},
                "evaluate": evaluate,
            }
        )


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    def bring_up_to_date(workspace: Workspace, recipe: Recipe, *, until: str | None = None, run_id: str = "") -> int:
        folder, store = RunFolder.create(workspace, recipe, ["segline", "run"], run_id), Store(workspace.store)
        store.begin_run(run_id, recipe.name, "segline run", "git 0", "running")
        runner = Runner(workspace, recipe, folder, store, wait=True)
        for step in STEPS:
            runner.execute(step, again=False)
        store.end_run(run_id, "done")
        return 0

    monkeypatch.setattr(follow_up, "AROUND", {})  # no report, no checks
    monkeypatch.setattr(run_command, "bring_up_to_date", bring_up_to_date)
    monkeypatch.setattr(reproduction, "STEPS", STEPS)
    made = Bench(tmp_path)
    bring_up_to_date(made.workspace, made.recipe(), run_id="one")
    return made


def test_runs_are_listed_with_their_metrics(bench: Bench) -> None:
    run_command.bring_up_to_date(bench.workspace, bench.recipe(overlays=7), run_id="two")
    two, one = history.runs(bench.workspace)
    assert (one.id, two.id, two.state, two.recipe) == ("one", "two", "done", "fake")
    assert set(one.artifacts) == {"ingest", "evaluate"} and one.artifacts["ingest"] == two.artifacts["ingest"]
    assert one.figures["miou"] == pytest.approx(5e-5) and one.figures["iou"] == {"Sky": one.figures["miou"]}
    assert all(len(line) <= 80 and "mIoU 0.000" in line for line in history.lines([one, two]))
    long = replace(one, id="20260705-023000-tiny-68e7", served=["serving/tiny/12"], finished=one.started + 119)
    assert all(len(line) <= 80 for line in history.lines([long, one]))
    assert history.lines([long])[0].endswith("  serving/tiny/12")
    assert json.loads(history.to_json([one]))[0]["started"].endswith("+00:00")
    assert history.find_run(bench.workspace, "tw").id == "two"
    for name, text in (("three", "The newest: two, one"), ("", "2 runs begin with")):
        with pytest.raises(UserError, match=text):
            history.find_run(bench.workspace, name)


def test_a_workspace_without_a_store_is_refused_and_not_created(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no store\.sqlite"):
        history.runs(Workspace(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()


def test_a_lost_store_has_another_message_than_an_empty_workspace(bench: Bench) -> None:
    for path in bench.workspace.root.glob("store.sqlite*"):
        path.unlink()
    for query in (lambda: history.runs(bench.workspace), lambda: ancestry.lines(bench.workspace, bench.raw)):
        with pytest.raises(UserError, match=r"holds results, but its store\.sqlite is gone"):
            query()


def test_diff_lists_changes_and_nothing_else(bench: Bench) -> None:
    (bench.raw / "train/b").write_text("beta" * 1000)
    run_command.bring_up_to_date(bench.workspace, bench.recipe(overlays=7), run_id="two")
    lock = bench.workspace.run("two") / "lock.txt"
    lock.write_text(lock.read_text().replace("numpy==", "numpy==9."))
    difference = diff.diff(bench.workspace, "one", "two")
    assert [change[0] for change in difference.recipe] == ["evaluate.overlays"]
    assert [change[0] for change in difference.data] == ["contents of raw"]
    assert [change[0] for change in difference.libraries] == ["numpy"]
    assert difference.code == []
    lines = diff.lines(difference)
    assert any(line.startswith("metrics    miou ") and line.endswith("+0.0400") for line in lines)
    assert any(line.startswith("metrics    IoU Sky ") for line in lines)
    assert "code       the same" in lines
    shutil.rmtree(bench.workspace.run("one"))
    assert diff.diff(bench.workspace, "one", "two").unknown == [
        "one: its folder was removed; recipe and libraries are not known"
    ]


def test_a_file_that_the_recipe_names_is_listed_with_its_digest(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.h5").write_text("weights")
    monkeypatch.setattr(EvaluateConfig, "files", lambda section: {"train.begin_with": tmp_path / "mine.h5"})
    run_command.bring_up_to_date(bench.workspace, bench.recipe(), run_id="two")
    lines = [line.strip() for line in ancestry.lines(bench.workspace, bench.workspace.run("two") / "evaluate")]
    assert lines[lines.index("train.begin_with") + 1] == f"sha256 {digest.file_digest(tmp_path / 'mine.h5')}"
    assert [name for name, _, _ in diff.diff(bench.workspace, "one", "two").data] == ["contents of train.begin_with"]


def test_diff_lists_a_module_that_differs_in_only_one_step() -> None:
    """As when the code is changed during the first run."""
    one = {"train": {"models.fast": "1"}, "export": {"models.fast": "2"}}
    two = {"train": {"models.fast": "2"}, "export": {"models.fast": "2"}, "ingest": {"datasets.spec": "3"}}
    assert diff._modules(one, two) == [("module models.fast", "1", "2")]


def test_a_run_is_repeated_and_compared(bench: Bench) -> None:
    attempt = reproduction.prepare(bench.workspace, "one")
    assert attempt.until == "evaluate" and not attempt.workspace.root.exists()
    same, metrics = reproduction.compare(bench.workspace, attempt, reproduction.make(attempt))
    assert same == {"ingest/records": True, "ingest/spec.json": True, "evaluate/metrics.json": True}
    reproduction.require_close(metrics, 0)
    again = reproduction.prepare(bench.workspace, "one")
    assert again.workspace.root.name == "one+2"  # a finished reproduction is not resumed


def test_the_numbers_chosen_by_auto_and_by_a_budget_are_repeated(bench: Bench) -> None:
    store = Store(bench.workspace.store)
    for run, properties in (
        ("one", {}),
        ("two", {"batch_size": 64, "devices": 2, "precision": "mixed_bfloat16", "epochs": 3.7}),
    ):
        if run == "two":
            run_command.bring_up_to_date(bench.workspace, bench.recipe(), run_id=run)
        execution = store.begin(run, "train", "", "key", "{}")
        store.finish(execution, "train", f"artifacts/train/{run}", "digest", properties)
    store.close()
    assert reproduction.prepare(bench.workspace, "one").recipe.train.batch_size == 1
    assert reproduction.prepare(bench.workspace, "two").recipe.train.batch_size == 64
    assert reproduction.prepare(bench.workspace, "two").recipe.train.precision == "mixed_bfloat16"
    assert reproduction.prepare(bench.workspace, "two").recipe.train.epochs == 3.7


def test_files_that_differ_are_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Measure, "noise", "x")
    attempt = reproduction.prepare(bench.workspace, "one")
    same, metrics = reproduction.compare(bench.workspace, attempt, reproduction.make(attempt))
    assert same["ingest/records"] is True and same["evaluate/metrics.json"] is False
    reproduction.require_close(metrics, 0.2)
    with pytest.raises(UserError, match=r"more than --tolerance 0\.005 apart:\n  miou"):
        reproduction.require_close(metrics, 0.005)


def test_reproduce_lists_what_has_changed_since(bench: Bench) -> None:
    folder = bench.workspace.run("one")
    (folder / "lock.txt").write_text("gone==1.0\n" + (folder / "lock.txt").read_text().replace("numpy==", "numpy==9."))
    changed = reproduction.prepare(bench.workspace, "one").changed
    assert changed[0].startswith("code git 0 -> ") and "gone 1.0 -> absent" in changed
    assert any(line.startswith("numpy 9.") for line in changed)


def test_raw_files_with_a_relative_path_are_located_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench.raw = Path("raw")
    run_command.bring_up_to_date(bench.workspace, bench.recipe(), run_id="relative")
    monkeypatch.chdir("/")
    assert reproduction.prepare(bench.workspace, "relative").recipe.data.manual_dir == tmp_path / "raw"


def test_openlineage_events_cover_every_execution(bench: Bench, tmp_path: Path) -> None:
    """Required keys and formats as in the specification, 2-0-2."""
    run_command.bring_up_to_date(bench.workspace, bench.recipe(), run_id="two")
    file = tmp_path / "new/folder/events.json"
    number = openlineage.export(bench.workspace, file)
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert number == len(events) == 8  # two runs of two steps, each with a start and an end
    for event in events:
        assert set(event) == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}
        uuid.UUID(event["run"]["runId"])
        facets = [event["run"]["facets"], event["job"]["facets"], *(dataset["facets"] for dataset in event["inputs"])]
        assert all({"_producer", "_schemaURL"} <= set(facet) for group in facets for facet in group.values())
    ends = [event for event in events if event["eventType"] == "COMPLETE"]
    assert [event["job"]["name"] for event in ends] == ["fake.ingest", "fake.evaluate"] * 2
    assert ends[0]["inputs"][0]["name"] == str(bench.raw) and ends[0]["inputs"][0]["namespace"] == "file"
    assert ends[0]["outputs"] == ends[1]["inputs"] == ends[2]["outputs"]  # the second run reused it
    assert ends[2]["inputs"] == ends[0]["inputs"]
    for facet in [event["run"]["facets"]["parent"], event["job"]["facets"]["jobType"]]:
        name = facet["_schemaURL"].rpartition("/")[2]
        assert facet["_schemaURL"].endswith(f"/{name}.json#/$defs/{name}")  # a JSON pointer, as BaseFacet requires
    before = file.read_bytes()
    openlineage.export(bench.workspace, file)
    assert file.read_bytes() == before


def test_openlineage_events_fit_the_published_classes(bench: Bench, tmp_path: Path) -> None:
    """OpenLineage generates these classes from its JSON schemas; they refuse unknown or missing keys and bad values."""
    generated = pytest.importorskip("openlineage.client.generated", reason="openlineage-python is not installed")
    from openlineage.client.generated import base

    facets = {
        name: value
        for module in pkgutil.iter_modules(generated.__path__)
        for name, value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).items()
        if isinstance(value, type) and issubclass(value, base.BaseFacet)
    }
    seen = set()

    def build(kind: Any, tree: dict[str, Any], **made: Any) -> Any:
        values = {key: value for key, value in tree.items() if key not in ("facets", *made)}
        if "facets" in tree:
            made["facets"] = {key: facet(value) for key, value in tree["facets"].items()}
        return kind(**values, **made)

    def facet(tree: dict[str, Any]) -> Any:
        name = tree["_schemaURL"].rpartition("/")[2]
        seen.add(name)
        assert tree["_producer"] == openlineage.PRODUCER
        return facets[name](**{key: value for key, value in tree.items() if not key.startswith("_")})

    store = Store(bench.workspace.store)
    store.end(store.begin("one", "train", "test", "key", "{}"), "failed", "a fault")
    openlineage.export(bench.workspace, tmp_path / "events.json")
    for line in (tmp_path / "events.json").read_text().splitlines():
        event = json.loads(line)
        assert event.pop("schemaURL") == base.RunEvent._get_schema()
        build(
            base.RunEvent,
            event,
            eventType=base.EventType(event["eventType"]),
            run=build(base.Run, event["run"]),
            job=build(base.Job, event["job"]),
            inputs=[build(base.InputDataset, dataset) for dataset in event["inputs"]],
            outputs=[build(base.OutputDataset, dataset) for dataset in event["outputs"]],
        )
    assert len(seen) == 5 and "ErrorMessageRunFacet" in seen


def test_openlineage_events_fit_the_published_schemas(bench: Bench, tmp_path: Path) -> None:
    """The JSON schemas themselves: the folder spec/ of OpenLineage's repository."""
    if not (spec := os.environ.get("SEGLINE_TEST_OPENLINEAGE")):
        pytest.skip("SEGLINE_TEST_OPENLINEAGE names no folder `spec` of OpenLineage")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (segline[deploy])")
    from referencing import Registry, Resource

    def schema(name: str) -> Any:
        return json.loads((Path(spec) / name).read_text(encoding="utf-8"))

    core = schema("OpenLineage.json")
    registry = Registry(retrieve=lambda _: Resource.from_contents(core))  # facets refer to older versions of it

    def validate(value: Any, by: Any) -> None:
        formats = jsonschema.FormatChecker()
        jsonschema.Draft202012Validator(by, registry=registry, format_checker=formats).validate(value)

    store = Store(bench.workspace.store)
    store.end(store.begin("one", "train", "test", "key", "{}"), "failed", "a fault")
    openlineage.export(bench.workspace, tmp_path / "events.json")
    seen = set()
    for line in (tmp_path / "events.json").read_text().splitlines():
        event = json.loads(line)
        validate(event, core)
        for owner in (event["run"], event["job"], *event["inputs"], *event["outputs"]):
            for key, facet in owner["facets"].items():
                by = schema(f"facets/{facet['_schemaURL'].rpartition('/')[2]}.json")
                assert key in by["properties"]
                validate({key: facet}, by)
                seen.add(key)
    assert seen == {"parent", "processing_engine", "jobType", "version", "errorMessage"}
