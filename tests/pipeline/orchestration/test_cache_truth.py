"""Each way in which a result becomes stale runs its step; any other change runs nothing.

The steps and the recipe are real and their results made up, as only what they depend on counts here.
"""

import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.lineage import status
from pipeline.orchestration import forecast, publication
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.orchestration.runner import Runner
from pipeline.workspace import fingerprint
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]
ALL = tuple(step.name for step in STEPS)
LEARNING = ("train", "evaluate", "gate", "export")


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
        """Publish a made-up result of every step."""
        store, recipe = Store(self.workspace.store), load_recipe(str(self.recipe))
        run = RunFolder.create(self.workspace, recipe, ["test"], "first")
        store.begin_run(run.id, recipe.name, "test", "no git", "stepwise")
        runner = Runner(self.workspace, recipe, run, store, wait=False)
        for step in STEPS:
            plan = runner.plan(step, again=False)
            partial = self.workspace.partial(step.name, plan.fingerprint.key)
            partial.mkdir(parents=True)
            (partial / "result").write_text(plan.fingerprint.key)
            execution = publication.begin(runner.context, plan, "")
            publication.publish(runner.context, plan, partial, execution, runner._seal(plan, partial))
        store.close()

    def stale(self, *overrides: str) -> dict[str, str]:
        """Return {step that would not be reused: reason}."""
        outlooks = forecast.forecast(self.workspace, load_recipe(str(self.recipe), overrides))
        return {outlook.step: outlook.reason for outlook in outlooks if outlook.action != "reuse"}

    def own_code(self, patch: pytest.MonkeyPatch, name: str) -> None:
        """Use a copy of the code, `name` in the bench's folder; reading it again takes half a second."""
        self.code = shutil.copytree(self.code, self.root / name)
        patch.setattr(fingerprint, "PROJECT", self.code)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Bench with every step up to date; each test works on a copy of all but the code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in fingerprint.ENVIRONMENT:
            patch.delenv(name, raising=False)
        bench = Bench(tmp_path_factory.mktemp("settled"))
        patch.setattr(fingerprint, "PROJECT", bench.code)
        bench.settle()
    return bench


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
    assert copy.stale() == {}
    return copy


SETTINGS = {
    "data.max_pixels=5000000": ("data.max_pixels 100000000 -> 5000000", ALL),
    "ingest.num_shards=2": ("ingest.num_shards null -> 2", ALL),
    "validate.all_void_mask=error": ('validate.all_void_mask "warning" -> "error"', ALL[1:]),
    "input.augment.flip=false": ("input.augment.flip true -> false", LEARNING),
    "model.options.width=16": ("model.options.width 8 -> 16", LEARNING),
    "train.epochs=3": ("train.epochs 2 -> 3", LEARNING),
    "evaluate.overlays=2": ("evaluate.overlays 1 -> 2", LEARNING[1:]),
    "evaluate.min_miou=0.4": ("evaluate.min_miou null -> 0.4", ("gate",)),
    "evaluate.max_miou_drop=0.5": ("evaluate.max_miou_drop null -> 0.5", ("gate",)),
    "evaluate.refuse_significant_drop=true": ("evaluate.refuse_significant_drop false -> true", ("gate",)),
    "evaluate.gate={pixel_accuracy: 0.1}": ("evaluate.gate {} -> absent (and 1 more)", ("gate",)),
    "export.parity_images=3": ("export.parity_images 2 -> 3", ("export",)),
}


@pytest.mark.parametrize("override", SETTINGS)
def test_a_setting_runs_the_steps_that_read_it(override: str, bench: Bench) -> None:
    reason, steps = SETTINGS[override]
    stale = bench.stale(override)
    assert (tuple(stale), stale[steps[0]]) == (steps, reason)


def change_raw(bench: Bench) -> None:
    path = next(iter(sorted((bench.raw / "trainannot").glob("*"))))
    path.write_bytes(path.read_bytes() + b"\0")


def add_raw(bench: Bench) -> None:
    shutil.copy(next((bench.raw / "train").glob("*")), bench.raw / "train/zzz.png")


def remove_raw(bench: Bench) -> None:
    next((bench.raw / "val").glob("*")).unlink()


@pytest.mark.parametrize("change", [change_raw, add_raw, remove_raw])
def test_a_change_of_raw_files_runs_everything(change: Callable[[Bench], None], bench: Bench) -> None:
    change(bench)
    stale = bench.stale()
    assert tuple(stale) == ALL and stale["ingest"] == "raw has other contents"
    assert stale["validate"] == "only if ingest gives something new"


