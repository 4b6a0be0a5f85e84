"""Results on shared storage: hosts with separate workspaces, and loopback servers for S3 and Google Cloud Storage."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.config.recipe import Recipe
from pipeline.errors import Unreachable, UserError
from pipeline.evaluation import evaluation_check
from pipeline.lineage import ancestry, reproduction, verification
from pipeline.orchestration import forecast, run_command, runner, shared_results
from pipeline.orchestration.graph import RAW, Step
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.schedule import scheduled_run
from pipeline.schedule.tick import is_transient
from pipeline.storage import connection
from pipeline.workspace import digest, sealed_json
from pipeline.workspace.layout import SHARED, Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, read_seal
from pipeline.workspace.store import Store
from tests.pipeline.orchestration.fake_step import FakeStep

PROJECT = Path(__file__).parents[3]
URL = "s3://bucket/results"


def copy_raw(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "records").mkdir()
    (out / "empty").mkdir()
    for path in inputs["raw"].glob("train/*"):
        (out / "records" / path.name).write_text(path.read_text())


def count(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    (out / "size").write_text(str(len(list((inputs["ingest"] / "records").iterdir()))))


INGEST = FakeStep("ingest", ("data",), (RAW,), ("records", "empty"), work=copy_raw)
VALIDATE = FakeStep("validate", ("validate",), ("ingest",), ("size",), work=count)


def never(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    raise AssertionError("the step runs although its result is on the storage")


class Host:
    """A host with its own workspace, which runs like `segline run` but with the steps in this process."""

    def __init__(self, root: Path, url: str, raw: Path, patch: pytest.MonkeyPatch) -> None:
        self.workspace, self.patch = Workspace(root, url), patch
        self.store = Store(self.workspace.store)
        self.recipe = Recipe.model_validate(
            {
                "name": "fake",
                "data": {"name": "camvid", "manual_dir": raw},
                "model": {"name": "fast"},
                "train": {"epochs": 1, "batch_size": 1, "learning_rate": 1},
            }
        )
        self.runs = 0

    def run(self, *steps: Step, rerun: frozenset[str] = frozenset()) -> RunFolder:
        self.runs += 1
        folder = RunFolder.create(self.workspace, self.recipe, ["test"], f"{self.workspace.root.name}{self.runs}")
        self.store.begin_run(folder.id, "fake", "test", "no git", "running")
        for module in (runner, forecast, scheduled_run):
            self.patch.setattr(module, "STEPS", steps)
        self.patch.setattr(evaluation_check, "require", lambda *_: None)

        def child(run: RunFolder, workspace: Workspace, name: str, *, again: bool, **_: Any) -> None:
            step = next(step for step in steps if step.name == name)
            unshared = replace(workspace, shared=None)
            runner.Runner(unshared, self.recipe, run, self.store, wait=False).execute(step, again=again)

        self.patch.setattr(runner, "run_child", child)
        runner.Runner(self.workspace, self.recipe, folder, self.store, wait=False).run_all(None, rerun)
        return folder

    def executions(self) -> list[tuple[str, str]]:
        """Return state and first word of the reason of each execution of the newest run."""
        rows = self.store.executions(f"{self.workspace.root.name}{self.runs}")
        return [(row["state"], row["reason"].split()[0]) for row in rows]


@pytest.fixture
def host(storage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Host]:
    raw = tmp_path / "raw"
    (raw / "train").mkdir(parents=True)
    for number in range(5):
        (raw / f"train/{number}").write_text(f"image {number}")
    return lambda name: Host(tmp_path / name, storage.at("results"), raw, monkeypatch)


def resealed(seal: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A seal that says something else, and carries a digest of what it says."""
    return dict(json.loads(sealed_json.text({**seal, **changes})))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SEAL
    }


def test_a_second_host_fetches_the_results_of_the_first(storage: Any, host: Callable[[str], Host]) -> None:
    first, second = host("a"), host("b")
    made = first.run(INGEST, VALIDATE)
    never_again = replace(INGEST, work=never), replace(VALIDATE, work=never)
    got = second.run(*never_again)
    assert second.executions() == [("done", "fetched:"), ("done", "fetched:")]
    for step in ("ingest", "validate"):
        assert got.artifact(step).name == made.artifact(step).name
        assert contents(got.artifact(step)) == contents(made.artifact(step))
    assert (got.artifact("ingest") / "empty").is_dir()
    assert read_seal(got.artifact("ingest"))["fetched"]["run"] == "a1"
    verification.require_sound(list(verification.verify(second.workspace)))
    text = "\n".join(ancestry.lines(second.workspace, got.artifact("validate")))
    assert (
        f"from      {storage.at('results')}/validate/" in text and "run a1 of another workspace made it with " in text
    )
    assert "fetched   by run b1" in text and "made by   run a1" not in text
    before = storage.names("results")
    second.run(*never_again)
    assert second.executions() == [("reused", "nothing"), ("reused", "nothing")]
    assert storage.names("results") == before


