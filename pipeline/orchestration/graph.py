"""The whole data flow on one screen.

    raw folder -> ingest -> validate -> train -> evaluate -> export -> serving/<name>/<version>/
                  records   statistics  weights  metrics,    SavedModel,
                  audit     anomalies   events   verdict     parity

A step reads folders and writes one folder. Its fingerprint is made of its sections of the recipe, the contents of what
it reads, the source of every project module it imports, and the versions of the libraries those import.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cluster.members import CLUSTERED
from pipeline.config.recipe import Recipe

RAW = "raw"
"""Input from outside: the dataset's raw folder."""

SERVED = "served"
"""Input from outside: the model that serving/<name>/ held before this one; absent the first time."""

CACHE, CACHE_ANEW, DIGESTS, REFUSAL = "cache", "cache_anew", "digests", "refusal"
"""What a step that is `cached` finds among its inputs besides; none is fingerprinted."""


@dataclass(frozen=True)
class Step:
    """One line of the graph.

    Attributes:
        name: The step's name; its code is `run(config, inputs, out)` in pipeline/steps/<name>.py.
        sections: Sections of the recipe that the step sees.
        reads: Steps whose folders it reads, or RAW, SERVED.
        writes: What its folder must hold to be complete.
        resumes: Whether a killed step goes on from what it left. Otherwise it begins with an empty folder.
        cached: Whether it is given a folder that outlives it, CACHE, and if it reads RAW the digests of the raw files,
            DIGESTS, so that it need not do again what it once did, and where to tell of raw files that it refuses,
            REFUSAL. Its result must not depend on them. With --rerun the folder is called CACHE_ANEW: other runs may be
            using it, so nothing is removed; but nothing is taken from it either.
        distributed: Whether all workers of a job do it together, if its `strategy` in the recipe lets them; what is
            not is done by the chief alone.
        promotes: Whether what it publishes is copied to serving/.
        version: Raise it to have results made anew where no fingerprint would change.
    """

    name: str
    sections: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    resumes: bool = False
    cached: bool = False
    distributed: bool = False
    promotes: bool = False
    version: int = 1

    def shared_out(self, recipe: Recipe) -> bool:
        """Whether the workers of a job do it together, as the recipe has it."""
        section: Any = recipe.section(self.name)
        return self.distributed and section.strategy in CLUSTERED

    def require_written(self, folder: Path) -> None:
        """Raise RuntimeError unless a folder holds all that the step is to write."""
        missing = [name for name in self.writes if not (folder / name).exists()]
        if missing:
            raise RuntimeError(f"Step {self.name} ended without writing {', '.join(missing)}.")

    @property
    def module(self) -> str:
        """Module that holds the step's `run`."""
        return f"pipeline.steps.{self.name}"

    @property
    def run(self) -> Callable[[Recipe, dict[str, Path], Path], None]:
        """The step's code. Imports it, and with it what it needs."""
        function: Callable[[Recipe, dict[str, Path], Path], None] = importlib.import_module(self.module).run
        return function


STEPS = (
    Step("ingest", ("data", "ingest"), (RAW,), ("records", "spec.json", "audit.json"), cached=True),
    Step("validate", ("validate",), ("ingest",), ("statistics.json", "weights.json", "anomalies.json")),
    Step(
        "train",
        ("input", "model", "train"),
        ("ingest", "validate"),
        ("weights.h5", "history.json", "scalars.jsonl", "events"),
        resumes=True,
        cached=True,
        distributed=True,
    ),
    Step(
        "evaluate",
        ("input", "model", "evaluate"),
        ("ingest", "train", SERVED),
        ("metrics.json", "verdict.json", "per_image.npz", "speed.json", "pictures", "overlays"),
        distributed=True,
    ),
    Step(
        "export",
        ("input", "model", "export"),
        ("ingest", "train", "evaluate"),
        ("saved_model", "parity.json", "formats.json"),
        promotes=True,
    ),
)
