"""Cache truth: each way in which a result goes stale makes its step run, and nothing else does.

The real steps and the real recipe; their results are made up, since only what they depend on counts here.
"""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config import recipe_file as recipes
from pipeline.lineage import status
from pipeline.orchestration import forecast
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.runner import Runner
from pipeline.workspace import fingerprint
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]
ALL = tuple(step.name for step in STEPS)
LEARNING = ("train", "evaluate", "export")


class Bench:
    """A copy of the project, a raw folder, a recipe file, and a workspace in which everything is up to date."""

    def __init__(self, root: Path, name: str = "camvid", config: str | None = None) -> None:
        from datasets import catalog

        self.root, self.raw, self.code = root, root / "raw", root / "code"
        for package in fingerprint.PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__", "*.md", "*.bib")
            shutil.copytree(PROJECT / package, self.code / package, ignore=ignored)
        catalog.sample(name).write(self.raw, count=3, seed=1, size=(32, 48), config=config)
        text = (PROJECT / "tests/tiny.yaml").read_text().replace("name: camvid", f"name: {name}")
        self.recipe = root / "mine.yaml"
        self.recipe.write_text(text.replace("set-by-the-test", str(self.raw)))
        self.workspace = Workspace(root / "work")

    def settle(self) -> None:
        """Bring every step up to date, with a made-up result."""
        store, recipe = Store(self.workspace.store), recipes.load(str(self.recipe))
        run = RunFolder.create(self.workspace, recipe, ["test"], "first")
        store.begin_run(run.id, recipe.name, "test", "no git", "stepwise")
        runner = Runner(self.workspace, recipe, run, store, wait=False)
        for step in STEPS:
            plan = runner.plan(step, again=False)
            partial = self.workspace.partial(step.name, plan.fingerprint.key)
            partial.mkdir(parents=True)
            (partial / "result").write_text(plan.fingerprint.key)
            key, settled = plan.fingerprint.key, plan.fingerprint.to_json()
            runner._publish(plan, partial, store.begin(run.id, step.name, "", key, settled))
        store.close()

    def anew(self, *overrides: str) -> dict[str, str]:
        """Steps that would not simply be reused, and why."""
        found = forecast.forecast(self.workspace, recipes.load(str(self.recipe), overrides))
        return {one.step: one.reason for one in found if one.action != "reuse"}

    def own_code(self, patch: pytest.MonkeyPatch, name: str) -> None:
        """Work with a copy of the code, `name` in the bench's folder; to read it anew takes half a second."""
        self.code = shutil.copytree(self.code, self.root / name)
        patch.setattr(fingerprint, "PROJECT", self.code)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Shared by all tests, each of which works on a copy of all but the code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in fingerprint.ENVIRONMENT:
            patch.delenv(name, raising=False)
        made = Bench(tmp_path_factory.mktemp("settled"))
        patch.setattr(fingerprint, "PROJECT", made.code)
        made.settle()
    return made


@pytest.fixture
def bench(settled: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    copy = Bench.__new__(Bench)
    shutil.copytree(settled.root, tmp_path / "bench", symlinks=True, ignore=shutil.ignore_patterns("code"))
    copy.root, copy.raw, copy.code = tmp_path / "bench", tmp_path / "bench/raw", settled.code
    copy.recipe, copy.workspace = copy.root / "mine.yaml", Workspace(copy.root / "work")
    copy.recipe.write_text(copy.recipe.read_text().replace(str(settled.raw), str(copy.raw)))
    for name in fingerprint.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fingerprint, "PROJECT", copy.code)
    monkeypatch.chdir(tmp_path)
    assert copy.anew() == {}
    return copy


SETTINGS = {
    "data.max_pixels=5000000": ("data.max_pixels 100000000 -> 5000000", ALL),
    "ingest.num_shards=2": ("ingest.num_shards null -> 2", ALL),
    "validate.all_void_mask=error": ('validate.all_void_mask "warning" -> "error"', ALL[1:]),
    "input.augment.flip=false": ("input.augment.flip true -> false", LEARNING),
    "model.options.width=16": ("model.options.width 8 -> 16", LEARNING),
    "train.epochs=3": ("train.epochs 2 -> 3", LEARNING),
    "evaluate.overlays=2": ("evaluate.overlays 1 -> 2", LEARNING[1:]),
    "export.parity_images=3": ("export.parity_images 2 -> 3", LEARNING[2:]),
}


