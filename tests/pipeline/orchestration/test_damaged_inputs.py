"""Nothing damaged is used: results that are reused or read are held against their seals, by size and mtime first."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.lineage import verification
from pipeline.orchestration import forecast, promotion, runner
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace import digest, integrity
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL, DamagedError, is_older, read_seal
from pipeline.workspace.store import Store
from tests.pipeline.finished import STEPS, Finished
from tests.pipeline.sealed import seal

pytestmark = pytest.mark.usefixtures("small_steps")


@pytest.fixture
def work(finished: Finished, tmp_path: Path) -> Workspace:
    return finished.copy(tmp_path / "work")


def artifact(work: Workspace, step: str, run: str = "one") -> Path:
    return RunFolder(work.run(run)).artifact(step)


def flip(path: Path, *, keep_times: bool = False) -> None:
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


NEEDED = {
    "ingest/records/train.tfrecord": "train.epochs=2",
    "train/weights.h5": "evaluate.overlays=9",
    "evaluate/metrics.json": "evaluate.min_miou=0.01",
    "gate/verdict.json": "export.parity_images=3",
}
"""{a file of a result: a setting that runs a step which reads it}."""


@pytest.mark.parametrize("name", NEEDED)
def test_a_damaged_result_stops_what_would_read_it_and_its_command_makes_it_again(
    name: str, finished: Finished, work: Workspace
) -> None:
    step, _, file = name.partition("/")
    flip(artifact(work, step) / file)
    change, message = [NEEDED[name]], rf"{file} is damaged\. To make it again: segline run RECIPE --rerun {step} "
    for attempt in (
        lambda: finished.run(work, settings=change),
        lambda: finished.run(work),
        lambda: forecast.forecast(work, load_recipe(str(finished.recipe))),
    ):
        with pytest.raises(DamagedError, match=message) as error:
            attempt()
        assert error.value.exit_code == 2
    assert finished.run(work, rerun=frozenset({step})) == 0
    assert finished.run(work, settings=change) == 0


def test_an_edited_metric_is_not_promoted_step_by_step(finished: Finished, work: Workspace) -> None:
    """An orchestrator calls a step by itself: nothing has looked at its inputs before."""
    recipe = load_recipe(str(finished.recipe), ["evaluate.min_miou=0.9"])
    folder = RunFolder.create(work, recipe, ["test"], "three")
    for step in ("ingest", "validate", "train", "evaluate"):
        folder.link(step, artifact(work, step))
    metrics = artifact(work, "evaluate") / "metrics.json"
    metrics.write_text(json.dumps({**json.loads(metrics.read_text()), "miou": 0.95}))
    store = Store(work.store)
    store.begin_run("three", "net", "", "", "stepwise")
    with pytest.raises(DamagedError, match=r"metrics\.json is damaged.*segline step evaluate --run RUN --rerun"):
        runner.Runner(work, recipe, folder, store, wait=True).execute(STEPS[4], again=False)
    assert sorted(promotion.versions(work.serving / "net")) == [1, 2]


def test_a_flipped_byte_that_keeps_the_times_is_noticed_with_verify(finished: Finished, work: Workspace) -> None:
    flip(artifact(work, "train") / "weights.h5", keep_times=True)
    assert finished.run(work) == 0
    with pytest.raises(DamagedError, match=r"weights\.h5 is damaged"):
        finished.run(work, verify=True)


def test_a_step_that_fails_on_silent_damage_names_the_file(finished: Finished, work: Workspace) -> None:
    def fail(*_: object) -> None:
        raise ValueError("corrupted record at 12")

    flip(artifact(work, "ingest") / "records/train.tfrecord", keep_times=True)
    folder, store = RunFolder(work.run("one")), Store(work.store)
    context = runner.Runner(work, folder.recipe(), folder, store, wait=True)
    with pytest.raises(DamagedError, match=r"records/train\.tfrecord is damaged") as error:
        context.execute(replace(STEPS[1], work=fail), again=True)
    assert isinstance(error.value.__cause__, ValueError)
    assert "train.tfrecord is damaged" in store.executions("one")[-1]["error"]
    with pytest.raises(ValueError, match="corrupted record"):
        context.execute(replace(STEPS[0], work=fail), again=True)


def test_a_copied_workspace_is_read_once_and_accepted(
    finished: Finished, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    inner = digest.file_digest
    monkeypatch.setattr(digest, "file_digest", lambda path: read.append(path) or inner(path))
    train = artifact(work, "train")
    integrity.require_intact(work, train)
    assert read == []
    for path in train.glob("*.*"):
        os.utime(path)
    integrity.require_intact(work, train)
    assert sorted(path.name for path in read) == ["history.json", "scalars.jsonl", "weights.h5"]
    integrity.require_intact(work, train)
    assert len(read) == 3
    integrity.require_intact(work, train, contents=True)
    assert len(read) == 6


@pytest.mark.parametrize("number", [{"made": 10**400}, {"made": float("nan")}, {"execution": 2**64}])
def test_a_number_that_nothing_holds_is_damage(number: dict[str, float], work: Workspace) -> None:
    folder = artifact(work, "train")
    seal(folder, **number)
    with pytest.raises(DamagedError, match="is out of range"):
        read_seal(folder)


def test_inputs_that_cannot_be_read_hide_no_error_of_a_step(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("our own")

    def stale(*_: object, contents: bool, **__: object) -> None:
        if contents:
            raise OSError(116, "Stale file handle")

    folder, store = RunFolder(work.run("one")), Store(work.store)
    context = runner.Runner(work, folder.recipe(), folder, store, wait=True)
    monkeypatch.setattr(context, "_require_intact", stale)
    with pytest.raises(ValueError, match="our own"):
        context.execute(replace(STEPS[1], work=fail), again=True)
    assert (store.executions("one")[-1]["state"], store.executions("one")[-1]["error"]) == ("failed", "our own")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_a_seal_that_names_a_file_elsewhere_is_damaged(name: str, work: Workspace) -> None:
    folder = artifact(work, "train")
    seal(folder, files={name: "0"}, digest=digest.of_contents({name: "0"}))
    with pytest.raises(DamagedError, match="it names a file outside of its folder"):
        read_seal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"run": "one"', '"run": "two"'), "its digest of itself differs"),
        (lambda text: text.replace('"digest_of_this"', '"digest_of_that"'), "'digest_of_that' is not known"),
        (lambda text: "{}", "another shape: 'step' is missing, 'run' is missing"),
        (lambda text: "[1]", "it holds no JSON object"),
        (lambda text: text[:-1], "it is no JSON"),
        (lambda text: "[" * 100_000, "it is nested too deeply"),
        (lambda text: "", "it is empty"),
    ],
)
def test_a_seal_carries_a_digest_of_itself(change, message: str, work: Workspace) -> None:
    file = artifact(work, "train") / SEAL
    file.write_text(change(file.read_text()))
    with pytest.raises(DamagedError) as error:
        read_seal(file.parent)
    assert message in str(error.value) and f"{SEAL} is damaged" in str(error.value)
    with pytest.raises(UserError, match=f"{SEAL} is damaged"):
        verification.require_sound(list(verification.verify(work)))


def test_a_seal_of_an_older_segline_is_read_and_named_as_such(finished: Finished, work: Workspace) -> None:
    file = artifact(work, "train") / SEAL
    older = json.loads(file.read_text())
    del older["digest_of_this"]
    file.write_text(json.dumps(older))
    assert is_older(read_seal(file.parent)) and finished.run(work) == 0
    (finding,) = (one for one in verification.verify(work) if one.uri == work.relative(file.parent))
    assert not finding.problems and finding.note == "an older seal, without a digest of itself"


def test_a_result_in_the_place_of_another_is_damaged(finished: Finished, work: Workspace) -> None:
    first, second = (artifact(work, "evaluate", run) for run in ("one", "two"))
    aside = first.rename(first.with_name("aside"))
    second.rename(first)
    aside.rename(second)
    with pytest.raises(DamagedError, match="its seal is that of another result"):
        finished.run(work)
    with pytest.raises(UserError, match="has another fingerprint than the store"):
        verification.require_sound(list(verification.verify(work)))


def test_verify_holds_links_origin_and_store_together(work: Workspace) -> None:
    verification.require_sound(list(verification.verify(work)))
    one, two = RunFolder(work.run("one")), RunFolder(work.run("two"))
    one.link("train", artifact(work, "ingest"))
    (two.path / "gate").unlink()
    origin = work.serving / "net/1/assets.extra/origin.json"
    origin.write_text(origin.read_text().replace("artifacts/train", "artifacts/brain"))
    with pytest.raises(UserError) as error:
        verification.require_sound(list(verification.verify(work)))
    for line in (
        "which is no result of step train in the store",
        "runs/two/gate: is missing: the run made or used artifacts/gate/",
        "serving/net/1: assets.extra/origin.json is damaged (it is not what was written",
    ):
        assert line in str(error.value)


class Killed(BaseException):
    """In place of a kill."""


@pytest.mark.parametrize(("settings", "step"), [(["train.epochs=2"], "train"), ([], "validate")])
def test_a_run_killed_before_it_links_a_result_leaves_no_finding_after_the_next(
    settings: list[str], step: str, finished: Finished, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result that it has just made, and one that it reuses."""

    def link(folder: RunFolder, name: str, artifact: Path) -> None:
        if name == step:
            raise Killed
        inner(folder, name, artifact)

    inner = RunFolder.link
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "link", link)
        with pytest.raises(Killed):
            finished.run(work, settings=settings)
    assert finished.run(work, settings=settings) == 0
    verification.require_sound(list(verification.verify(work)))


def test_a_gate_does_not_compare_with_damaged_facts(finished: Finished, work: Workspace) -> None:
    file = work.serving / "net/2" / facts.FILE
    file.unlink()  # a hard link of the export's
    file.write_text('{"metrics": {"miou": 0.01}}')
    with pytest.raises(DamagedError, match=r"net/2 is damaged: assets\.extra/segline\.json is damaged"):
        finished.run(work, settings=["train.epochs=2"])
