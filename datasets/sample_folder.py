"""Sample data on disk: written atomically, reproducible from its settings, and never in place of other data."""

import glob
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from datasets.errors import DatasetError
from datasets.writers import has_died, signature

STAMP = "sample.json"
"""File that records the settings of a sample; written last."""

PARTIAL = ".partial"
"""Suffix of an unfinished folder: ".<name>.<host>-<process>.partial"."""


@dataclass(frozen=True)
class Plan:
    """What to draw.

    Attributes:
        config: Name of the configuration.
        splits: {split: number of scenes}.
        folders: {folder inside the sample: number of files in it}, to detect a sample that has lost files.
        draw: Writes the files into a folder, and yields after each scene.
    """

    config: str
    splits: Mapping[str, int]
    folders: Mapping[str, int]
    draw: Callable[[Path], Iterator[None]]


class Planner(Protocol):
    """Makes the plan of a sample."""

    def __call__(self, config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
        """Plan `count` scenes of `size` (height, width), pixels; scene i depends only on (seed, i).

        Raises:
            DatasetError: There is no such configuration (None is the first), or it cannot have so many scenes.
        """


@dataclass(frozen=True)
class Sampler:
    """Writes sample data of one dataset.

    Attributes:
        dataset: Name of the dataset.
        layout: Owner of the folder layout, as in "CamVid's", for messages.
        version: Increased with every change of what is drawn, so that older samples do not pass for current ones.
        size: Default height and width of a scene, pixels.
        plan: Makes the plan.
    """

    dataset: str
    layout: str
    version: int
    size: tuple[int, int]
    plan: Planner

    def write(
        self,
        out: Path,
        *,
        count: int,
        seed: int,
        size: tuple[int, int] | None = None,
        config: str | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]:
        """Write sample data atomically; a sample with the same settings is kept as it is.

        Args:
            out: Folder to create.
            count: Number of scenes over all splits.
            seed: Scene i depends only on (seed, i).
            size: Height and width, pixels; None: the default of the dataset.
            config: Configuration whose layout is written; None: the first.
            dry_run: Print what would be drawn, and draw nothing.

        Returns:
            {split: number of scenes}.

        Raises:
            DatasetError: A setting is out of range, or `out` holds something else or cannot be written.
        """
        size = size or self.size
        if count < 1 or min(size) < 16 or seed < 0:
            raise DatasetError(
                "Sample data needs count >= 1, seed >= 0 and a size of at least 16 x 16 pixels. "
                f"Received: count {count}, seed {seed}, size {size[0]} x {size[1]}."
            )
        plan = self.plan(config, count=count, seed=seed, size=size)
        stamp = {
            "dataset": self.dataset,
            "config": plan.config,
            "version": self.version,
            "count": count,
            "seed": seed,
            "size": list(size),
        }
        out = Path(out)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            _check_same(out, stamp, plan.folders)
            print(f"{out} holds this sample already: left as it is")
        elif out.exists() and out.samefile(Path()):
            # `out` is replaced by the finished folder, so that a shell in it would be left in a deleted folder.
            raise DatasetError(f"{out} is the folder that you are in. Name one in it, or one that is not there yet.")
        else:
            scenes = f"{count} scene{'s' * (count > 1)} in {self.layout} layout"
            print(f"{'Would draw' if dry_run else 'Drawing'} {scenes} ...", flush=True)
            if not dry_run:
                _draw(out, plan, stamp)
        return dict(plan.splits)


def split_sizes(count: int) -> dict[str, int]:
    """Divide `count` scenes into about 60 % train, 25 % val, 15 % test; with three or more, at least one each.

    >>> split_sizes(20)
    {'train': 12, 'val': 5, 'test': 3}
    """
    val = max(1, round(0.25 * count)) if count > 1 else 0
    test = max(1, count - round(0.6 * count) - val) if count > 2 else 0
    sizes = {"train": count - val - test, "val": val, "test": test}
    return {split: number for split, number in sizes.items() if number}


def _draw(out: Path, plan: Plan, stamp: Mapping[str, Any]) -> None:
    """Draw into a hidden folder beside `out`, stamp it and rename it to `out`."""
    _sweep(out)
    partial = out.with_name(f".{out.name}.{signature()}{PARTIAL}")
    try:
        partial.mkdir(parents=True)
        scenes = plan.draw(partial)
        for _ in tqdm(scenes, total=stamp["count"], desc="sample", unit=" scenes", leave=False, disable=None):
            pass
        (partial / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
        partial.rename(out)
    except OSError as error:
        raise DatasetError(f"{out} cannot be written: {error.strerror}. Make room or name another folder.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(out: Path) -> None:
    """Remove the folders that killed writers of `out` left; those of running writers and of other hosts stay."""
    for partial in out.parent.glob(f".{glob.escape(out.name)}.*{PARTIAL}"):
        if has_died(partial.name.removeprefix(f".{out.name}.").removesuffix(PARTIAL), partial):
            shutil.rmtree(partial, ignore_errors=True)


def _check_same(out: Path, stamp: Mapping[str, Any], folders: Mapping[str, int]) -> None:
    """Raise DatasetError unless `out` is the complete sample that the stamp describes."""
    advice = "Name another folder, or remove this one first."
    if not (out / STAMP).is_file():
        raise DatasetError(f"{out} exists and is no sample data that Segline wrote: it holds no {STAMP}. {advice}")
    try:
        existing = json.loads((out / STAMP).read_text(encoding="utf-8"))
    except ValueError:
        raise DatasetError(f"{out / STAMP} is damaged. {advice}") from None
    if existing != stamp:
        raise DatasetError(f"{out} holds other sample data.\nFound:  {existing}\nWanted: {dict(stamp)}\n{advice}")
    incomplete = [
        f"{folder}/: {files} of {number} files"
        for folder, number in folders.items()
        if (files := sum(path.is_file() for path in (out / folder).glob("*"))) != number
    ]
    if incomplete:
        raise DatasetError("\n".join([f"{out} is sample data, but incomplete:", *incomplete, advice]))