@pytest.mark.parametrize("override", SETTINGS)
def test_a_setting_runs_the_steps_that_see_it(override: str, bench: Bench) -> None:
    reason, steps = SETTINGS[override]
    found = bench.anew(override)
    assert (tuple(found), found[steps[0]]) == (steps, reason)


def change_raw(bench: Bench) -> None:
    path = next(iter(sorted((bench.raw / "trainannot").glob("*"))))
    path.write_bytes(path.read_bytes() + b"\0")


def add_raw(bench: Bench) -> None:
    shutil.copy(next((bench.raw / "train").glob("*")), bench.raw / "train/zzz.png")


def remove_raw(bench: Bench) -> None:
    next((bench.raw / "val").glob("*")).unlink()


@pytest.mark.parametrize("change", [change_raw, add_raw, remove_raw])
def test_raw_files_run_everything(change: Callable[[Bench], None], bench: Bench) -> None:
    change(bench)
    found = bench.anew()
    assert tuple(found) == ALL and found["ingest"] == "raw has other contents"
    assert found["validate"] == "only if ingest gives something new"


MODULES = {
    "datasets/tfrecord.py": ("ingest", ALL),
    "datasets/camvid/classes.py": ("ingest", ALL),
    "pipeline/data/class_weights.py": ("validate", ALL[1:]),
    "models/blocks.py": ("train", LEARNING),
    "models/metrics.py": ("train", LEARNING),
    "pipeline/evaluation/gate.py": ("evaluate", LEARNING[1:]),
    "pipeline/export/parity.py": ("export", LEARNING[2:]),
}


