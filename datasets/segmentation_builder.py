"""The TFDS builder base class. A dataset's own builder finds its files and reads its masks; all else is here."""

import abc
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder, file_adapters

from datasets import audit, disk_space, links, record
from datasets.conversion import Report, collect, convert
from datasets.errors import DatasetError
from datasets.holdout import hold_out
from datasets.pairs import Split
from datasets.published import describe_difference
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.shard_cache import ShardCache, is_finished, link
from datasets.shards import Shard, ShardReport, ShardWriter, number_of_shards, partition, report_path
from datasets.spec import DatasetSpec

AUDIT = "audit.json"
"""Name of the audit, in the folder of the records."""

LEAVE_OUT = "Put them right, or leave them out: --set ingest.on_bad_input=quarantine"


class SegmentationBuilder(dataset_builder.FileReaderBuilder):
    """Converts image and mask files to TFRecords, and refuses bad files.

    It writes shard by shard through Beam, in TFDS's extension point `_download_and_prepare`. TFDS's own builders do not
    fit: GeneratorBasedBuilder moves every image through a shuffle; ShardBasedBuilder keeps a shard in memory and
    imports TensorFlow to write it. The bytes of both differ between runs.

    A subclass sets `SPECS` (the spec of each configuration, the default first), `VERSION` and
    `MANUAL_DOWNLOAD_INSTRUCTIONS`, and implements `find` and `reader`.

    Args:
        on_bad_input: "error": bad files stop the conversion; "quarantine": they are left out and listed in audit.json.
        allow_partial: Accept a split that differs from the published one.
        holdout_groups: Groups that are moved from train to val.
        max_pixels: Images and masks with more pixels are bad files.
        min_shards: Minimum number of files per split, where their number depends on the size.
        cache: Cache of finished shards; None: every shard is written.
        report: Path of the audit that is written when bad files are refused; None: <data_dir>/<name>.audit.json.
        progress: Is called with the number of examples that are written, and of those to write.
        kwargs: TFDS's own: `data_dir`, `config`, `version`, `file_format`.

    Raises:
        DatasetError: There is no such configuration.
    """

    SPECS: ClassVar[Mapping[str, DatasetSpec]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        specs: Mapping[str, DatasetSpec] = cls.__dict__.get("SPECS", {})
        if specs:
            cls.BUILDER_CONFIGS = [
                tfds.core.BuilderConfig(name=name, description=f"{spec.num_classes} classes")
                for name, spec in specs.items()
            ]
        super().__init_subclass__(**kwargs)

    def __init__(
        self,
        *,
        on_bad_input: Literal["error", "quarantine"] = "error",
        allow_partial: bool = False,
        holdout_groups: Sequence[str] = (),
        max_pixels: int = audit.MAX_PIXELS,
        min_shards: int = 1,
        cache: ShardCache | None = None,
        report: Path | None = None,
        progress: Report = lambda done, total: None,
        **kwargs: Any,
    ) -> None:
        self._check_config(kwargs.get("config"))
        super().__init__(**kwargs)
        self._on_bad_input, self._allow_partial = on_bad_input, allow_partial
        self.holdout_groups = tuple(holdout_groups)
        self._max_pixels, self._min_shards, self._cache = max_pixels, min_shards, cache
        self._progress = progress
        self._report = report or Path(self.data_dir_root) / f"{self.name}.{AUDIT}"
        self._original_state |= {
            "on_bad_input": on_bad_input,
            "allow_partial": allow_partial,
            "holdout_groups": self.holdout_groups,
        }
        self.reused_shards = 0

    @property
    def spec(self) -> DatasetSpec:
        """The spec of the chosen configuration."""
        return self.SPECS[self.builder_config.name]

    @abc.abstractmethod
    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Return {split: its files} of the raw folder, by names only. `datasets.pairs` has functions for it."""

    @abc.abstractmethod
    def reader(self) -> Reader:
        """Return the functions that read an image file and a mask file. `datasets.labels` has parts for them."""

    def published_ids(self, split: str) -> frozenset[str]:
        """Return the published ids of a split; empty where they are unknown."""
        del split
        return frozenset()

    def describe_deviation(self, name: str, split: Split) -> str:
        """Describe how a split differs from the published one, in sentences with a space before each."""
        return describe_difference(split.ids, self.published_ids(name))

    def look(self, raw: RawFolder, splits: Mapping[str, Split]) -> list[audit.Problem]:
        """Return the problems that headers of some files show, in seconds. Default: none."""
        del raw, splits
        return []

    def write_extras(self, raw: RawFolder, splits: Mapping[str, Split], folder: Path) -> None:
        """Write files that belong to no record into the records' `folder`. Default: nothing."""

    def check_extras(self, raw: RawFolder, splits: Mapping[str, Split]) -> None:
        """Raise DatasetError where `write_extras` needs files that only some images have. Default: nothing."""

    def leave_out(self, raw: RawFolder, splits: dict[str, Split]) -> dict[str, Split]:
        """Return the splits without pairs whose files contradict those of others, which become problems. Default: all.

        It is called by ingest only, and may read all files.
        """
        del raw
        return splits

    def settings(self) -> list[object]:
        """Return everything but files and code that the bytes of a record depend on, as JSON values."""
        return [self.name, self.spec.config, self.spec.classes, self._max_pixels]

    def survey(self, path: Path) -> dict[str, int]:
        """Count the examples of each split in the raw folder `path`; no pixel is decoded.

        Raises:
            DatasetError: A folder is missing, a split is short, or there is no such group to hold out; with
                on_bad_input "error" also: files without a partner, links out of the folder, or what `look` returns.
        """
        raw = RawFolder(path)
        splits = self._splits(raw)
        problems = [*_problems_of_names(raw, splits), *links.find(raw.path, splits), *self.look(raw, splits)]
        if self._on_bad_input == "error" and any(problem.kind.is_error for problem in problems):
            raise DatasetError(self._report_problems(raw, problems, LEAVE_OUT))
        return {name: len(split.ids) for name, split in splits.items()}

    def _info(self) -> tfds.core.DatasetInfo:
        info = self.dataset_info_from_configs(
            features=record.features(self.spec.classes),
            supervised_keys=("image", "label"),
            description=f"Semantic segmentation, {self.spec.num_classes} classes.",
            homepage=self.spec.homepage,
            citation=self.spec.citation,
            license=self.spec.licence,
        )
        # TFDS would look for metadata of its own datasets there, and leave an empty folder in /tmp each time.
        info.initialize_from_bucket = lambda: None  # type: ignore[method-assign]
        return info

    def _download_and_prepare(
        self, dl_manager: tfds.download.DownloadManager, download_config: tfds.download.DownloadConfig
    ) -> None:
        """Find, check and write all examples into `self.data_path`, which TFDS publishes by a rename.

        Raises:
            DatasetError: A folder is missing, files are bad, a split is short, or the disk is full.
        """
        if self.info.file_format is not file_adapters.FileFormat.TFRECORD:
            raise DatasetError(f"`file_format` must be tfrecord. Received: {self.info.file_format}.")
        raw = self._raw_folder(dl_manager)
        splits = self.leave_out(raw, self._splits(raw))
        sizes = {name: sum(raw.size(pair.image) for pair in split.pairs) for name, split in splits.items()}
        plan = self._plan(splits, sizes, download_config.num_shards)
        reports = self._convert(raw, plan, sum(sizes.values()), download_config)
        self._finish(raw, splits, reports)

    def _convert(
        self,
        raw: RawFolder,
        plan: dict[str, list[Shard]],
        needed: int,
        download_config: tfds.download.DownloadConfig,
    ) -> dict[str, list[ShardReport]]:
        """Write the shards that the cache lacks; return the reports of all shards, by split."""
        shards = list(chain.from_iterable(plan.values()))
        writer = ShardWriter(raw, self.spec.classes, self.reader(), self._max_pixels)
        sources = self._cache.place(shards, raw, self.settings()) if self._cache else shards
        overwrite = self._cache is not None and self._cache.overwrite
        done = {source.path for source in sources if not overwrite and is_finished(source)}
        self.reused_shards = sum(source.path in done for source in sources)
        # A dict, since all empty shards are one and the same file of the cache.
        missing = list({source.path: source for source in sources if source.path not in done}.values())
        needed = needed * len(missing) // max(1, len(sources))
        with disk_space.require(Path(self.data_dir_root), needed, self.spec.shown_name):
            if missing:
                runner, options = download_config.beam_runner, download_config.beam_options
                convert(missing, writer, runner=runner, options=options, report=self._progress)
            reports = iter(collect(sources))
            for shard, source in zip(shards, sources, strict=True):
                if self._cache:
                    link(source.path, shard.path)
                else:
                    report_path(source.path).unlink()
        return {name: [next(reports) for _ in split_shards] for name, split_shards in plan.items()}

    def _check_config(self, config: Any) -> None:
        names = [known.name for known in self.BUILDER_CONFIGS]
        if isinstance(config, str) and config not in names:
            allowed = ", ".join(names) or "none, leave it out"
            raise DatasetError(f"{self.name} has no configuration {config!r} (data.config). Allowed: {allowed}.")

    def _raw_folder(self, dl_manager: tfds.download.DownloadManager) -> RawFolder:
        try:
            return RawFolder(dl_manager.manual_dir)
        except AssertionError as error:  # its text names the folder and repeats MANUAL_DOWNLOAD_INSTRUCTIONS
            raise DatasetError(str(error)) from None

    def _splits(self, raw: RawFolder) -> dict[str, Split]:
        """Find the splits, compare them with the published ones, and hold groups out."""
        published = self.find(raw)
        self._check_splits(raw, published)
        splits = hold_out(published, self.holdout_groups)
        self.check_extras(raw, splits)
        return splits

    def _check_splits(self, raw: RawFolder, splits: dict[str, Split]) -> None:
        """Raise one DatasetError for all splits that differ from the published ones in size or, where known, in ids."""
        if self._allow_partial:
            return
        faults = []
        for name, split in splits.items():
            size, ids = self.spec.split_sizes.get(name), self.published_ids(name)
            if size is not None and (len(split.ids) != size or (ids and split.ids != ids)):
                fault = f"Split {name}: received {len(split.ids)} images, published are {size}."
                faults.append(fault + self.describe_deviation(name, split))
        if faults:
            faults.append("To use another selection on purpose: --set data.allow_partial=true")
            raise DatasetError("\n".join([f"{self.name}: {raw.path} does not hold the published data set.", *faults]))

    def _plan(self, splits: dict[str, Split], sizes: dict[str, int], num_shards: int | None) -> dict[str, list[Shard]]:
        """Assign the pairs of each split to shards."""
        plan = {}
        for name, split in splits.items():
            parts = partition(split.pairs, num_shards or max(number_of_shards(sizes[name]), self._min_shards))
            paths = self._get_filename_template(name).sharded_filepaths(len(parts))
            plan[name] = [Shard(name, Path(path), part) for path, part in zip(paths, parts, strict=True)]
        return plan

    def _finish(self, raw: RawFolder, splits: dict[str, Split], reports: dict[str, list[ShardReport]]) -> None:
        """Refuse bad files, or write the audit, the split sizes and the extra files."""
        if self._cache:
            self._cache.require_readable(chain.from_iterable(reports.values()))
        read = chain.from_iterable(report.problems for report in chain.from_iterable(reports.values()))
        problems = [*_problems_of_names(raw, splits), *read]
        written = {name: sum(report.records for report in split_reports) for name, split_reports in reports.items()}
        counts = {name: {"found": len(split.ids), "written": written[name]} for name, split in splits.items()}
        self._refuse_bad_files(raw, problems, counts)
        infos = [
            tfds.core.SplitInfo(
                name=name,
                shard_lengths=[report.records for report in split_reports],
                num_bytes=sum(report.bytes for report in split_reports),
                filename_template=self._get_filename_template(name),
            )
            for name, split_reports in reports.items()
        ]
        self.info.set_splits(tfds.core.SplitDict(infos))
        audit.write(Path(self.data_path) / AUDIT, self.name, counts, problems)
        self.write_extras(raw, splits, Path(self.data_path))

    def _refuse_bad_files(self, raw: RawFolder, problems: list[audit.Problem], counts: dict[str, Any]) -> None:
        empty = [name for name, count in counts.items() if not count["written"]]
        if self._on_bad_input == "error" and any(problem.kind.is_error for problem in problems):
            advice = LEAVE_OUT
        elif empty:
            advice = f"No good example is left of: {', '.join(empty)}. Put the files right."
        else:
            self._report.unlink(missing_ok=True)
            return
        audit.write(self._report, self.name, counts, problems)
        raise DatasetError(self._report_problems(raw, problems, f"{advice}\nEvery one of them: {self._report}"))

    def _report_problems(self, raw: RawFolder, problems: list[audit.Problem], advice: str) -> str:
        if any(problem.kind is audit.Kind.OUTSIDE for problem in problems):
            advice = f"{links.ADVICE}\n{advice}"
        kinds = {problem.kind for problem in problems}
        advice = "\n".join([*(text for kind, text in audit.ADVICE.items() if kind in kinds), advice])
        return audit.format_report(self.spec.shown_name, links.fold(raw.path, problems), advice)


def _problems_of_names(raw: RawFolder, splits: Mapping[str, Split]) -> list[audit.Problem]:
    return [*raw.problems, *(problem for split in splits.values() for problem in split.problems)]
