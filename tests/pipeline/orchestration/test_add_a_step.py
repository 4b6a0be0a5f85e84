"""Follow the list "Add a step" of CONTRIBUTING.md in a copy of the project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]

STEP = '''"""Survey: statistics -> the classes with at least so many images."""

from pathlib import Path

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import VALIDATE
from pipeline.workspace import json_file


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Write survey.json."""
    statistics = json_file.read(inputs[VALIDATE] / "statistics.json")
    counts = statistics["splits"]["train"]["images_with_class"]
    names = [name for name, count in zip(statistics["classes"], counts) if count >= config.survey.least]
    json_file.write(out / "survey.json", names)
'''

SECTION = '''"""The recipe's section `survey`."""

from pipeline.config.section import Section


class SurveyConfig(Section):
    """Which classes count."""

    least: int = 1
'''


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


@pytest.mark.slow
def test_a_step_added_as_the_list_says_runs(camvid_raw: Path, tmp_path: Path) -> None:
    code = tmp_path / "code"
    for package in ("datasets", "models", "pipeline"):
        shutil.copytree(PROJECT / package, code / package, ignore=shutil.ignore_patterns("__pycache__"))
    pipeline = code / "pipeline"
    # 1 to 4 of the list
    (pipeline / "steps/survey.py").write_text(STEP)
    edit(
        pipeline / "config/step_names.py",
        "STEP_NAMES = (INGEST, VALIDATE,",
        'STEP_NAMES = (INGEST, VALIDATE, "survey",',
    )
    line = '    Step("survey", ("survey",), (VALIDATE,), ("survey.json",)),\n'
    edit(pipeline / "orchestration/graph.py", "    Step(\n        TRAIN,", f"{line}    Step(\n        TRAIN,")
    (pipeline / "config/survey.py").write_text(SECTION)
    recipe = pipeline / "config/recipe.py"
    edit(
        recipe,
        "\nfrom pipeline.config.train",
        "\nfrom pipeline.config.survey import SurveyConfig\nfrom pipeline.config.train",
    )
    edit(recipe, "    model: ModelConfig\n", "    model: ModelConfig\n    survey: SurveyConfig = SurveyConfig()\n")
    # 5: one entry of the table
    follow_up = pipeline / "orchestration/follow_up.py"
    entry = '    "survey": Around(after=(lambda context: print("survey    is followed"),)),\n'
    edit(follow_up, "    TRAIN: Around(", f"{entry}    TRAIN: Around(")

    def segline(*arguments: str) -> str:
        shown = subprocess.run(
            [sys.executable, "-P", "-m", "pipeline", *arguments],
            env={**os.environ, "PYTHONPATH": str(code)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.returncode == 0, shown.stdout + shown.stderr
        return shown.stdout

    options = (str(PROJECT / "tests/tiny.yaml"), "--set", f"data.manual_dir={camvid_raw}")
    first = segline("run", *options, "--until", "survey")
    assert "survey    runs     for the first time" in first and "survey    is followed" in first
    (written,) = (tmp_path / "workspace").glob("artifacts/survey/*/survey.json")
    assert "Road" in json.loads(written.read_text())
    assert "survey    reused" in segline("run", *options, "--until", "survey")
    assert "survey    run      survey.least 1 -> 2" in segline("explain", *options, "--set", "survey.least=2")
