"""Which Beam runner a conversion runs on, from three words of a recipe."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from datasets.errors import DatasetError

Runner = Literal["in_process", "multi_processing", "portable"]

PROJECT = Path(__file__).parent.parent


def choose(runner: Runner, *, workers: int | None = None, options: Sequence[str] = ()) -> tuple[Any, PipelineOptions]:
    """Give the Beam runner and its options. Nothing is started, nothing is fetched from a network.

    Args:
        runner: "in_process"; "multi_processing": processes of this machine; "portable": what `options` say.
        workers: Number of processes; None: one a core.
        options: Beam's own command-line options, such as --runner=FlinkRunner, --job_endpoint=HOST:PORT. The project is
            packed by its setup.py and staged to the workers, unless they name another --setup_file or a container.

    Raises:
        DatasetError: The project has to be staged, and its setup.py is not here.
    """
    if runner == "in_process":
        return FnApiRunner(), PipelineOptions([])
    if runner == "multi_processing":
        number = workers or os.cpu_count() or 1
        return FnApiRunner(), PipelineOptions(
            ["--direct_running_mode=multi_processing", f"--direct_num_workers={number}"]
        )
    chosen = PipelineOptions(list(options))
    setup = chosen.view_as(SetupOptions)
    if setup.setup_file is None and not any(option.startswith("--sdk_container_image") for option in options):
        setup.setup_file = str(_setup_file())
    return chosen.view_as(StandardOptions).runner or "PortableRunner", chosen


def _setup_file() -> Path:
    path = PROJECT / "setup.py"
    if not path.is_file():
        raise DatasetError(
            f"ingest.beam_options: the workers need Segline, and there is no setup.py in {PROJECT} to pack it from. "
            "Run from a clone, or add --setup_file=PATH, or --sdk_container_image=IMAGE that holds Segline."
        )
    return path