@pytest.mark.parametrize("file", MODULES)
def test_a_module_runs_what_imports_it_however_far_away(
    file: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, steps = MODULES[file]
    bench.own_code(monkeypatch, "code")
    with (bench.code / file).open("a") as source:
        source.write("\n# a comment\n")
    assert bench.anew() == {}
    with (bench.code / file).open("a") as source:
        source.write("\nCHANGED = True\n")
    found = bench.anew()
    assert (tuple(found), found[first]) == (steps, f"code of {file[:-3].replace('/', '.')}")


@pytest.mark.parametrize(
    ("library", "steps"), [("tensorflow", LEARNING), ("keras", LEARNING), ("apache-beam", ALL), ("pillow", ALL)]
)
def test_the_version_of_a_library_runs_what_uses_it(
    library: str, steps: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = fingerprint._version
    monkeypatch.setattr(fingerprint, "_version", lambda name: "99" if name == library else version(name))
    found = bench.anew()
    assert tuple(found) == steps and found[steps[0]] == f"{library} {version(library)} -> 99"


def test_the_version_of_python_runs_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint.platform, "python_version", lambda: "3.99.0")
    assert tuple(bench.anew()) == ALL


@pytest.mark.parametrize("variable", ["TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"])
def test_a_variable_that_changes_what_is_computed_runs_what_computes(
    variable: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "0")
    found = bench.anew()
    assert tuple(found) == LEARNING and found["train"] == f"the variable {variable} absent -> 0"


def test_what_a_training_begins_with_counts_by_its_contents(bench: Bench) -> None:
    def key(path: str) -> str:
        config = recipes.load(str(bench.recipe), [f"train.begin_with={path}"])
        runner = Runner(bench.workspace, config, RunFolder(bench.root), Store(bench.workspace.store), wait=False)
        return runner.fingerprint(STEPS[2], {}).key

    for name, text in {"a.h5": "one", "b.h5": "one", "c.h5": "two"}.items():
        (bench.root / name).write_text(text)
    assert key(f"{bench.root}/a.h5") == key(f"{bench.root}/../bench/b.h5") != key(f"{bench.root}/c.h5")
    found = bench.anew(f"train.begin_with={bench.root / 'a.h5'}")
    assert tuple(found) == LEARNING and found["train"] == "train.begin_with has other contents"


def test_a_layout_of_labels_runs_everything(tmp_path: Path) -> None:
    made = Bench(tmp_path, "image_folder")
    made.settle()
    assert made.anew() == {}
    layout = made.raw / "segline.yaml"
    layout.write_text(layout.read_text() + "\n# more\n")
    found = made.anew()
    assert tuple(found) == ALL and found["ingest"].startswith("data.layout has other contents")


def comment(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.recipe.write_text("# said anew\n\n" + bench.recipe.read_text().replace("\n", "  # so\n", 1))


def order(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    head, *lines = bench.recipe.read_text().splitlines()
    exports = [line for line in lines if line.startswith("export")]
    bench.recipe.write_text("\n".join([head, *exports, *(line for line in lines if line not in exports)]))


def pace(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    with bench.recipe.open("a") as recipe:
        recipe.write("ingest: {runner: multi_processing, workers: 2}\nschedule: {cron: '30 2 * * *'}\n")


def default(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    with bench.recipe.open("a") as recipe:
        recipe.write("ingest: {on_bad_input: error, min_shards: 1}\n")


def verbosity(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    for name, value in {"SEGLINE_LOG_JSON": "1", "TF_CPP_MIN_LOG_LEVEL": "0", "LANG": "de_DE.UTF-8"}.items():
        patch.setenv(name, value)


def other_host(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(socket, "gethostname", lambda: "other")
    patch.setattr(os, "cpu_count", lambda: 64)
    patch.setenv("HOME", "/nowhere")


def moved(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.workspace = Workspace(bench.workspace.root.rename(bench.root / "other place ü"))


def moved_raw(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    there = bench.raw.rename(bench.root / "elsewhere")
    bench.recipe.write_text(bench.recipe.read_text().replace(str(bench.raw), str(there)))


def moved_code(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.own_code(patch, "installed")


def touched(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    for path in bench.raw.rglob("*"):
        path.touch()


def stranger(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    (bench.raw / "notes.txt").write_text("not read by CamVid")


@pytest.mark.parametrize(
    "change",
    [comment, order, pace, default, verbosity, other_host, moved, moved_raw, moved_code, touched, stranger],
)
def test_what_changes_no_result_runs_nothing(
    change: Callable[[Bench, pytest.MonkeyPatch], None], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(bench, monkeypatch)
    assert bench.anew() == {}


def test_a_forecast_makes_no_workspace(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    found = forecast.forecast(Workspace(bench.root / "new"), recipes.load(str(bench.recipe)), until="train")
    assert [(one.step, one.action, one.reason) for one in found] == [
        (name, "run", "for the first time") for name in ALL[:3]
    ]
    assert not (bench.root / "new").exists()


def test_trial_steps_are_foreseen(bench: Bench) -> None:
    auto = recipes.load(str(bench.recipe), ["train.batch_size=auto"])
    found = {one.step: one for one in forecast.forecast(bench.workspace, auto)}
    assert found["train"].action == "run" and found["train"].reason.endswith("(train.batch_size auto)")
    assert not any("auto" in found[name].reason for name in found if name != "train")


def test_a_lost_store_is_foreseen_to_cost_nothing(bench: Bench) -> None:
    for path in bench.workspace.root.glob("store.sqlite*"):
        path.unlink()
    found = forecast.forecast(bench.workspace, recipes.load(str(bench.recipe)))
    assert [one.action for one in found] == ["reuse"] * 5
    assert not bench.workspace.store.exists()
    assert "is gone" in status.lines(bench.workspace, 5)[0]


def test_rerun_is_foreseen(bench: Bench) -> None:
    found = forecast.forecast(bench.workspace, recipes.load(str(bench.recipe)), rerun=frozenset({"train"}))
    assert [one.action for one in found] == ["reuse", "reuse", "run", "depends", "depends"]
    assert forecast.lines(found)[2] == "train     run      --rerun asks for it"
    long = forecast.Forecast("train", "run", "code of pipeline.augment, " * 9)
    assert max(map(len, forecast.lines([long]))) <= 80 and len(forecast.lines([long])) > 2
