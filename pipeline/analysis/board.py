"""`segline tensorboard`: show every training of a workspace under the name of its run."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.config import recipe_file
from pipeline.config.recipe import hyper_parameters
from pipeline.config.step_names import TRAIN
from pipeline.console.quiet import ENVIRONMENT, quiet
from pipeline.errors import UserError
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import Workspace
from pipeline.workspace.seal import SEAL, read_seal
from pipeline.workspace.store import Store

PORT, PORTS = 6006, 10
"""TensorBoard's own port, and how many from there on are tried."""

COLUMNS = "events.out.tfevents.0.columns"
"""File of the page HParams' columns, in the folder of one training: beside them it would be a training of its own. Its
name sorts before those of TensorBoard's writer, after which TensorBoard reads no earlier file."""

REFRESH_SECONDS = 5.0
"""Seconds between two searches for new trainings."""

SHOWN = ("events.out.*", "plugins/profile/*")
"""Files of a training's events folder that TensorBoard reads."""

PROGRAM = """
from pipeline.console.quiet import quiet
with quiet():
    import tensorflow
from tensorboard.main import run_main
run_main()
"""
"""TensorBoard with its own start-up lines, which hold the address, and without TensorFlow's."""

METRICS = ("final/miou", "final/pixel_accuracy", "final/val_loss", "final/epoch", "epoch/loss", "train/images_per_s")
"""Columns of the page HParams."""


def serve(workspace: Workspace, port: int | None) -> int:
    """Serve until TensorBoard ends or Ctrl-C; trainings that start meanwhile appear. Return TensorBoard's exit code.

    Args:
        workspace: The workspace whose trainings are shown.
        port: None: 6006, or the next one that is free.

    Raises:
        UserError: No training has started.
    """
    view = workspace.root / "cache" / "tensorboard"
    shown = refresh(workspace, view)
    if not shown:
        raise UserError(f"No training has begun in {workspace.root} yet. Begin with: segline run RECIPE")
    port = free_port() if port is None else port
    trainings_shown = f"{len(shown)} training{'s' * (len(shown) > 1)}"
    # TensorBoard says its address only after TensorFlow's import.
    print(f"http://localhost:{port}/ shows {trainings_shown} in a few seconds; Ctrl-C ends it", flush=True)
    command = [sys.executable, "-P", "-c", PROGRAM, "--logdir", str(view), "--host", "localhost", "--port", str(port)]
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


def free_port() -> int:
    """Return PORT, or the next one on which nothing listens.

    Raises:
        UserError: None of PORTS ports is free.
    """
    for port in range(PORT, PORT + PORTS):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("localhost", port))
            return port
    raise UserError(f"--port: something listens on every port from {PORT} to {PORT + PORTS - 1}. Name a free one.")


def refresh(workspace: Workspace, view: Path) -> dict[str, Path]:
    """Bring `view` up to date: one folder a training, named after its run. Return {run: folder of its events}."""
    view.mkdir(parents=True, exist_ok=True)
    events_of = trainings(workspace)
    for path in view.iterdir():
        if path.name not in events_of or path.is_symlink():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    new = [run for run in events_of if not (view / run).is_dir()]
    for run, events in events_of.items():
        _link(events, view / run)
    if new:
        _write_columns(workspace, view, list(events_of))
    return events_of


def _link(events: Path, folder: Path) -> None:
    """Link each file and each profile by itself: the page Profile does not follow a link to a folder above them."""
    wanted = {folder / path.relative_to(events): path for part in SHOWN for path in events.glob(part)}
    for path in folder.rglob("*"):
        if path.is_symlink() and (path not in wanted or path.readlink() != wanted[path]):
            path.unlink()
    folder.mkdir(exist_ok=True)
    for path, target in wanted.items():
        if not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)


def trainings(workspace: Workspace) -> dict[str, Path]:
    """Return {run: folder of events} of the trainings that are done or running."""
    folder = workspace.root.resolve() / "artifacts" / "train"
    events_of = {}
    for seal in sorted(folder.glob(f"*/{SEAL}")):
        with suppress(UserError):  # a damaged artifact is left out; `segline verify` reports it
            events_of[read_seal(seal.parent)["run"]] = seal.parent / "events"
    if workspace.store.is_file():
        store = Store(workspace.store)
        for execution in store.executing():
            events = workspace.partial(TRAIN, execution["key"]).resolve() / "events"
            if execution["step"] == TRAIN and events.is_dir():
                events_of[execution["run"]] = events
        store.close()
    return events_of


def _write_columns(workspace: Workspace, view: Path, runs: list[str]) -> None:
    """Write the columns of the page HParams: METRICS, and hyper-parameters, of several trainings those that differ."""
    with quiet():
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.hparams import api_pb2, summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

    settings = [values for run in runs if (values := _settings(workspace, run))]
    keys = [key for key in dict.fromkeys(key for values in settings for key in values) if _is_shown(settings, key)]
    infos = [api_pb2.HParamInfo(name=key, display_name=key, type=_data_type(settings[0].get(key))) for key in keys]
    metrics = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=tag) for tag in METRICS]
    for old in view.glob(f"*/{COLUMNS}"):
        old.unlink()
    experiment = summary.experiment_pb(hparam_infos=infos, metric_infos=metrics)
    with tempfile.TemporaryDirectory(dir=view.parent) as scratch:
        writer = EventFileWriter(scratch)
        writer.add_event(Event(wall_time=time.time(), summary=Summary.FromString(experiment.SerializeToString())))
        writer.close()
        next(Path(scratch).iterdir()).rename(view / runs[0] / COLUMNS)


def _settings(workspace: Workspace, run: str) -> dict[str, Any]:
    try:
        recipe = recipe_file.read(workspace.run(run) / "recipe.yaml")
    except (UserError, OSError):  # written by another version of Segline, or its folder was removed
        return {}
    return hyper_parameters(recipe)


def _is_shown(settings: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Return whether trainings differ in a setting; of one training, whether it is set."""
    if len(settings) == 1:
        return settings[0][key] not in (None, [], {}, False)
    return len({str(values.get(key)) for values in settings}) > 1


def _data_type(value: Any) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_FLOAT64 if isinstance(value, int | float) else api_pb2.DATA_TYPE_STRING
