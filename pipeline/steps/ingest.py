"""Ingest: raw files -> checked records.

records/    the TFDS folder: TFRecords, dataset_info.json, features.json
spec.json   the dataset's facts, for steps that know the records alone
audit.json  what each split holds, and the bad files that were left out
"""

import contextlib
import io
import json
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from datasets import catalog
from pipeline.config import Recipe


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Convert the raw folder `inputs["raw"]`.

    Raises:
        DatasetError: A folder is missing, a split is short, files are bad and `ingest.on_bad_input` is "error", or the
            disk is full.
    """
    began = time.monotonic()
    spec = catalog.spec(config.data.name)
    scratch = out / "tfds"
    with _quiet():
        builder = catalog.builder(
            config.data.name,
            config=config.data.config,
            data_dir=scratch,
            on_bad_input=config.ingest.on_bad_input,
            allow_partial=config.data.allow_partial,
        )
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=inputs["raw"], num_shards=config.ingest.num_shards, try_download_gcs=False
            )
        )
    records = Path(builder.data_path).rename(out / "records")
    (records / "audit.json").rename(out / "audit.json")
    shutil.rmtree(scratch)
    spec.write(out / "spec.json")
    audit = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    for line in _summary(audit, list(spec.split_sizes), records, time.monotonic() - began):
        print(f"{'ingest':<9} {line}")


def _summary(audit: dict[str, Any], published: list[str], records: Path, seconds: float) -> list[str]:
    """Say in a few lines what was written, what is absent and what was left out."""
    shards = list(records.glob("*.tfrecord-*"))
    megabytes = sum(path.stat().st_size for path in shards) / 1e6
    counts = ", ".join(f"{name} {split['written']}" for name, split in audit["splits"].items())
    written = f"{counts} images -> {len(shards)} shard{'s' * (len(shards) > 1)}, {megabytes:.1f} MB in {seconds:.1f} s"
    absent = [name for name in published if name not in audit["splits"]]
    lines = [f"absent: {', '.join(absent)} (neither folder is there)"] if absent else []
    if bad := len(audit["problems"]):
        lines.append(f"left out: {bad} bad file{'s' * (bad > 1)}, listed in audit.json")
    return [*lines, written]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TFDS prints and Beam logs off the terminal; what goes wrong is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
