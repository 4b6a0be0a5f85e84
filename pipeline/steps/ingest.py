"""Ingest: raw files -> checked records.

records/    the TFDS folder: TFRecords, dataset_info.json, features.json
spec.json   the dataset's facts, for steps that read only the records
audit.json  contents of each split, and the bad files that were left out
"""

import contextlib
import io
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from datasets import beam_runner
from datasets.audit import join_names
from datasets.segmentation_builder import SegmentationBuilder
from datasets.shard_cache import ShardCache, sweep
from pipeline.config.recipe import Recipe
from pipeline.console import progress
from pipeline.data import recipe_builder
from pipeline.workspace import digest, json_file


def run(config: Recipe, inputs: dict[str, Path], out: Path) -> None:
    """Convert the raw folder `inputs["raw"]`.

    Where `inputs["cache"]` and `inputs["digests"]` (a manifest of pipeline.workspace.digest) are given, finished
    shards are cached there and reused after a kill or a change of some raw files; in `inputs["fresh_cache"]` all are
    written again. `inputs["refusal"]` is the file that lists what is refused.

    Raises:
        DatasetError: A folder is missing, a split is short, files are bad and `ingest.on_bad_input` is "error", or the
            disk is full.
    """
    start = time.monotonic()
    scratch = out / "tfds"
    with progress.beside_logs("ingest", None) as shown, _quiet():
        builder = recipe_builder.builder(config, scratch, progress=shown.show, **_kept(inputs))
        runner, options = beam_runner.choose(
            config.ingest.runner, workers=config.ingest.workers, options=config.ingest.beam_options
        )
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(
                manual_dir=inputs["raw"],
                num_shards=config.ingest.num_shards,
                try_download_gcs=False,
                beam_runner=runner,
                beam_options=options,
            )
        )
    records = Path(builder.data_path).rename(out / "records")
    (records / "audit.json").rename(out / "audit.json")
    shutil.rmtree(scratch)
    builder.spec.write(out / "spec.json")
    audit = json_file.read(out / "audit.json")
    for line in _summary(audit, builder, records, time.monotonic() - start):
        print(f"{'ingest':<9} {line}")


def _kept(inputs: dict[str, Path]) -> dict[str, Any]:
    """Open the shard cache, cleared of entries that are no longer used."""
    folder = inputs.get("cache") or inputs.get("fresh_cache")
    if folder is None:
        return {}
    sweep(folder.parent)
    files: digest.Manifest = digest.recall(inputs["digests"])
    contents = {name: content for name, (_, _, content) in files.items() if content != digest.UNREADABLE}
    return {"cache": ShardCache(folder, contents, overwrite="fresh_cache" in inputs), "report": inputs.get("refusal")}


def _summary(audit: dict[str, Any], builder: SegmentationBuilder, records: Path, seconds: float) -> list[str]:
    """Return lines on what was written, what is absent and what was left out."""
    shards = list(records.glob("*.tfrecord-*"))
    megabytes = sum(path.stat().st_size for path in shards) / 1e6
    counts = ", ".join(f"{name} {split['written']}" for name, split in audit["splits"].items())
    written = f"{counts} images -> {len(shards)} shard{'s' * (len(shards) > 1)}, {megabytes:.1f} MB in {seconds:.1f} s"
    absent = [name for name in builder.spec.split_sizes if name not in audit["splits"]]
    lines = [f"absent: {', '.join(absent)} (none of its files exists)"] if absent else []
    if bad := len(audit["problems"]):
        lines.append(f"left out: {bad} bad file{'s' * (bad > 1)}, listed in audit.json")
    if strays := audit["passed_over"]:
        lines.append(f"passed over: {join_names(strays)} ({'no image' if len(strays) == 1 else 'no images'} by name)")
    if builder.reused_shards:
        lines.append(f"{builder.reused_shards} of {len(shards)} shards are reused")
    return [*lines, written]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TFDS prints and Beam logs off the terminal; errors are raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
