"""`segline tensorboard`: every training of a workspace side by side, under the name of the run that made it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config import recipe_file as recipes
from pipeline.config.recipe import described
from pipeline.console.quiet import ENVIRONMENT, quiet
from pipeline.errors import UserError
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import SEAL, Workspace, read_seal
from pipeline.workspace.store import Store

REFRESH_SECONDS = 5.0
"""Time between two looks for new trainings."""

SHOWN = ("events.out.*", "plugins/profile/*")
"""What of a training's events TensorBoard reads."""

PROGRAM = """
from pipeline.quiet import quiet
with quiet():
    import tensorflow
from tensorboard.main import run_main
run_main()
"""
"""TensorBoard, whose greeting holds the address, without TensorFlow's."""

METRICS = ("final/miou", "final/pixel_accuracy", "final/val_loss", "final/epoch", "epoch/loss", "train/images_per_s")
"""What the page HParams shows of each training."""


def serve(workspace: Workspace, port: int | None) -> int:
    """Serve until TensorBoard ends or Ctrl-C comes; trainings that begin meanwhile appear. Gives its exit code.

    Args:
        workspace: Whose trainings.
        port: Where; None: 6006, or the next one that is free.
    """
    view = workspace.root / "cache" / "tensorboard"
    found = refresh(workspace, view)
    if not found:
        raise UserError(f"No training has begun in {workspace.root} yet. Begin with: segline run RECIPE")
    print(f"tensorboard of {len(found)} training{'s' * (len(found) > 1)}; Ctrl-C ends it", flush=True)
    command = [sys.executable, "-P", "-c", PROGRAM, "--logdir", str(view), "--host", "localhost"]
    command += [] if port is None else ["--port", str(port)]
    command += ["--reload_interval", str(round(REFRESH_SECONDS))]
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    child = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path})
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(REFRESH_SECONDS)
            refresh(workspace, view)
    except KeyboardInterrupt:
        return 0
    finally:
        child.terminate()
        child.wait()


def refresh(workspace: Workspace, view: Path) -> dict[str, Path]:
    """Make `view` hold a folder for each training, under the name of the run that made it; give {run: its events}."""
    view.mkdir(parents=True, exist_ok=True)
    found = trainings(workspace)
    for place in view.iterdir():
        if place.is_symlink() or (place.is_dir() and place.name not in found):
            place.unlink() if place.is_symlink() else shutil.rmtree(place)
    new = [run for run in found if not (view / run).is_dir()]
    for run, events in found.items():
        _link(events, view / run)
    if new:
        _write_columns(workspace, view, list(found))
    return found


def _link(events: Path, place: Path) -> None:
    """Link each file and each profile of a training: the page Profile follows no links to the folders above them."""
    wanted = {place / path.relative_to(events): path for part in SHOWN for path in events.glob(part)}
    for path in place.rglob("*"):
        if path.is_symlink() and (path not in wanted or path.readlink() != wanted[path]):
            path.unlink()
    place.mkdir(exist_ok=True)
    for path, target in wanted.items():
        if not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)


def trainings(workspace: Workspace) -> dict[str, Path]:
    """Find the events of each training, done or going on, by the name of the run that made it."""
    folder = workspace.root.resolve() / "artifacts" / "train"
    found = {}
    for seal in sorted(folder.glob(f"*/{SEAL}")):
        with suppress(UserError):  # a damaged one is none of TensorBoard's business
            found[read_seal(seal.parent)["run"]] = seal.parent / "events"
    if workspace.store.is_file():
        store = Store(workspace.store)
        for execution in store.executing():
            events = workspace.partial("train", execution["key"]).resolve() / "events"
            if execution["step"] == "train" and events.is_dir():
                found[execution["run"]] = events
        store.close()
    return found


def _write_columns(workspace: Workspace, view: Path, runs: list[str]) -> None:
    """Tell HParams which settings to show, those in which the trainings differ, and which figures."""
    with quiet():
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api_pb2, summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

    values = [found for run in runs if (found := _settings(workspace, run))]
    keys = [key for key in dict.fromkeys(key for one in values for key in one) if _differs(values, key)]
    infos = [api_pb2.HParamInfo(name=key, display_name=key, type=_kind(values[0].get(key))) for key in keys]
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=tag) for tag in METRICS]
    for old in view.glob("events.out.*"):
        old.unlink()
    told = summary.experiment_pb(hparam_infos=infos, metric_infos=metrics)
    writer = EventFileWriter(str(view))
    writer.add_event(Event(wall_time=time.time(), summary=Summary.FromString(told.SerializeToString())))
    writer.close()


def _settings(workspace: Workspace, run: str) -> dict[str, Any]:
    try:
        recipe = recipes.read(workspace.run(run) / "recipe.yaml")
    except (UserError, OSError):  # made by another version of Segline, or the folder of its run is not here
        return {}
    return described(recipe, ("input", "model", "train"))


def _differs(values: Sequence[Mapping[str, Any]], key: str) -> bool:
    return len({str(one.get(key)) for one in values}) > 1


def _kind(value: Any) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_FLOAT64 if isinstance(value, int | float) else api_pb2.DATA_TYPE_STRING
