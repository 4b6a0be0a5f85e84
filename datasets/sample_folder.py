"""Sample data on disk: whole or not there, the same from the same settings, and never in place of something else."""

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
"""Says from what settings the sample was drawn; written last."""

PARTIAL = ".partial"
"""Ends the name of a folder that is being drawn: ".<name>.<host>-<process>.partial"."""


@dataclass(frozen=True)
class Plan:
    """What is to be drawn.

    Attributes:
        config: Name of the configuration.
        splits: {split: number of scenes}.
        folders: {folder below the sample's: number of files in it}, to tell a whole sample from one that lost files.
        draw: Writes the files into the folder that it is given, and yields after each scene.
    """

    config: str
    splits: Mapping[str, int]
    folders: Mapping[str, int]
    draw: Callable[[Path], Iterator[None]]


class Planner(Protocol):
    """Says what to draw."""

    def __call__(self, config: str | None, *, count: int, seed: int, size: tuple[int, int]) -> Plan:
        """Plan `count` scenes of [height, width] `size`, each a function of (seed, its number) alone.

        Raises:
            DatasetError: There is no such configuration (None is the first), or it cannot have so many scenes.
        """


@dataclass(frozen=True)
class Sampler:
    """Writes sample data of one dataset.

    Attributes:
        dataset: Its name.
        layout: Whose layout it is, as in "CamVid's".
        version: Raise it with every change of what is drawn, so that older samples are not taken for today's.
        size: Height and width of a scene where none is given, pixels.
        plan: Says what to draw.
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
        """Write sample data; what is there already from the same settings is left alone.

        The data appears whole or not at all: it is drawn in a hidden folder beside `out`, which is renamed at the end.

        Args:
            out: Folder to make.
            count: Number of scenes over all splits.
            seed: Scene i is a function of (seed, i) alone.
            size: Height and width, pixels; None: the dataset's own choice.
            config: Configuration whose layout it is; None: the first.
            dry_run: Say what would be drawn and draw nothing.

        Returns:
            Number of scenes of each split.

        Raises:
            DatasetError: A setting makes no sense, or `out` holds something else or cannot be written.
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
            # The finished folder takes the place of `out`: whoever stands in it would be left in one that is gone.
            raise DatasetError(f"{out} is the folder that you are in. Name one in it, or one that is not there yet.")
        else:
            scenes = f"{count} scene{'s' * (count > 1)} in {self.layout} layout"
            print(f"{'Would draw' if dry_run else 'Drawing'} {scenes} ...", flush=True)
            if not dry_run:
                _draw(out, plan, stamp)
        return dict(plan.splits)


def share(count: int) -> dict[str, int]:
    """Share scenes out: about 60 % train, 25 % val, 15 % test; from three on, at least one each."""
    val = max(1, round(0.25 * count)) if count > 1 else 0
    test = max(1, count - round(0.6 * count) - val) if count > 2 else 0
    sizes = {"train": count - val - test, "val": val, "test": test}
    return {split: number for split, number in sizes.items() if number}


def _draw(out: Path, plan: Plan, stamp: Mapping[str, Any]) -> None:
    """Draw into a folder beside `out`, stamp it and give it its name."""
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
    """Remove what a killed writer of `out` left. A writer that still lives, or of another host, is left alone."""
    for partial in out.parent.glob(f".{glob.escape(out.name)}.*{PARTIAL}"):
        if has_died(partial.name.removeprefix(f".{out.name}.").removesuffix(PARTIAL), partial):
            shutil.rmtree(partial, ignore_errors=True)


def _check_same(out: Path, stamp: Mapping[str, Any], folders: Mapping[str, int]) -> None:
    """Raise DatasetError unless `out` is the whole sample that the stamp describes."""
    advice = "Name another folder, or remove this one first."
    if not (out / STAMP).is_file():
        raise DatasetError(f"{out} exists and is no sample data that Segline wrote: it holds no {STAMP}. {advice}")
    try:
        found = json.loads((out / STAMP).read_text(encoding="utf-8"))
    except ValueError:
        raise DatasetError(f"{out / STAMP} is damaged. {advice}") from None
    if found != stamp:
        raise DatasetError(f"{out} holds other sample data.\nFound:  {found}\nWanted: {dict(stamp)}\n{advice}")
    lacking = [
        f"{folder}/: {there} of {number} files"
        for folder, number in folders.items()
        if (there := sum(path.is_file() for path in (out / folder).glob("*"))) != number
    ]
    if lacking:
        raise DatasetError("\n".join([f"{out} is sample data, but not whole:", *lacking, advice]))
