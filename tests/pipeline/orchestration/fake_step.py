"""A step for tests of what runs steps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.config.recipe import Recipe
from pipeline.orchestration.graph import Step


@dataclass(frozen=True)
class FakeStep(Step):
    """A step whose code is `work`; it is fingerprinted as an empty module."""

    work: Callable[[Recipe, dict[str, Path], Path], None] = field(default=lambda config, inputs, out: None)

    @property
    def module(self) -> str:
        return "pipeline.steps"

    @property
    def run(self) -> Callable[[Recipe, dict[str, Path], Path], None]:
        return self.work