def test_a_rerun_uploads_a_second_result_and_the_newest_counts(storage: Any, host: Callable[[str], Host]) -> None:
    def other(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        copy_raw(config, inputs, out)
        (out / "records/more").write_text("by chance")

    first, second = host("a"), host("b")
    first.run(INGEST)
    first.run(replace(INGEST, work=other), rerun=frozenset({"ingest"}))
    assert sum(name.endswith(SEAL) for name in storage.names("results/ingest")) == 2
    got = second.run(replace(INGEST, work=never)).artifact("ingest")
    assert (got / "records/more").is_file() and "-" not in got.name


def test_a_network_failure_during_a_step_costs_only_a_retry(storage: Any, host: Callable[[str], Host]) -> None:
    def cut(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
        storage.stop()
        copy_raw(config, inputs, out)

    first, second = host("a"), host("b")
    with pytest.raises(Unreachable, match="cannot be reached") as error:
        first.run(replace(INGEST, work=cut), VALIDATE)
    assert is_transient(error.value.exit_code) and "secret" not in str(error.value)
    assert first.executions() == [("done", "for"), ("done", "for")]  # the run continues without the storage
    with pytest.raises(Unreachable):  # whether the step has to run is unknown, and not guessed
        second.run(replace(INGEST, work=never))
    storage.start()
    first.run(INGEST, VALIDATE)
    assert first.executions() == [("reused", "nothing"), ("reused", "nothing")]
    second.run(replace(INGEST, work=never), replace(VALIDATE, work=never))


def test_failed_uploads_are_repeated_at_the_end_of_the_run(
    storage: Any, host: Callable[[str], Host], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    upload, tried = connection.upload, []

    def cut(system: Any, path: Path, target: str) -> None:
        tried.append(path)
        if len(tried) == 2:
            raise ConnectionResetError("the network is down")
        upload(system, path, target)

    monkeypatch.setattr(connection, "PARALLEL_FILES", 1)
    monkeypatch.setattr(connection, "upload", cut)
    host("a").run(INGEST, VALIDATE)
    printed = capfd.readouterr().out
    positions = [printed.index(text) for text in ("waits until the run ends", "validate  done", "ingest    uploaded")]
    assert positions == sorted(positions)
    assert sum(name.endswith(SEAL) for name in storage.names("results")) == 2


def test_an_interrupted_upload_is_no_result_and_is_completed_by_the_next_run(
    storage: Any, host: Callable[[str], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = connection.upload

    def cut(system: Any, path: Path, target: str) -> None:
        if path.name == SEAL:
            raise ConnectionResetError("the network is down")
        upload(system, path, target)

    first = host("a")
    with monkeypatch.context() as patch, pytest.raises(Unreachable):
        patch.setattr(connection, "upload", cut)
        first.run(INGEST)
    made = RunFolder.open(first.workspace, "a1").artifact("ingest")
    assert (
        len(storage.names("results")) == 5 and shared_results.find(first.workspace.shared, "ingest", made.name) is None
    )
    assert not scheduled_run.is_unchanged(first.workspace, first.recipe)
    first.run(INGEST)
    assert first.executions() == [("reused", "nothing")] and shared_results.has(first.workspace.shared, made)
    assert scheduled_run.is_unchanged(first.workspace, first.recipe)


def test_an_interrupted_fetch_publishes_nothing_and_resumes(
    storage: Any, host: Callable[[str], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    download, seen = connection.download, []

    def cut(system: Any, path: str, target: Path) -> None:
        seen.append(path)
        if len(seen) == 4:
            raise ConnectionResetError("the network is down")
        download(system, path, target)

    first, second = host("a"), host("b")
    first.run(INGEST)
    monkeypatch.setattr(connection, "PARALLEL_FILES", 1)
    monkeypatch.setattr(connection, "download", cut)
    with pytest.raises(Unreachable):
        second.run(replace(INGEST, work=never))
    assert second.executions() == [("failed", "fetched:")]
    assert not list((second.workspace.root / "artifacts/ingest").glob("[!.]*"))
    second.run(replace(INGEST, work=never))
    assert len(seen) == 4 + 2 and second.executions() == [("done", "fetched:")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda seal: seal, r"is damaged: records/3\. Remove this folder there"),
        (lambda seal: {**seal, "step": "validate"}, "is damaged: it is not what was written"),
        (lambda seal: resealed(seal, step="validate"), "does not belong"),
        (
            lambda seal: resealed(seal, files={"../../../x": "0"}, digest=digest.of_contents({"../../../x": "0"})),
            "outside",
        ),
        (lambda seal: {}, "is damaged: it has another shape: 'step' is missing"),
    ],
)
def test_a_damaged_result_on_the_storage_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], message: str, storage: Any, host: Callable[[str], Host]
) -> None:
    first, second = host("a"), host("b")
    first.run(INGEST)
    names = {Path(name).name: f"bucket/results/{name}" for name in storage.names("results")}
    storage.system.pipe(names["3"], b"image X")
    storage.system.pipe(names[SEAL], json.dumps(change(json.loads(storage.system.cat(names[SEAL])))).encode())
    with pytest.raises(UserError, match=message) as error:
        second.run(replace(INGEST, work=never))
    assert error.value.exit_code == 2
    assert second.workspace.complete("ingest", first.workspace.root.name) is None


def test_a_partly_expired_result_is_rebuilt_and_uploaded_again(storage: Any, host: Callable[[str], Host]) -> None:
    first, second, third = host("a"), host("b"), host("c")
    first.run(INGEST)
    names = storage.names("results")
    storage.system.rm(next(f"bucket/results/{name}" for name in names if name.endswith("/3")))
    second.run(INGEST)
    assert second.executions() == [("failed", "fetched:"), ("done", "for")] and storage.names("results") == names
    third.run(replace(INGEST, work=never))


def test_a_fetch_is_forecast(host: Callable[[str], Host]) -> None:
    first, second = host("a"), host("b")
    first.run(INGEST, VALIDATE)
    steps = forecast.forecast(second.workspace, second.recipe)
    assert [(one.action, one.reason) for one in steps] == [("fetch", "run a1 of another workspace made it")] * 2
    steps = forecast.forecast(second.workspace, second.recipe, rerun=frozenset({"ingest"}))
    assert [one.action for one in steps] == ["run", "run"]


def test_the_environment_names_the_storage(tmp_path: Path) -> None:
    assert Workspace.of(tmp_path, {SHARED: URL + "/"}) == Workspace(tmp_path, URL)
    assert Workspace.of(tmp_path, {SHARED: ""}) == Workspace.of(tmp_path, {}) == Workspace(tmp_path)
    with pytest.raises(UserError, match=r"SEGLINE_ARTIFACTS must be a URL.*Received: 'results'"):
        Workspace.of(tmp_path, {SHARED: "results"})


def test_records_are_written_once_for_all_hosts(
    storage: Any, camvid_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real ingest step: one host uses an orchestrator, the other `segline run`."""
    monkeypatch.setenv(SHARED, storage.at("results"))
    monkeypatch.setattr(runner, "run_child", never)
    file, setting = str(PROJECT / "tests/tiny.yaml"), f"data.manual_dir={camvid_raw}"
    a, b = tmp_path / "a", tmp_path / "b"
    assert main(["step", "ingest", file, "--set", setting, "--run", "a", "--workspace", str(a)]) == 0
    recipe, workspace = load_recipe(file, [setting]), run_command.open_workspace(b)
    assert run_command.bring_up_to_date(workspace, recipe, until="ingest", run_id="b") == 0
    one, two = (RunFolder.open(Workspace(root), root.name).artifact("ingest") for root in (a, b))
    assert one.name == two.name and read_seal(one)["digest"] == read_seal(two)["digest"]
    verification.require_sound(list(verification.verify(workspace)))


def test_a_reproduction_never_fetches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setenv(SHARED, URL)
    monkeypatch.setattr(run_command, "bring_up_to_date", lambda workspace, *_, **__: seen.append(workspace.shared) or 0)
    run = SimpleNamespace(id="a")
    reproduction.make(SimpleNamespace(workspace=Workspace(tmp_path / "again"), recipe=None, until="train", run=run))
    assert seen == [None]
