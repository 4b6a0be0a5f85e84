"""`./run` installs the tested versions or the newest; uses of library internals have an upper version bound."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

PROJECT = Path(__file__).parent.parent
PACKAGES = ("datasets", "models", "pipeline", "segline")

INNER = {
    "apache_beam.runners": "apache-beam",
    "keras.src": "keras",
    "tensorboard.compat": "tensorboard",
    "tensorboard.plugins": "tensorboard",
    "tensorboard.summary.writer": "tensorboard",
    "tensorflow.python": "tensorflow",
    "tensorflow_datasets.core": "tensorflow-datasets",
    "tensorflow_datasets.proto": "tensorflow-datasets",
    "uvicorn.protocols": "uvicorn",
    "yaml.constructor": "pyyaml",
    "yaml.composer": "pyyaml",
    "yaml.resolver": "pyyaml",
}
"""{module that its library does not document: the distribution}."""

PRIVATE = {"_all_reduce_sum_gradients": "keras", "_keras_history": "keras", "_trainable_variables": "keras"}
"""{private attribute of a library's objects: the distribution}; those of argparse come with Python."""
ARGPARSE = {"_actions", "_format_action", "_get_subactions", "_option_string_actions"}


def requirements(newest: str = "") -> dict[str, Requirement]:
    """Return the requirements of setup.py by name; `newest` is the value of SEGLINE_NEWEST."""
    values: dict[str, Any] = {"__file__": str(PROJECT / "setup.py")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGLINE_NEWEST", newest)
        exec((PROJECT / "setup.py").read_text().replace("\nsetup(", "\ndict("), values)
    return {Requirement(line).name: Requirement(line) for line in values["REQUIRES"]}


def extras() -> dict[str, list[str]]:
    tree = ast.parse((PROJECT / "setup.py").read_text())
    (call,) = (node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "extras_require")
    return ast.literal_eval(call.value)


def is_bounded(requirement: Requirement) -> bool:
    return any(specifier.operator == "<" for specifier in requirement.specifier)


def pins(path: Path) -> dict[str, set[str]]:
    """Return the versions of each distribution in a lock file: there may be one for each version of Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", path.read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]


def test_a_library_whose_internals_are_used_has_an_upper_bound() -> None:
    required, unbounded = requirements(), []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            used = {library for name in names for inner, library in INNER.items() if f"{name}.".startswith(f"{inner}.")}
            used |= {PRIVATE[node.attr]} if isinstance(node, ast.Attribute) and node.attr in PRIVATE else set()
            unbounded += [f"{path.name}: {library}" for library in used if not is_bounded(required[library])]
    assert not unbounded


def test_every_private_attribute_in_use_is_listed_in_setup_py() -> None:
    """Those of `self` and `cls` are exempt, as inherited attributes are not recognisable here."""
    unknown = [
        f"{path.relative_to(PROJECT)}:{node.lineno} {ast.unparse(node)}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr) and node.attr not in {*PRIVATE, *ARGPARSE}
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "other"))
    ]
    text = (PROJECT / "setup.py").read_text()
    assert not unknown and all(name in text for name in {*PRIVATE, *ARGPARSE})


def test_a_wheel_works_outside_the_clone(installed: Path, tmp_path: Path) -> None:
    """It holds every file of the packages, and `segline` and `import segline` work; the quickstart runs from it too."""
    for package in PACKAGES:
        assert files(installed / package) == files(PROJECT / package)
    code = "import segline\nprint(segline.__file__, segline.recipes()._repr_html_())"
    for command in (["-c", code], [installed / "bin" / "segline", "show", "demo"]):
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        shown = subprocess.run(
            [sys.executable, "-P", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert shown.stdout.startswith((f"{installed}/segline/__init__.py <table style=", "name: demo\n"))


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def test_the_newest_versions_have_no_upper_bound() -> None:
    newest = requirements(newest="1")
    assert newest.keys() == requirements().keys()
    assert not [name for name, requirement in newest.items() if is_bounded(requirement)]


def test_constraints_pin_every_requirement() -> None:
    pinned = pins(PROJECT / "constraints.txt")
    required = [*requirements().values()]
    required += [
        Requirement(line) for extra in ("test", "lint", "audit", "lock", "s3", "gs") for line in extras()[extra]
    ]
    unpinned = [
        str(requirement)
        for requirement in required
        if not (versions := pinned.get(requirement.name.lower().replace("_", "-")))
        or not all(requirement.specifier.contains(version) for version in versions)
    ]
    assert not unpinned, f"./run lock, for {', '.join(unpinned)}"


@pytest.mark.parametrize("flavor", ["cpu", "gpu"])
def test_the_containers_hold_the_tested_versions(flavor: str) -> None:
    tested = pins(PROJECT / "constraints.txt")
    locked = pins(PROJECT / "docker" / f"requirements-{flavor}.lock")
    other = {name: versions for name, versions in locked.items() if name in tested and versions != tested[name]}
    assert len(locked) > 50 and not other


def test_a_workflow_tests_the_newest_versions_every_week() -> None:
    (path,) = (PROJECT / ".github" / "workflows").glob("newest.y*ml")
    workflow = yaml.safe_load(path.read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", workflow[True]["schedule"][0]["cron"])  # YAML 1.1 reads `on` as true
    assert {"run": "./run test", "env": {"SEGLINE_NEWEST": "1"}} in steps


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with a blank in its path, whose .venv/bin/python only records its arguments."""
    folder = tmp_path / "a clone"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("run", "setup.py", "constraints.txt"):
        shutil.copy(PROJECT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\necho "${{PIP_CONSTRAINT-none}} $@" >> "{folder}/calls"\n')
    python.chmod(0o755)
    return folder


def installs(clone: Path, command: str = "test", newest: str = "") -> list[str]:
    """Run a command of ./run, and return its calls of pip install."""
    (clone / "calls").unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    subprocess.run([clone / "run", command], env=environment | {"SEGLINE_NEWEST": newest}, check=True, cwd="/")
    calls = (clone / "calls").read_text().splitlines()
    return [line for line in calls if "pip install" in line]


def test_run_installs_the_tested_versions_once(clone: Path) -> None:
    (call,) = installs(clone)
    assert call.startswith("constraints.txt -m pip install") and call.endswith("--editable .[test]")
    assert "--upgrade" not in call
    assert not installs(clone)


@pytest.mark.parametrize("name", ["setup.py", "constraints.txt"])
def test_run_installs_again_after_a_change(clone: Path, name: str) -> None:
    installs(clone)
    with (clone / name).open("a") as file:
        file.write("# changed\n")
    assert installs(clone) and not installs(clone)


def test_run_installs_the_newest_if_requested_and_then_the_tested_again(clone: Path) -> None:
    installs(clone)
    (call,) = installs(clone, newest="1")
    assert call.startswith("none -m pip install") and "--upgrade --upgrade-strategy eager --editable .[test]" in call
    (call,) = installs(clone)
    assert call.startswith("constraints.txt -m pip install")


def test_a_failed_installation_is_repeated(clone: Path) -> None:
    python = clone / ".venv" / "bin" / "python"
    working = python.read_text()
    python.write_text(working + 'case "$*" in *"pip install"*) exit 1;; esac\n')
    with pytest.raises(subprocess.CalledProcessError):
        installs(clone)
    python.write_text(working)
    assert installs(clone)
