"""What the repository tells GitHub, pre-commit and those who cite it agrees with what the code says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

PROJECT = Path(__file__).parent.parent
GITHUB = PROJECT / ".github"
SETUP = (PROJECT / "setup.py").read_text()
SCHEMAS = {
    "vendor.github-workflows": sorted((GITHUB / "workflows").glob("*.yaml")),
    "vendor.citation-file-format": [PROJECT / "CITATION.cff"],
    "vendor.github-issue-forms": sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yaml")),
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
}


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_workflow_runs_ci_on_every_python() -> None:
    job = load(GITHUB / "workflows" / "tests.yaml")["jobs"]["ci"]
    assert {"run": ".ci/run"} in job["steps"] and os.access(PROJECT / ".ci/run", os.X_OK)
    allowed = SpecifierSet(re.search(r'python_requires="([^"]+)"', SETUP)[1])
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed]


def test_the_hooks_check_what_lint_checks() -> None:
    (repository,) = load(PROJECT / ".pre-commit-config.yaml")["repos"]
    commands = [hook["entry"] for hook in repository["hooks"]]
    lint = re.search(r"^lint\)\n(.*?);;", (PROJECT / "run").read_text(), re.M | re.S)[1]
    assert commands == [
        ".venv/bin/ruff check --force-exclude",
        ".venv/bin/ruff format --force-exclude",
        ".venv/bin/mypy",
    ]
    assert all(" ".join(command.split()[:2]).removesuffix(" --force-exclude") in lint for command in commands)


def test_the_citation_is_of_this_version_and_licence() -> None:
    citation = load(PROJECT / "CITATION.cff")
    assert f'version="{citation["version"]}"' in SETUP
    assert f'license="{citation["license"]}"' in SETUP


@pytest.mark.parametrize("path", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_form_of_an_issue_has_what_github_asks_for(path: Path) -> None:
    form = load(path)
    assert form["name"] and form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids) and all(field["attributes"]["label"] for field in form["body"])


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_fit_the_published_schema(schema: str) -> None:
    """check-jsonschema includes these schemas."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which("check-jsonschema", path=path)
    if not program:
        pytest.skip("check-jsonschema is not installed (segline[deploy])")
    subprocess.run([program, "--builtin-schema", schema, *map(str, SCHEMAS[schema])], check=True)
