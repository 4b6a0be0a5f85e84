"""The one TFDS builder base. A dataset's own builder says where its files are and how to read a mask."""

import abc
import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder, file_adapters, splits

from datasets import audit, record
from datasets.conversion import collect, convert
from datasets.errors import DatasetError
from datasets.pairs import Split
from datasets.shards import Shard, ShardReport, ShardWriter, cut, image_bytes, number_of_shards
from datasets.spec import DatasetSpec

AUDIT = "audit.json"
"""Name of the audit, in the folder of the records."""


class SegmentationBuilder(dataset_builder.FileReaderBuilder):
    """Converts image and mask files to TFRecords, and refuses bad files.

    It writes shard by shard through Beam, on TFDS's own extension point `_download_and_prepare`. TFDS's two ways there
    are not taken: GeneratorBasedBuilder moves every image through a shuffle; ShardBasedBuilder keeps a shard in memory
    and imports TensorFlow to write it. The bytes of both differ between runs.

    A subclass sets `SPEC`, `VERSION` and `MANUAL_DOWNLOAD_INSTRUCTIONS` and writes `find` and `read_mask`.

    Args:
        on_bad_input: "error": bad files stop the conversion; "quarantine": they are left out and listed in audit.json.
        allow_partial: Accept a split of another size than the published one.
        kwargs: TFDS's own: `data_dir`, `config`, `version`, `file_format`.
    """

    SPEC: ClassVar[DatasetSpec]

    def __init__(
        self, *, on_bad_input: Literal["error", "quarantine"] = "error", allow_partial: bool = False, **kwargs: Any
    ) -> None:
        self._check_config(kwargs.get("config"))
        super().__init__(**kwargs)
        self._on_bad_input, self._allow_partial = on_bad_input, allow_partial
        self._original_state |= {"on_bad_input": on_bad_input, "allow_partial": allow_partial}

    @abc.abstractmethod
    def find(self, raw: Path) -> dict[str, Split]:
        """Find the examples of every split that is there, without opening a file. `datasets.pairs` has the ways."""

    @staticmethod
    @abc.abstractmethod
    def read_mask(content: bytes) -> np.ndarray:
        """Turn the bytes of a mask file into train ids, uint8 [H, W]. `datasets.labels` has the ways."""

    def published_ids(self, raw: Path, split: str) -> frozenset[str]:
        """Ids that the split should hold, where a file of the raw folder lists them; empty where none does."""
        del raw, split
        return frozenset()

    def survey(self, raw: Path) -> dict[str, int]:
        """Count what `raw` holds of each split, by file names alone.

        Raises:
            DatasetError: A folder is missing, or a split is short.
        """
        found = self.find(raw)
        self._check_sizes(raw, found)
        return {name: len(split.ids) for name, split in found.items()}

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=record.features(self.SPEC.classes),
            supervised_keys=("image", "label"),
            description=f"Semantic segmentation, {self.SPEC.num_classes} classes.",
            homepage=self.SPEC.homepage,
            citation=self.SPEC.citation,
            license=self.SPEC.licence,
        )

    def _download_and_prepare(
        self, dl_manager: tfds.download.DownloadManager, download_config: tfds.download.DownloadConfig
    ) -> None:
        """Find, check and write everything into `self.data_path`, which TFDS publishes by a rename.

        Raises:
            DatasetError: A folder is missing, files are bad, a split is short, or the disk is full.
        """
        if self.info.file_format is not file_adapters.FileFormat.TFRECORD:
            raise DatasetError(f"`file_format` must be tfrecord. Received: {self.info.file_format}.")
        raw = self._raw_folder(dl_manager)
        found = self.find(raw)
        self._check_sizes(raw, found)
        sizes = {name: image_bytes(raw, split.pairs) for name, split in found.items()}
        plan = self._plan(raw, found, sizes, download_config.num_shards)
        with self._room(sum(sizes.values())):
            convert(
                [shard for of_split in plan.values() for shard in of_split],
                ShardWriter(self.SPEC.classes, self.read_mask),
                runner=download_config.beam_runner,
                options=download_config.beam_options,
            )
        self._finish(found, {name: collect(of_split) for name, of_split in plan.items()})

    def _check_config(self, config: Any) -> None:
        names = [known.name for known in self.BUILDER_CONFIGS]
        if isinstance(config, str) and config not in names:
            allowed = ", ".join(names) or "none, leave it out"
            raise DatasetError(f"{self.name} has no configuration {config!r} (data.config). Allowed: {allowed}.")

    def _raw_folder(self, dl_manager: tfds.download.DownloadManager) -> Path:
        try:
            return Path(dl_manager.manual_dir)
        except AssertionError as error:  # its text names the folder and repeats MANUAL_DOWNLOAD_INSTRUCTIONS
            raise DatasetError(str(error)) from None

    def _check_sizes(self, raw: Path, found: dict[str, Split]) -> None:
        """Refuse splits of another size than the published one, all of them in one message."""
        faults = []
        for name, split in found.items():
            published = self.SPEC.split_sizes.get(name)
            if self._allow_partial or published in (None, len(split.ids)):
                continue
            missing = sorted(self.published_ids(raw, name) - split.ids)
            names = f" Missing: {audit.listed(missing)}." if missing else ""
            faults.append(f"Split {name}: received {len(split.ids)} images, published are {published}.{names}")
        if faults:
            faults.append("To use another selection on purpose: --set data.allow_partial=true")
            raise DatasetError("\n".join([f"{self.name}: {raw} does not hold the published data set.", *faults]))

    def _plan(
        self, raw: Path, found: dict[str, Split], sizes: dict[str, int], num_shards: int | None
    ) -> dict[str, list[Shard]]:
        """Say what goes into which file."""
        plan = {}
        for name, split in found.items():
            parts = cut(split.pairs, num_shards or number_of_shards(sizes[name]))
            paths = self._get_filename_template(name).sharded_filepaths(len(parts))
            plan[name] = [Shard(name, raw, Path(path), part) for path, part in zip(paths, parts, strict=True)]
        return plan

    @contextmanager
    def _room(self, needed: int) -> Iterator[None]:
        """Refuse to begin where the disk cannot hold `needed` bytes, and say so where it fills up all the same."""
        if shutil.disk_usage(self.data_dir_root).free < needed:
            raise self._no_room(needed)
        try:
            yield
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise self._no_room(needed) from error

    def _no_room(self, needed: int) -> DatasetError:
        free = shutil.disk_usage(self.data_dir_root).free
        return DatasetError(
            f"No space left for the records of {self.name} in {self.data_dir_root}: they take about "
            f"{needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free. Nothing was kept. Make room there."
        )

    def _finish(self, found: dict[str, Split], reports: dict[str, list[ShardReport]]) -> None:
        """Refuse bad files, or write the audit and tell TFDS what was written."""
        problems = [problem for split in found.values() for problem in split.problems]
        problems += [problem for of_split in reports.values() for report in of_split for problem in report.problems]
        written = {name: sum(report.records for report in of_split) for name, of_split in reports.items()}
        self._refuse(problems, [name for name, records in written.items() if not records])
        infos = [
            splits.SplitInfo(
                name=name,
                shard_lengths=[report.records for report in of_split],
                num_bytes=sum(report.bytes for report in of_split),
                filename_template=self._get_filename_template(name),
            )
            for name, of_split in reports.items()
        ]
        self.info.set_splits(splits.SplitDict(infos))
        counts = {name: {"found": len(split.ids), "written": written[name]} for name, split in found.items()}
        audit.write(Path(self.data_path) / AUDIT, self.name, counts, problems)

    def _refuse(self, problems: list[audit.Problem], empty: list[str]) -> None:
        if problems and self._on_bad_input == "error":
            advice = "Put them right, or leave them out: --set ingest.on_bad_input=quarantine (audit.json lists all)."
            raise DatasetError(audit.report(self.name, problems, advice))
        if empty:
            advice = f"No good example is left of: {', '.join(empty)}. Put the files right."
            raise DatasetError(audit.report(self.name, problems, advice))
