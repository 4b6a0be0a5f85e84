"""The tree is the architecture: which package may import which, and what the light commands may not import."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FORBIDDEN = {
    "datasets": {"models", "pipeline", "tensorflow", "keras"},
    "models": {"datasets", "pipeline", "tensorflow_datasets", "apache_beam"},
    "pipeline": set(),
}
HEAVY = {"tensorflow", "keras", "apache_beam", "tensorflow_datasets", "numpy", "PIL", "pydantic"}


def imports_of(source: str) -> set[str]:
    """Every absolute module that a source imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


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
    asked = re.search(r"REQUIRES = \[(.*?)\n\]", (PROJECT / "setup.py").read_text(), re.DOTALL)
    argued = (PROJECT / "CONTRIBUTING.md").read_text().split("## Dependencies")[1].lower().replace("-", " ")
    assert asked
    names = re.findall(r'^ +"([\w-]+)', asked.group(1), re.MULTILINE)
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
