"""The one TFDS builder base. A dataset's own builder says where its files are and how to read a mask."""

import abc
import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder, file_adapters, splits

from datasets import audit, links, record
from datasets.conversion import collect, convert
from datasets.errors import DatasetError
from datasets.holdout import hold_out
from datasets.pairs import Split
from datasets.published import difference
from datasets.raw import RawFolder
from datasets.reader import Reader
from datasets.shard_cache import ShardCache, finished, link
from datasets.shards import Shard, ShardReport, ShardWriter, cut, number_of_shards, report_path
from datasets.spec import DatasetSpec

AUDIT = "audit.json"
"""Name of the audit, in the folder of the records."""

LEAVE_OUT = "Put them right, or leave them out: --set ingest.on_bad_input=quarantine"


class SegmentationBuilder(dataset_builder.FileReaderBuilder):
    """Converts image and mask files to TFRecords, and refuses bad files.

    It writes shard by shard through Beam, on TFDS's own extension point `_download_and_prepare`. TFDS's two ways there
    are not taken: GeneratorBasedBuilder moves every image through a shuffle; ShardBasedBuilder keeps a shard in memory
    and imports TensorFlow to write it. The bytes of both differ between runs.

    A subclass sets `SPECS` (the facts of each configuration, the default first), `VERSION` and
    `MANUAL_DOWNLOAD_INSTRUCTIONS`, and writes `find` and `reader`.

    Args:
        on_bad_input: "error": bad files stop the conversion; "quarantine": they are left out and listed in audit.json.
        allow_partial: Accept a split of another size than the published one.
        holdout_groups: Groups that are left out of train and make up val instead.
        max_pixels: An image or mask of more pixels is bad.
        min_shards: At least so many files a split, where their number is chosen by size.
        cache: Where finished shards are kept and found; None: every shard is written anew.
        report: Where the audit is written that refuses bad files; None: <data_dir>/<name>.audit.json.
        kwargs: TFDS's own: `data_dir`, `config`, `version`, `file_format`.
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
        **kwargs: Any,
    ) -> None:
        self._check_config(kwargs.get("config"))
        super().__init__(**kwargs)
        self._on_bad_input, self._allow_partial = on_bad_input, allow_partial
        self._holdout_groups = tuple(holdout_groups)
        self._max_pixels, self._min_shards, self._cache = max_pixels, min_shards, cache
        self._report = report or Path(self.data_dir_root) / f"{self.name}.{AUDIT}"
        self._original_state |= {
            "on_bad_input": on_bad_input,
            "allow_partial": allow_partial,
            "holdout_groups": self._holdout_groups,
        }
        self.reused_shards = 0

    @property
    def spec(self) -> DatasetSpec:
        """Facts of the chosen configuration."""
        return self.SPECS[self.builder_config.name]

    @abc.abstractmethod
    def find(self, raw: RawFolder) -> dict[str, Split]:
        """Find the examples of every split that is there, without opening a file. `datasets.pairs` has the ways."""

    @abc.abstractmethod
    def reader(self) -> Reader:
        """Say how an image file and a mask file are read. `datasets.labels` has the ways."""

    def published_ids(self, split: str) -> frozenset[str]:
        """Ids that the split should hold; empty where they are not known."""
        del split
        return frozenset()

    def deviation(self, name: str, split: Split) -> str:
        """Say how a split differs from the published one: sentences with a space before each, or nothing."""
        return difference(split.ids, self.published_ids(name))

    def extras(self, raw: RawFolder, found: Mapping[str, Split], folder: Path) -> None:
        """Write into `folder`, that of the records, what belongs to the data but to no record. Default: nothing."""

    def check_extras(self, raw: RawFolder, found: Mapping[str, Split]) -> None:
        """Raise DatasetError where what `extras` needs is there for some images alone. Default: nothing."""

    def settings(self) -> list[object]:
        """Everything, besides files and code, that decides the bytes of a record; it must be JSON."""
        return [self.name, self.spec.config, self.spec.classes, self._max_pixels]

    def survey(self, path: Path) -> dict[str, int]:
        """Count what the raw folder `path` holds of each split, by file names alone.

        Raises:
            DatasetError: A folder is missing, a split is short, there is no such group to hold out, or, unless bad
                files are left out, files make no pair or are not to be followed.
        """
        raw = RawFolder(path)
        found = self._splits(raw)
        problems = [*_problems_of_names(raw, found), *links.behind_links(raw.path, found)]
        if self._on_bad_input == "error" and any(problem.kind.grave for problem in problems):
            raise DatasetError(self._told(raw, problems, LEAVE_OUT))
        return {name: len(split.ids) for name, split in found.items()}

    def _info(self) -> tfds.core.DatasetInfo:
        info = self.dataset_info_from_configs(
            features=record.features(self.spec.classes),
            supervised_keys=("image", "label"),
            description=f"Semantic segmentation, {self.spec.num_classes} classes.",
            homepage=self.spec.homepage,
            citation=self.spec.citation,
            license=self.spec.licence,
        )
        # TFDS looks for metadata of its own datasets there, and leaves an empty folder in /tmp each time.
        info.initialize_from_bucket = lambda: None  # type: ignore[method-assign]
        return info

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
        found = self._splits(raw)
        sizes = {name: sum(raw.size(pair.image) for pair in split.pairs) for name, split in found.items()}
        plan = self._plan(found, sizes, download_config.num_shards)
        reports = self._convert(raw, plan, sum(sizes.values()), download_config)
        self._finish(raw, found, reports)

    def _convert(
        self,
        raw: RawFolder,
        plan: dict[str, list[Shard]],
        needed: int,
        download_config: tfds.download.DownloadConfig,
    ) -> dict[str, list[ShardReport]]:
        """Have the shards written that are not kept from before; give the report of each."""
        wanted = [shard for of_split in plan.values() for shard in of_split]
        writer = ShardWriter(raw, self.spec.classes, self.reader(), self._max_pixels)
        places = wanted
        if self._cache:
            places = self._cache.place(wanted, raw, self.settings())
        anew = self._cache is not None and self._cache.anew
        done = {place.path for place in places if not anew and finished(place)}
        self.reused_shards = sum(place.path in done for place in places)
        # Shards that hold nothing are one and the same file of the cache.
        missing = list({place.path: place for place in places if place.path not in done}.values())
        with self._room(needed * len(missing) // max(1, len(places))):
            if missing:
                convert(missing, writer, runner=download_config.beam_runner, options=download_config.beam_options)
            reports = iter(collect(places))
            for shard, place in zip(wanted, places, strict=True):
                if self._cache:
                    link(place.path, shard.path)
                else:
                    report_path(place.path).unlink()
        return {name: [next(reports) for _ in of_split] for name, of_split in plan.items()}

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
        """Find the examples of every split, as published, and then hold out what is to be held out."""
        found = self.find(raw)
        self._check_splits(raw, found)
        chosen = hold_out(found, self._holdout_groups)
        self.check_extras(raw, chosen)
        return chosen

    def _check_splits(self, raw: RawFolder, found: dict[str, Split]) -> None:
        """Refuse splits that are not the published ones, by size and where known by ids, all of them in one message."""
        if self._allow_partial:
            return
        faults = []
        for name, split in found.items():
            size, ids = self.spec.split_sizes.get(name), self.published_ids(name)
            if size is not None and (len(split.ids) != size or (ids and split.ids != ids)):
                told = f"Split {name}: received {len(split.ids)} images, published are {size}."
                faults.append(told + self.deviation(name, split))
        if faults:
            faults.append("To use another selection on purpose: --set data.allow_partial=true")
            raise DatasetError("\n".join([f"{self.name}: {raw.path} does not hold the published data set.", *faults]))

    def _plan(self, found: dict[str, Split], sizes: dict[str, int], num_shards: int | None) -> dict[str, list[Shard]]:
        """Say what goes into which file."""
        plan = {}
        for name, split in found.items():
            parts = cut(split.pairs, num_shards or max(number_of_shards(sizes[name]), self._min_shards))
            paths = self._get_filename_template(name).sharded_filepaths(len(parts))
            plan[name] = [Shard(name, Path(path), part) for path, part in zip(paths, parts, strict=True)]
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
            f"{needed / 1e6:.0f} MB, {free / 1e6:.0f} MB are free. Make room there, then give the same command again."
        )

    def _finish(self, raw: RawFolder, found: dict[str, Split], reports: dict[str, list[ShardReport]]) -> None:
        """Refuse bad files, or write the audit and tell TFDS what was written."""
        if self._cache:
            self._cache.require_steady(report for of_split in reports.values() for report in of_split)
        problems = _problems_of_names(raw, found)
        problems += [problem for of_split in reports.values() for report in of_split for problem in report.problems]
        written = {name: sum(report.records for report in of_split) for name, of_split in reports.items()}
        counts = {name: {"found": len(split.ids), "written": written[name]} for name, split in found.items()}
        self._refuse(raw, problems, counts)
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
        audit.write(Path(self.data_path) / AUDIT, self.name, counts, problems)
        self.extras(raw, found, Path(self.data_path))

    def _refuse(self, raw: RawFolder, problems: list[audit.Problem], counts: dict[str, dict[str, int]]) -> None:
        bad = any(problem.kind.grave for problem in problems)
        empty = [name for name, of_split in counts.items() if not of_split["written"]]
        if bad and self._on_bad_input == "error":
            advice = LEAVE_OUT
        elif empty:
            advice = f"No good example is left of: {', '.join(empty)}. Put the files right."
        else:
            self._report.unlink(missing_ok=True)
            return
        audit.write(self._report, self.name, counts, problems)
        raise DatasetError(self._told(raw, problems, f"{advice}\nEvery one of them: {self._report}"))

    def _told(self, raw: RawFolder, problems: list[audit.Problem], advice: str) -> str:
        if any(problem.kind is audit.Kind.OUTSIDE for problem in problems):
            advice = f"{links.ADVICE}\n{advice}"
        return audit.report(self.name, links.folded(raw.path, problems), advice)


def _problems_of_names(raw: RawFolder, found: Mapping[str, Split]) -> list[audit.Problem]:
    return [*raw.problems, *(problem for split in found.values() for problem in split.problems)]
