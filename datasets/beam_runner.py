"""The Beam runner of a conversion, chosen by name."""

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
    """Return a Beam runner and its options. Nothing is started, and the network is not used.

    Args:
        runner: "in_process"; "multi_processing": processes on this machine; "portable": the runner named in `options`.
        workers: Number of processes; None: one per core.
        options: Beam's own command-line options, such as --runner=FlinkRunner, --job_endpoint=HOST:PORT. The project is
            packed by its setup.py and staged to the workers, unless they name another --setup_file or a container.

    Returns:
        (a runner or its name, PipelineOptions).

    Raises:
        DatasetError: The project must be staged, but there is no setup.py.
    """
    if runner == "in_process":
        return FnApiRunner(), PipelineOptions([])
    if runner == "multi_processing":
        flags = ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers or os.cpu_count() or 1}"]
        return FnApiRunner(), PipelineOptions(flags)
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
