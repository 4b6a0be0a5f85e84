"""Runs and sweeps as objects: their metrics, curves, report and model."""

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.commands import default_workspace, require_workspace
from pipeline.config.step_names import EVALUATE, EXPORT, INGEST, TRAIN
from segline import cells
from segline.errors import sentences
from segline.tables import Metrics, Table

if TYPE_CHECKING:
    from PIL.Image import Image

    from segline.predictor import Model

KINDS = ("worst", "median", "best")
"""Kinds of images, by which pipeline/drawing/overlays.py begins their file names: <kind>-<rank>-<id>.png."""


class Run:
    """A run of a recipe.

    Attributes:
        id: Its name.
        path: Its folder: recipe, log, report, and links to its results.
    """

    def __init__(self, name: str, *, workspace: "str | os.PathLike[str] | None" = None) -> None:
        """Open a run.

        Args:
            name: Its name, or the beginning of it.
            workspace: Its folder of results; None: $SEGLINE_WORKSPACE, or ./workspace.

        Raises:
            Error: There is no such run, or several begin so.
        """
        root = folder_of(workspace)
        with sentences(root):
            require_workspace(root)
            from pipeline.lineage.history import find_run
            from pipeline.workspace.layout import Workspace
            from pipeline.workspace.run_folder import RunFolder

            self.id = find_run(Workspace(root), name).id
            self._workspace = Workspace(root.absolute())  # also after a change of the working directory
            self._folder = RunFolder.open(self._workspace, self.id)
        self.path = root / "runs" / self.id

    @property
    def metrics(self) -> Metrics:
        """The metrics of its evaluation.

        Raises:
            Error: It has not evaluated.
        """
        from datasets.spec import DatasetSpec
        from pipeline.evaluation import metric_names
        from pipeline.workspace import json_file

        measured: dict[str, Any] = json_file.read(self._artifact(EVALUATE) / "metrics.json")
        spec = DatasetSpec.read(self._artifact(INGEST) / "spec.json")
        ranges = measured["intervals"]["figures"]
        total = sum(row["pixels"] for row in measured["per_class"]) or 1
        rows = []
        for row, colour in zip(measured["per_class"], spec.colours, strict=True):
            low, high = ranges.get(f"iou/{row['name']}") or (None, None)
            values = {"IoU": row["iou"], "low": low, "high": high, "precision": row["precision"]}
            values |= {"recall": row["accuracy"], "F1": row["f1"], "share of pixels": row["pixels"] / total}
            rows.append({"class": row["name"], "colour": colour, **values})
        caption = f"{measured['images']:,} images of {measured['split']}"
        intervals = {name: (ends[0], ends[1]) for name, ends in ranges.items() if ends}
        return Metrics(metric_names.flat(measured), Table(rows, caption), intervals)

    @property
    def history(self) -> "History":
        """What its training measured, a row for each epoch.

        Raises:
            Error: It has not trained.
        """
        from pipeline.workspace import json_file

        return History(json_file.read(self._artifact(TRAIN) / "history.json"))

    @property
    def report(self) -> "Report":
        """Its report, a page of its own.

        Raises:
            Error: It has not evaluated.
        """
        self._artifact(EVALUATE)  # after which it is written
        return Report(self.path / "report.html")

    @property
    def pictures(self) -> "list[Image]":
        """Some images of its evaluation, the worst first: image, truth, prediction and error side by side.

        Raises:
            Error: It has not evaluated.
        """
        from PIL import Image

        strips = (self._artifact(EVALUATE) / "overlays").glob("*.png")
        return [Image.open(strip) for strip in sorted(strips, key=_rank)]

    @cached_property
    def model(self) -> "Model":
        """The model that it exported, loaded.

        Raises:
            Error: It has not exported, as where the gate did not pass.
        """
        from segline import predictor

        with sentences(self._workspace.root):
            return predictor.load(self.exported)

    @property
    def exported(self) -> Path:
        """The SavedModel that it exported.

        Raises:
            Error: It has not exported.
        """
        return self._artifact(EXPORT) / "saved_model"

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._folder.log_file.read_text(encoding="utf-8", errors="replace")

    def _artifact(self, step: str) -> Path:
        with sentences(self._workspace.root):
            from pipeline.workspace import integrity

            artifact = self._folder.artifact(step)
            integrity.require_intact(self._workspace, artifact)
            return artifact

    def __repr__(self) -> str:
        evaluated = (self._folder.path / EVALUATE).is_dir()
        miou = self.metrics["miou"] if evaluated else None
        return f"Run({self.id!r})" if miou is None else f"Run({self.id!r}, mIoU {miou:.4f})"

    def _repr_html_(self) -> str:
        if not (self._folder.path / EVALUATE).is_dir():
            return cells.html(cells.heading(f"Run {self.id}"))
        shown = [cells.heading(f"Run {self.id}"), *self.metrics.blocks(), *cells.curves(self.history)]
        return cells.html(*shown, *(cells.picture(strip, "An image of the evaluation") for strip in self.pictures[:1]))


class History(Table):
    """What a training measured, a row for each epoch; a notebook shows the curves."""

    def _repr_html_(self) -> str:
        return cells.html(*cells.curves(self))


class Report:
    """report.html of a run; a notebook shows the page. `open(run.report)` and `Path(run.report)` take it as a path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Report({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return cells.html(cells.page(self.path))


class Sweep(Table):
    """The members of a sweep, the best first: their settings, the metric that orders them, state and run."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], by: str, workspace: Path) -> None:
        super().__init__(rows, f"Sweep, by {by}")
        self._workspace = workspace

    @property
    def best(self) -> Run:
        """The run of the best member."""
        return Run(self[0]["run"], workspace=self._workspace)


def _rank(strip: Path) -> tuple[int, int]:
    kind, rank, _ = strip.name.split("-", 2)
    return KINDS.index(kind), int(rank)


def folder_of(workspace: "str | os.PathLike[str] | None") -> Path:
    """Return the folder of a workspace, as a command without `--workspace` chooses it."""
    return default_workspace() if workspace is None else Path(workspace)
