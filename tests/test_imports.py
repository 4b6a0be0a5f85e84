"""The tree is the architecture: who may import whom, and what the light commands must not import."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FORBIDDEN = {
    "datasets": {"models", "pipeline", "segline", "tensorflow", "keras"},
    "models": {"datasets", "pipeline", "segline", "tensorflow_datasets", "apache_beam"},
    "pipeline": {"segline"},
    "segline": set(),
}
HEAVY = {"tensorflow", "keras", "apache_beam", "tensorflow_datasets", "numpy", "PIL", "pydantic"}

LAYERS = (
    ("errors", "console"),
    ("config",),
    ("workspace", "cluster"),
    ("input", "host", "storage"),
    ("drawing", "evaluation"),
    ("data", "training"),
    ("export", "report"),
    ("steps", "orchestration", "serving"),
    ("analysis", "engines", "schedule", "lineage"),
    ("cli",),
    ("__main__",),
)
"""What pipeline/ is made of, from the bottom up: each imports only from rows above its own in this list."""

SHARED_NAMES = {
    "ingest.py": "the step, and the section `ingest:` of the recipe",
    "validate.py": "the step, and the section `validate:`",
    "train.py": "the step, and the section `train:`",
    "evaluate.py": "the step, and the section `evaluate:`",
    "export.py": "the step, and the section `export:`",
    "gate.py": "the step, and the rules of its verdict in evaluation/",
}
"""File names that pipeline/ holds twice, and why; in a traceback or an editor's list any other pair is a riddle."""

ALIASES = {
    "numpy": {"np"},  # these four: as in the libraries' own documentation
    "tensorflow": {"tf"},
    "tensorflow_datasets": {"tfds"},
    "apache_beam": {"beam"},
    "catalog": {"datasets_catalog", "models_catalog", "losses_catalog"},  # the recipe's sections need all three
}
"""Imports that may have an alias, and which."""


def imports_of(source: str) -> set[str]:
    """Every absolute module that a source imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def sources(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_arrows_run_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(PROJECT)} imports {name}"
        for path in sources(package)
        for name in imports_of(path.read_text())
        if name.split(".")[0] in FORBIDDEN[package]
    ]
    assert sources(package) and not wrong, "\n".join(wrong)


def test_a_step_never_imports_a_step() -> None:
    wrong = [
        f"{path.name} imports {name}"
        for path in sources("pipeline/steps")
        for name in imports_of(path.read_text())
        if name.startswith("pipeline.steps")
    ]
    assert not wrong, "\n".join(wrong)


def test_pipeline_imports_from_lower_layers_only() -> None:
    row = {package: number for number, packages in enumerate(LAYERS) for package in packages}
    wrong = []
    for path in sources("pipeline"):
        package = path.relative_to(PROJECT / "pipeline").parts[0].removesuffix(".py")
        for name in imports_of(path.read_text()) if package != "__init__" else ():
            head, _, rest = name.partition(".")
            other = rest.partition(".")[0]
            if head == "pipeline" and other in row and other != package and row[other] >= row[package]:
                wrong.append(f"{path.relative_to(PROJECT)} (row {row[package] + 1}) imports {name} ({row[other] + 1})")
    assert not wrong, "\n".join(sorted(wrong))


def test_pipeline_holds_packages_and_three_modules() -> None:
    """Every package has a row in LAYERS; recipes/ holds data."""
    held = {path.name for path in (PROJECT / "pipeline").iterdir() if path.name != "__pycache__"}
    packages = {name for row in LAYERS for name in row} - {"errors", "__main__"}
    assert held == packages | {"recipes", "__init__.py", "__main__.py", "errors.py"}
    assert all((PROJECT / "pipeline" / name / "__init__.py").is_file() for name in packages)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports at module level and inside functions count alike."""
    paths = {path: path.relative_to(PROJECT).with_suffix("") for package in FORBIDDEN for path in sources(package)}
    sources_of = {".".join(path.parts).removesuffix(".__init__"): file.read_text() for file, path in paths.items()}
    graph = {name: (imports_of(text) & sources_of.keys()) - {name} for name, text in sources_of.items()}
    for name, imported in graph.items():
        # `from package import module` names the package as well; what is meant is the module.
        imported -= {parent for parent in imported if any(other.startswith(f"{parent}.") for other in imported)}
        imported -= {parent for parent in imported if name.startswith(f"{parent}.")}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_modules_of_pipeline_have_names_of_their_own() -> None:
    names = Counter(path.name for path in sources("pipeline") if path.name != "__init__.py")
    assert {name for name, times in names.items() if times > 1} == set(SHARED_NAMES)


def test_no_import_needs_an_alias() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{node.lineno}: {alias.name} as {alias.asname}"
        for package in FORBIDDEN
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
        if alias.asname not in (None, alias.name, *ALIASES.get(alias.name, ()))
    ]
    assert not wrong, "\n".join(wrong)


def test_an_import_inside_a_function_is_found() -> None:
    assert "tensorflow" in imports_of("def late():\n    import tensorflow\n")


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["run", "--help"]])
def test_light_commands_import_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pipeline.__main__ import main\n"
        f"try:\n    main({arguments!r} + {['--workspace', str(tmp_path)] if arguments == ['status'] else []!r})\n"
        "except SystemExit:\n    pass\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "heavy: []"


def test_no_file_is_long() -> None:
    long = {
        str(path.relative_to(PROJECT)): lines
        for package in FORBIDDEN
        for path in sources(package)
        if (lines := len(path.read_text().splitlines())) > 300
    }
    assert not long


def test_a_wheel_holds_every_file_of_the_packages() -> None:
    """What setup.py's find_packages and package_data take, held against the tree."""
    (call,) = (
        node
        for node in ast.walk(ast.parse((PROJECT / "setup.py").read_text()))
        if isinstance(node, ast.keyword) and node.arg == "package_data"
    )
    data = ast.literal_eval(call.value)
    lost = [
        str(path.relative_to(PROJECT))
        for package in FORBIDDEN
        for path in (PROJECT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if not (
            (path.parent / "__init__.py").is_file()
            if path.suffix == ".py"
            else any(path in (PROJECT / package).glob(pattern) for pattern in data.get(package, []))
        )
    ]
    assert not lost, "\n".join(lost)


def test_every_dependency_is_argued() -> None:
    required = re.search(r"REQUIRES = \[(.*?)\n\]", (PROJECT / "setup.py").read_text(), re.DOTALL)
    argued = (PROJECT / "CONTRIBUTING.md").read_text().split("## Dependencies")[1].lower().replace("-", " ")
    assert required
    names = re.findall(r'^ +"([\w-]+)', required.group(1), re.MULTILINE)
    assert len(names) > 10
    assert not [name for name in names if name.lower().replace("-", " ") not in argued]


@pytest.mark.parametrize("package", ["datasets", "models"])
def test_a_foreign_package_is_named(package: str, tmp_path: Path) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "pipeline", "recipes"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{PROJECT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 2 and "Traceback" not in shown.stderr
    assert f"another package called `{package}`" in shown.stderr
