"""The Beam pipeline of a conversion: Create(shards) | Reshuffle | Map(write)."""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tqdm import tqdm

from datasets.shards import Shard, ShardReport, ShardWriter, report_path


def convert(shards: Sequence[Shard], writer: ShardWriter, *, runner: Any = None, options: Any = None) -> None:
    """Have every shard written, with its report beside it.

    Args:
        shards: What to write.
        writer: Writes one of them, on a worker.
        runner: A Beam runner or its name. None: in this process, with no network and no server. (Beam's own default
            fetches a program from the network.)
        options: Beam's PipelineOptions. None: no options. (Beam's own default reads our command line.)

    Raises:
        OSError: With errno ENOSPC: the disk is full.
        KeyboardInterrupt: Ctrl-C was pressed.
        Exception: Anything else that a worker or the runner raised.
    """
    try:
        with (
            _quiet(),
            _progress(shards),
            beam.Pipeline(runner=runner or FnApiRunner(), options=options or PipelineOptions([])) as pipeline,
        ):
            # Without the shuffle (of file names only) one worker would be given all shards.
            _ = pipeline | beam.Create(list(shards)) | beam.Reshuffle() | "Write" >> beam.Map(writer)
    except Exception as error:  # runners wrap what a worker raises in exceptions of their own; its text stays
        if os.strerror(errno.ENOSPC) in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        if KeyboardInterrupt.__name__ in str(error):
            raise KeyboardInterrupt from error
        raise


def collect(shards: Sequence[Shard]) -> list[ShardReport]:
    """Read the reports of finished shards and take them away."""
    reports = []
    for shard in shards:
        path = report_path(shard.path)
        reports.append(ShardReport.read(path))
        path.unlink()
    return reports


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Beam from logging the traceback of an exception that it raises as well."""
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _progress(shards: Sequence[Shard]) -> Iterator[None]:
    """Show, on a terminal, how many examples are done. The files are watched, so that it serves every runner."""
    done = Event()
    thread = Thread(target=_watch, args=(shards, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _watch(shards: Sequence[Shard], done: Event) -> None:
    waiting = list(shards)
    total = sum(len(shard.pairs) for shard in shards)
    with tqdm(total=total, desc="ingest", unit=" images", leave=False, disable=None) as bar:
        while waiting and not bar.disable and not done.wait(0.2):
            finished = [shard for shard in waiting if shard.path.exists()]
            waiting = [shard for shard in waiting if shard not in finished]
            bar.update(sum(len(shard.pairs) for shard in finished))