MODULES = {
    "datasets/tfrecord.py": ("ingest", ALL),
    "datasets/camvid/classes.py": ("ingest", ALL),
    "pipeline/data/class_weights.py": ("validate", ALL[1:]),
    "models/blocks.py": ("train", LEARNING),
    "models/metrics.py": ("train", LEARNING),
    "pipeline/evaluation/measurement.py": ("evaluate", LEARNING[1:]),
    "pipeline/evaluation/gate.py": ("gate", ("gate",)),
    "pipeline/export/parity.py": ("export", ("export",)),
}


@pytest.mark.parametrize("file", MODULES)
def test_a_module_runs_the_steps_that_import_it_directly_or_not(
    file: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, steps = MODULES[file]
    bench.own_code(monkeypatch, "code")
    with (bench.code / file).open("a") as source:
        source.write("\n# a comment\n")
    assert bench.stale() == {}
    with (bench.code / file).open("a") as source:
        source.write("\nCHANGED = True\n")
    stale = bench.stale()
    assert (tuple(stale), stale[first]) == (steps, f"code of {file[:-3].replace('/', '.')}")


def test_another_served_model_runs_only_the_gate(bench: Bench) -> None:
    served = bench.workspace.serving / "mine/1/assets.extra"
    served.mkdir(parents=True)
    (served / "segline.json").write_text("{}")
    (served / "origin.json").write_text('{"train": "artifacts/train/another", "export": "artifacts/export/another"}')
    assert bench.stale() == {"gate": "served has other contents"}


PRINTING = sorted(
    path.relative_to(PROJECT).as_posix()
    for name in fingerprint.UNCOUNTED
    if name not in ("pipeline.config", "pipeline.errors")
    for path in (
        PROJECT.joinpath(*name.split(".")).with_suffix(".py"),
        *PROJECT.joinpath(*name.split(".")).glob("*.py"),
    )
    if path.is_file()
)


@pytest.mark.parametrize("file", PRINTING)
def test_a_change_of_a_module_that_only_prints_or_draws_runs_nothing(
    file: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.own_code(monkeypatch, "code")
    with (bench.code / file).open("a") as source:
        source.write("\nCHANGED = True\n")
    assert bench.stale() == {}


def test_every_module_that_does_not_count_exists() -> None:
    assert len(PRINTING) >= 6
    for name in fingerprint.UNCOUNTED:
        base = PROJECT.joinpath(*name.split("."))
        assert base.with_suffix(".py").is_file() or (base / "__init__.py").is_file(), name


def test_a_reworded_docstring_runs_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.own_code(monkeypatch, "code")
    for file in ("models/blocks.py", "pipeline/training/trainer.py", "datasets/tfrecord.py"):
        source = bench.code / file
        text = source.read_text()
        reworded = re.sub(r'^( *)"""(?=\w)', r'\1"""In other words: ', text, flags=re.MULTILINE)
        assert reworded.count("In other words") > 1
        source.write_text(reworded + '\n"""A string by itself."""\n')
    assert bench.stale() == {}


@pytest.mark.parametrize(
    ("library", "steps"), [("tensorflow", LEARNING), ("keras", LEARNING), ("apache-beam", ALL), ("pillow", ALL)]
)
def test_another_version_of_a_library_runs_the_steps_that_use_it(
    library: str, steps: tuple[str, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = fingerprint._version
    monkeypatch.setattr(fingerprint, "_version", lambda name: "99" if name == library else version(name))
    stale = bench.stale()
    assert tuple(stale) == steps and stale[steps[0]] == f"{library} {version(library)} -> 99"


def test_another_version_of_python_runs_everything(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint.platform, "python_version", lambda: "3.99.0")
    assert tuple(bench.stale()) == ALL


@pytest.mark.parametrize("variable", ["TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS"])
def test_an_environment_variable_that_affects_computation_runs_the_steps_that_compute(
    variable: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "0")
    stale = bench.stale()
    assert tuple(stale) == LEARNING and stale["train"] == f"the variable {variable} absent -> 0"


def test_initial_weights_count_by_their_contents(bench: Bench) -> None:
    def key(path: str) -> str:
        config = load_recipe(str(bench.recipe), [f"train.begin_with={path}"])
        runner = Runner(bench.workspace, config, RunFolder(bench.root), Store(bench.workspace.store), wait=False)
        return runner.fingerprint(STEPS[2], {}).key

    for name, text in {"a.h5": "one", "b.h5": "one", "c.h5": "two"}.items():
        (bench.root / name).write_text(text)
    assert key(f"{bench.root}/a.h5") == key(f"{bench.root}/../bench/b.h5") != key(f"{bench.root}/c.h5")
    stale = bench.stale(f"train.begin_with={bench.root / 'a.h5'}")
    assert tuple(stale) == LEARNING and stale["train"] == "train.begin_with has other contents"


def test_another_layout_file_runs_everything(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "image_folder")
    bench.settle()
    assert bench.stale() == {}
    layout = bench.raw / "segline.yaml"
    layout.write_text(layout.read_text() + "\n# more\n")
    stale = bench.stale()
    assert tuple(stale) == ALL and stale["ingest"].startswith("data.layout has other contents")


def comment(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.recipe.write_text("# reworded\n\n" + bench.recipe.read_text().replace("\n", "  # so\n", 1))


def order(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    head, *lines = bench.recipe.read_text().splitlines()
    exports = [line for line in lines if line.startswith("export")]
    bench.recipe.write_text("\n".join([head, *exports, *(line for line in lines if line not in exports)]))


def speed(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    with bench.recipe.open("a") as recipe:
        recipe.write("ingest: {runner: multi_processing, workers: 2}\nschedule: {cron: '30 2 * * *'}\n")


def display(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    text = bench.recipe.read_text()
    assert "samples: 2" in text
    bench.recipe.write_text(text.replace("samples: 2", "samples: 1, tensorboard: {histograms: true, graph: true}"))


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


def moved_workspace(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.workspace = Workspace(bench.workspace.root.rename(bench.root / "other place ü"))


def moved_raw(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    there = bench.raw.rename(bench.root / "elsewhere")
    bench.recipe.write_text(bench.recipe.read_text().replace(str(bench.raw), str(there)))


def moved_code(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    bench.own_code(patch, "installed")


def touched(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    for path in bench.raw.rglob("*"):
        path.touch()


def unread_file(bench: Bench, patch: pytest.MonkeyPatch) -> None:
    (bench.raw / "notes.txt").write_text("not read by CamVid")


@pytest.mark.parametrize(
    "change",
    [
        comment,
        order,
        speed,
        display,
        default,
        verbosity,
        other_host,
        moved_workspace,
        moved_raw,
        moved_code,
        touched,
        unread_file,
    ],
)
def test_a_change_that_affects_no_result_runs_nothing(
    change: Callable[[Bench, pytest.MonkeyPatch], None], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(bench, monkeypatch)
    assert bench.stale() == {}


def test_a_forecast_creates_no_workspace(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    steps = forecast.forecast(Workspace(bench.root / "new"), load_recipe(str(bench.recipe)), until="train")
    assert [(one.step, one.action, one.reason) for one in steps] == [
        (name, "run", "for the first time") for name in ALL[:3]
    ]
    assert not (bench.root / "new").exists()


def test_trial_steps_of_an_automatic_batch_size_are_forecast(bench: Bench) -> None:
    auto = load_recipe(str(bench.recipe), ["train.batch_size=auto"])
    steps = {one.step: one for one in forecast.forecast(bench.workspace, auto)}
    assert steps["train"].action == "run" and steps["train"].reason.endswith("(train.batch_size auto)")
    assert not any("auto" in steps[name].reason for name in steps if name != "train")


def test_without_a_store_every_result_is_forecast_as_reused(bench: Bench) -> None:
    for path in bench.workspace.root.glob("store.sqlite*"):
        path.unlink()
    steps = forecast.forecast(bench.workspace, load_recipe(str(bench.recipe)))
    assert [one.action for one in steps] == ["reuse"] * 6
    assert not bench.workspace.store.exists()
    assert "is gone" in status.lines(bench.workspace, 5)[0]


def test_a_rerun_is_forecast(bench: Bench) -> None:
    steps = forecast.forecast(bench.workspace, load_recipe(str(bench.recipe)), rerun=frozenset({"train"}))
    assert [one.action for one in steps] == ["reuse", "reuse", "run", "depends", "depends", "depends"]
    assert forecast.lines(steps)[2] == "train     run      --rerun asks for it"
    long = forecast.Forecast("train", "run", "code of pipeline.augment, " * 9)
    assert max(map(len, forecast.lines([long]))) <= 80 and len(forecast.lines([long])) > 2
