"""The graph of steps is consistent, so that a wrong entry fails before anything runs."""

from pathlib import Path

import pytest

from pipeline.config.recipe import Recipe
from pipeline.config.step_names import STEP_NAMES
from pipeline.orchestration.graph import RAW, SERVED, STEPS, Step


def test_the_graph_has_every_step_of_the_command_line() -> None:
    assert tuple(step.name for step in STEPS) == STEP_NAMES


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_reads_only_earlier_results(step: Step) -> None:
    before = {RAW, SERVED, *STEP_NAMES[: STEP_NAMES.index(step.name)]}
    assert set(step.reads) <= before
    assert step.writes


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_has_code_and_its_sections_exist(step: Step, tiny_recipe: Recipe) -> None:
    assert Path(__file__).parents[3].joinpath(*step.module.split(".")).with_suffix(".py").is_file()
    assert all(tiny_recipe.section(name) for name in step.sections)
