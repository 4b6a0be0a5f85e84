"""The whole data flow on one screen.

    raw folder -> ingest -> validate -> train -> evaluate -> gate -> export -> serving/<name>/<version>/
                  records   statistics  weights  metrics     verdict SavedModel
                  audit     anomalies   events   pictures            parity

A step reads folders and writes one folder. Its fingerprint is made of its sections of the recipe, the contents of what
it reads, the source of every project module it imports, and the versions of the libraries those import. What is checked
before a step and what follows it stands in follow_up.py.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cluster.members import CLUSTERED
from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, STEP_NAMES, TRAIN, VALIDATE

if TYPE_CHECKING:  # `segline status` imports this module, and must not wait for pydantic
    from pipeline.config.recipe import Recipe

RAW = "raw"
"""Input from outside: the dataset's raw folder."""

SERVED = "served"
"""Input from outside: the model that serving/<name>/ held before this one; absent the first time."""

CACHE, FRESH_CACHE, DIGESTS, REFUSAL = "cache", "fresh_cache", "digests", "refusal"
"""Further inputs of a step that is `cached`; none is fingerprinted."""


@dataclass(frozen=True)
class Step:
    """One line of the graph.

    Attributes:
        name: The step's name; its code is `run(config, inputs, out)` in pipeline/steps/<name>.py.
        sections: Sections of the recipe that the step sees.
        reads: Steps whose folders it reads, or RAW, SERVED.
        writes: What its folder must hold to be complete.
        resumes: Whether a killed step resumes from what it left. Otherwise it starts with an empty folder.
        cached: Whether it is given a folder that outlives it, CACHE, and if it reads RAW the digests of the raw files,
            DIGESTS, so that it need not repeat earlier work, and the file in which to list raw files that it refuses,
            REFUSAL. Its result must not depend on them. With --rerun the folder is called FRESH_CACHE: other runs may
            use it, so nothing is removed; but nothing is taken from it either.
        after: Steps that come before it although it reads nothing of theirs.
        distributed: Whether all workers of a job do it together, if its `strategy` in the recipe lets them; the chief
            does every other step by itself.
        version: Raise it to have results remade where no fingerprint would change.
    """

    name: str
    sections: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    resumes: bool = False
    cached: bool = False
    after: tuple[str, ...] = ()
    distributed: bool = False
    version: int = 1

    def is_shared(self, recipe: "Recipe") -> bool:
        """Return whether the workers of a job do it together under this recipe."""
        section: Any = recipe.section(self.name)
        return self.distributed and section.strategy in CLUSTERED

    @property
    def predecessors(self) -> tuple[str, ...]:
        """Steps that must have ended before it begins, in the order in which they run."""
        return tuple(name for name in STEP_NAMES if name in (*self.reads, *self.after))

    def require_written(self, folder: Path) -> None:
        """Raise RuntimeError unless a folder holds everything that the step writes."""
        missing = [name for name in self.writes if not (folder / name).exists()]
        if missing:
            raise RuntimeError(f"Step {self.name} ended without writing {', '.join(missing)}.")

    @property
    def module(self) -> str:
        """Module that holds the step's `run`."""
        return f"pipeline.steps.{self.name}"

    @property
    def run(self) -> "Callable[[Recipe, dict[str, Path], Path], None]":
        """The step's code. Imports it, and with it what it needs."""
        function: Callable[[Recipe, dict[str, Path], Path], None] = importlib.import_module(self.module).run
        return function


STEPS = (
    Step(INGEST, ("data", "ingest"), (RAW,), ("records", "spec.json", "audit.json"), cached=True),
    Step(VALIDATE, ("validate",), (INGEST,), ("statistics.json", "weights.json", "anomalies.json")),
    Step(
        TRAIN,
        ("input", "model", "train"),
        (INGEST, VALIDATE),
        ("weights.h5", "history.json", "scalars.jsonl", "events"),
        resumes=True,
        cached=True,
        distributed=True,
    ),
    Step(
        EVALUATE,
        ("input", "model", "evaluate"),
        (INGEST, TRAIN),
        ("metrics.json", "per_image.npz", "speed.json", "pictures", "overlays"),
        distributed=True,
    ),
    Step(GATE, ("evaluate",), (EVALUATE, SERVED), ("verdict.json",)),
    Step(
        EXPORT,
        ("input", "model", "export"),
        (INGEST, TRAIN, EVALUATE),
        ("saved_model", "parity.json", "formats.json"),
        after=(GATE,),
    ),
)

assert tuple(step.name for step in STEPS) == STEP_NAMES
