"""The steps of a recipe as tasks of an orchestrator: what each waits for, what it may use, and which command it is.

Each task is `segline step STEP RECIPE --run RUN`, so that an engine's run is one run of the workspace, and a task that
is tried again reuses what is done.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.config.schedule import ScheduleConfig
from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, STEP_NAMES, TRAIN, VALIDATE
from pipeline.errors import GateError, Paused, UserError
from pipeline.orchestration.graph import STEPS

FINAL = (UserError.exit_code, GateError.exit_code, Paused.exit_code)
"""Exit codes after which another attempt would end the same way."""

LONGEST_WAIT = 6 * 3600
"""Seconds: the doubled wait between two attempts ends there, as that of `segline run-due` does."""

_RESOURCES = re.compile(r"([1-9]\d*),([1-9]\d*(?:Mi|Gi|Ti)),(\d+)")

RECIPE, SLOT = "recipe", "slot"
"""Parameters of every pipeline, and of those whose recipe has `schedule.set`. No setting has these names."""


@dataclass(frozen=True)
class Resources:
    """What a task may use.

    Attributes:
        cpu: Cores that are kept for it; it may use more.
        memory: Most memory, as Kubernetes writes it: 16Gi.
        gpus: GPUs, all of which `strategy: auto` uses.
    """

    cpu: int
    memory: str
    gpus: int = 0


RESOURCES: Mapping[str, Resources] = {
    INGEST: Resources(4, "8Gi"),
    VALIDATE: Resources(2, "4Gi"),
    TRAIN: Resources(8, "32Gi", gpus=1),
    EVALUATE: Resources(4, "16Gi", gpus=1),
    GATE: Resources(1, "2Gi"),
    EXPORT: Resources(4, "16Gi"),
}
"""Defaults, ample for the recipes of this project; `--resources` names others."""

ANY_OTHER = Resources(2, "8Gi")
"""Of a step that was added since."""


@dataclass(frozen=True)
class Task:
    """A step, the steps that end before it begins, and what it may use."""

    step: str
    after: tuple[str, ...]
    resources: Resources


@dataclass(frozen=True)
class Pipeline:
    """A recipe as an orchestrator sees it.

    Attributes:
        name: The recipe's.
        served: Folder of its model under serving/.
        file: The recipe's file, absolute; None: it comes with Segline.
        settings: Defaults of the parameters that stand for --set: setting -> value, as YAML.
        image: Image of the containers.
        schedule: The recipe's own, if it has one.
        tasks: In the order in which they may run one after the other.
    """

    name: str
    served: str
    file: Path | None
    settings: Mapping[str, str]
    image: str
    schedule: ScheduleConfig | None
    tasks: tuple[Task, ...]

    @property
    def recipe_in_container(self) -> str:
        """RECIPE in a container, where docker/kubernetes mounts the files of docker/recipes."""
        return f"/recipes/{self.file.name}" if self.file else self.name

    @property
    def has_slot(self) -> bool:
        """Whether a run depends on the moment for which it is scheduled."""
        return bool(self.schedule and self.schedule.set)

    @property
    def retries(self) -> int:
        """Further attempts of a task that failed otherwise than FINAL."""
        return self.schedule.retries if self.schedule else int(ScheduleConfig.model_fields["retries"].default)

    @property
    def retry_seconds(self) -> int:
        """Wait before the first of them, in seconds; doubled each time."""
        schedule = self.schedule
        return int(schedule.retry_seconds if schedule else ScheduleConfig.model_fields["retry_seconds"].default)

    def parameters(self, recipe: str) -> dict[str, str]:
        """Return the pipeline's parameters and their defaults; `recipe` is the default of RECIPE."""
        settings = {parameter_name(key): value for key, value in self.settings.items()}
        return {RECIPE: recipe, **settings, **({SLOT: ""} if self.has_slot else {})}

    def arguments(self, step: str, run: str, reference: Callable[[str], str]) -> list[str]:
        """Return the arguments of `segline` for a step.

        Args:
            step: The step.
            run: How the engine writes the name of its run.
            reference: Gives how the engine writes the value of a parameter.
        """
        words = ["step", step, reference(RECIPE), "--run", run]
        for key in self.settings:
            words += ["--set", f"{key}={reference(parameter_name(key))}"]
        return [*words, "--slot", reference(SLOT)] if self.has_slot else words


def parameter_name(setting: str) -> str:
    """Return the name of the parameter that stands for a setting; engines allow no dot.

    >>> parameter_name("train.epochs")
    'train_epochs'
    """
    return setting.replace(".", "_")


def pipeline_of(recipe: str, overrides: Sequence[str], *, image: str, resources: Sequence[str]) -> Pipeline:
    """Read a recipe and lay out its tasks. Weights and data are not looked for: they are where the tasks run.

    Args:
        recipe: Name or path.
        overrides: Settings in the form of --set; each becomes a parameter, with this value as its default.
        image: Image of the containers.
        resources: In the form of --resources; other steps keep their defaults.

    Raises:
        UserError: The recipe or the resources are invalid; all faults of a kind are named.
    """
    path = recipe_file.find(recipe)
    loaded: Recipe = recipe_file.read(path, overrides)
    settings = {key.strip(): value for key, _, value in (override.partition("=") for override in overrides)}
    chosen = {**RESOURCES, **parse_resources(resources)}
    tasks = tuple(Task(step.name, step.predecessors, chosen.get(step.name, ANY_OTHER)) for step in STEPS)
    file = None if recipe in recipe_file.names() else path.resolve()
    return Pipeline(loaded.name, loaded.serving_name, file, settings, image, loaded.schedule, tasks)


def parse_resources(texts: Sequence[str]) -> dict[str, Resources]:
    """Parse STEP=CPU,MEMORY,GPUS.

    >>> parse_resources(["train=16,64Gi,8"])
    {'train': Resources(cpu=16, memory='64Gi', gpus=8)}

    Raises:
        UserError: A text has another form, or names no step.
    """
    chosen, problems = dict[str, Resources](), list[str]()
    for text in texts:
        step, _, rest = text.partition("=")
        match = _RESOURCES.fullmatch(rest)
        if step not in STEP_NAMES:
            problems.append(f"{text!r} names no step. Steps: {', '.join(STEP_NAMES)}.")
        elif not match:
            problems.append(f"{text!r} is not STEP=CPU,MEMORY,GPUS, such as train=8,32Gi,1.")
        else:
            chosen[step] = Resources(int(match[1]), match[2], int(match[3]))
    if problems:
        raise UserError("\n".join(["--resources:", *(f"  {problem}" for problem in problems)]))
    return chosen
