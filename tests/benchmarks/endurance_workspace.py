"""What the endurance tests of workspaces share: the recipe, processes of their own, and what must hold afterwards."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.lineage import verification
from pipeline.orchestration import promotion, runner, served_origin
from pipeline.orchestration.graph import STEPS
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace import integrity
from pipeline.workspace.fingerprint import code_of
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import read_seal
from pipeline.workspace.store import Store
from tests.pipeline import finished

PROJECT = Path(__file__).parents[2]

Hook = Callable[[str, tuple[object, ...]], None]
"""An audit hook: it is called with an event and its arguments (docs.python.org/3/library/audit_events.html)."""

Results = dict[str, str]
"""{step/fingerprint/file: digest} of all results."""


def prepare(patch: pytest.MonkeyPatch, scratch: Path, *, real: bool = False) -> Path:
    """Have this process and those forked from it run small steps, or the real ones; return the recipe."""
    os.environ["SEGLINE_REVISION"] = "endurance"  # so that no run calls git
    recipe = scratch / "net.yaml"
    if not real:
        finished.use_small_steps(patch)
        (scratch / "raw/train").mkdir(parents=True)
        (scratch / "raw/train/a.png").write_bytes(b"a")
        recipe.write_text(finished.RECIPE.format(raw=scratch / "raw"))
        loaded = load_recipe(str(recipe))
        for step in runner.STEPS:  # once, before the forks: the digests of the code are remembered
            sections = (loaded.section(name) for name in step.sections)
            code_of([step.module, *(module for section in sections for module in section.modules())])
        return recipe
    import tensorflow  # noqa: F401 - once, before the forks

    from datasets.camvid import sample

    sample.write(scratch / "raw", count=14, seed=3, size=(72, 96))
    text = (PROJECT / "tests/tiny.yaml").read_text().replace("set-by-the-test", str(scratch / "raw"))
    recipe.write_text(text.replace("samples: 2", "samples: 2, deterministic: true"))

    def run_child(run: RunFolder, workspace: Workspace, name: str, *, again: bool, **_: object) -> None:
        step = next(step for step in STEPS if step.name == name)
        runner.Runner(workspace, run.recipe(), run, Store(workspace.store), wait=True).execute(step, again=again)

    patch.setattr(runner, "run_child", run_child)
    return recipe


def with_times(recipe: Path, cron: str) -> Path:
    """Write a recipe with other times, under another name; its first call runs no slot, as none was just due."""
    other = recipe.with_name("scheduled.yaml")
    other.write_text(recipe.read_text().replace('cron: "30 2 * * *"', f'cron: "{cron}", grace_seconds: 1'))
    return other


def call(words: str, work: Path) -> int:
    """Call a command on a workspace, in this process; return its exit code."""
    return main([*words.split(), "--workspace", str(work)])


def start(function: Callable[[], int], log: Path, hook: Hook | None = None) -> int:
    """Fork a process that calls a function, with its output in a file; return its id."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        if hook:
            sys.addaudithook(hook)
        code = function()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def wait(function: Callable[[], int], log: Path, hook: Hook | None = None) -> tuple[int, str]:
    """Call a function in a process of its own; return its exit code, negative for a signal, and its output."""
    status = os.waitpid(start(function, log, hook), 0)[1]
    return os.waitstatus_to_exitcode(status), log.read_text(errors="replace")


def require_success(function: Callable[[], int], log: Path, what: str, hook: Hook | None = None) -> None:
    """Call a function in a process of its own; it must return 0 and print no traceback."""
    code, shown = wait(function, log, hook)
    assert code == 0 and "Traceback" not in shown, f"{what}: {code}: {shown[-3000:]}"


def published(work: Workspace) -> list[Path]:
    """Return the folders of results that count as complete."""
    return sorted(path for path in work.root.glob("artifacts/*/[!.]*") if path.suffix != ".partial")


def versions(work: Workspace) -> list[str]:
    """Return name/version of what is served."""
    return sorted(f"{name.name}/{one}" for name in work.serving.glob("[!.]*") for one in promotion.versions(name))


def results(work: Workspace) -> Results:
    """Return the digest of every file of every result, as the seals say."""
    return {
        f"{path.parent.name}/{path.name}/{file}": content
        for path in published(work)
        for file, content in read_seal(path)["files"].items()
    }


def require_nothing_half(work: Workspace) -> None:
    """Read every published folder and every served version in full: each must be what its seal says."""
    for artifact in published(work):
        integrity.require_intact(work, artifact, contents=True)
    for version in versions(work):
        served_origin.require_intact(work.serving / version)


def require_sound(work: Workspace) -> None:
    """Require that `segline verify` has nothing to say."""
    verification.require_sound(list(verification.verify(work)))


def files(work: Workspace) -> set[str]:
    """Return every file and link below artifacts/ and serving/, hidden ones too."""
    paths = [path for place in ("artifacts", "serving") for path in (work.root / place).rglob("*")]
    return {path.relative_to(work.root).as_posix() for path in paths if path.is_symlink() or path.is_file()}
