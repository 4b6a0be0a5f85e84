"""The Beam pipeline of a conversion: Create(shards) | Reshuffle | Map(write)."""

import errno
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from datasets.errors import ConversionError
from datasets.shards import Shard, ShardReport, ShardWriter, fault_path, report_path

STDERR = 2

_NAMES = {"FutureTimeoutError": "nothing answers at --job_endpoint (ingest.beam_options)"}
"""Meaning of exceptions without a text: gRPC waits for a server until --job_server_timeout."""

LOG_BYTES = 100_000
"""When a worker fails, this many bytes of the end of the log are kept."""

Report = Callable[[int, int], None]
"""Is called with the number of examples that are done, and of all."""


def convert(
    shards: Sequence[Shard],
    writer: ShardWriter,
    *,
    runner: Any = None,
    options: Any = None,
    report: Report = lambda done, total: None,
) -> None:
    """Write every shard and its report. Imports Beam.

    Args:
        shards: The shards to write.
        writer: Writes one shard, on a worker.
        runner: A Beam runner or its name; `beam_runner.choose` returns it together with the options. None: in this
            process, without network or server. (Beam's own default downloads a program.)
        options: Beam's PipelineOptions. None: no options. (Beam's own default parses our command line.)
        report: Is called while the work lasts, from another thread.

    Raises:
        OSError: With errno ENOSPC: the disk is full.
        KeyboardInterrupt: Ctrl-C was pressed.
        ConversionError: A worker or the runner failed for any other reason; Beam's exception is its cause.
    """
    import apache_beam as beam

    from datasets import beam_runner

    default_runner, no_options = beam_runner.choose("in_process")
    for shard in shards:
        fault_path(shard.path).unlink(missing_ok=True)
    try:
        with (
            _redirect_stderr(),
            _watched(shards, report),
            beam.Pipeline(runner=runner or default_runner, options=options or no_options) as pipeline,
        ):
            # Without the shuffle (of file names only) a single worker would get all shards.
            _ = pipeline | beam.Create(list(shards)) | beam.Reshuffle() | "Write" >> beam.Map(writer)
    except Exception as error:  # runners wrap a worker's exception in their own, which keeps the text
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise ConversionError(_describe(shards, error)) from error


def collect(shards: Sequence[Shard]) -> list[ShardReport]:
    """Read the reports of finished shards."""
    return [ShardReport.read(report_path(shard.path)) for shard in shards]


def _describe(shards: Sequence[Shard], error: Exception) -> str:
    """Return the first worker's exception, or else the last line of the runner's."""
    faults = [path.read_text(encoding="utf-8") for shard in shards if (path := fault_path(shard.path)).is_file()]
    if not faults:
        text = str(error).strip().splitlines()
        return f"The Beam runner failed: {text[-1] if text else _NAMES.get(type(error).__name__, repr(error))}"
    lines = [line for line in faults[0].splitlines() if line and not line.startswith(" ")]
    return "A worker failed. " + ". ".join(lines[-2:] if lines[-1].startswith("While reading") else lines[-1:])


@contextmanager
def _redirect_stderr() -> Iterator[None]:
    """Keep the logs of Beam and its child processes off the terminal.

    An exception of the block gets the end of the log as a note.
    """
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with tempfile.TemporaryFile() as log:
        terminal = os.dup(STDERR)
        os.dup2(log.fileno(), STDERR)
        try:
            yield
        except Exception as error:
            log.seek(max(0, log.tell() - LOG_BYTES))
            error.add_note(log.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(terminal, STDERR)
            os.close(terminal)
            logger.setLevel(level)


@contextmanager
def _watched(shards: Sequence[Shard], report: Report) -> Iterator[None]:
    """Report how many examples are done. A thread watches for finished files, which works with every runner."""
    done = Event()
    thread = Thread(target=_watch, args=(shards, report, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(shards: Sequence[Shard], report: Report, done: Event) -> None:
    waiting, rest = list(shards), 0.2
    total = sum(len(shard.pairs) for shard in shards)
    while waiting and not done.wait(rest):
        began = time.monotonic()
        waiting = [shard for shard in waiting if not shard.path.exists()]
        report(total - sum(len(shard.pairs) for shard in waiting), total)
        rest = max(0.2, 50 * (time.monotonic() - began))  # polling takes at most 2 % of the time
