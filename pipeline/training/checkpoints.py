"""Checkpoints: one file each, atomic, checked when read; a damaged one is passed over for the one before."""

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import Unreachable, UserError

Arrays = Mapping[str, np.ndarray]

STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """What was read back.

    Attributes:
        arrays: {name: array}, every one as it was saved.
        state: The plain values that were saved with them.
    """

    arrays: dict[str, np.ndarray] = field(repr=False)
    state: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder: step-<number>.npz, and best-<number>.npz with the best weights so far.

    A file is a zip of NumPy arrays, whose checksums are compared on reading.

    Attributes:
        folder: Where they lie.
        keep: Newest ones that are kept, should the very newest be damaged; and of best weights, as each of them may
            name others.
    """

    folder: Path
    keep: int = 2

    def save(self, number: int, arrays: Arrays, state: Mapping[str, Any]) -> None:
        """Write checkpoint `number` (that of the last step done) and remove what is now superfluous."""
        _write(self.folder / f"step-{number:09d}.npz", arrays, state)
        self._prune("step")
        self._prune("best")

    def save_best(self, number: int, arrays: Arrays) -> str:
        """Write the best weights so far and give the name under which a checkpoint's state keeps them."""
        name = best_name(number)
        _write(self.folder / name, arrays, {})
        return name

    def best(self, name: str) -> dict[str, np.ndarray]:
        """Read what `save_best` wrote.

        Raises:
            UserError: It is damaged. `latest` then passes over the checkpoints that name it.
            Unreachable: As of `latest`.
        """
        try:
            return _read(self.folder / name).arrays
        except Exception as error:  # whatever zipfile and NumPy make of damaged bytes
            if _of_the_machine(error):
                raise Unreachable(
                    f"The best weights, {self.folder / name}, cannot be read: {error}. Nothing is changed: the same "
                    "command goes on once they can be."
                ) from error
            raise UserError(
                f"{self.folder / name} holds the best weights and cannot be read any more: {error}. The same command "
                "goes on from an older checkpoint."
            ) from error

    def latest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole, with the best weights it names; None where there is none.

        Best weights that it could name and does not are removed: they are measured again.

        Raises:
            Unreachable: The disk, or the network that it is reached by, gave an error: the checkpoint may be whole.
        """
        whole: Checkpoint | None = None
        number, named = 0, ""
        checkpoints = self._all("step")
        for path in reversed(checkpoints):
            try:
                found = _read(path)
                if best := found.state.get("best"):
                    _read(self.folder / best["file"])
            except Exception as error:  # whatever zipfile and NumPy make of damaged bytes
                if _of_the_machine(error):
                    raise Unreachable(
                        f"The checkpoint {path}, or the best weights that it names, cannot be read: {error}. Nothing "
                        "is changed: the same command goes on from there once they can be. To go on from the "
                        "checkpoint before it, remove the file."
                    ) from error
                print(f"train     passes over the damaged checkpoint {path.name}: {error}")
                path.rename(path.with_suffix(".damaged"))  # else its number would outrank the next ones
            else:
                whole, number = found, _number(path)
                named = best["file"] if best else ""
                break
        if checkpoints and whole is None:
            print("train     no checkpoint is whole: the training begins anew")
        for path in self._all("best"):
            if _number(path) >= number and path.name != named:  # would outrank the ones to come, too
                path.unlink()
        return whole

    def peek(self) -> tuple[int, Checkpoint] | None:
        """Read the newest checkpoint and its number, and change nothing; None where there is none."""
        files = self._all("step")
        return (_number(files[-1]), _read(files[-1])) if files else None

    def at(self, number: int) -> Checkpoint:
        """Read checkpoint `number`, which another worker found whole."""
        return _read(self.folder / f"step-{number:09d}.npz")

    def remove(self) -> None:
        """Remove the folder: training is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self, kind: str) -> list[Path]:
        """Files of a kind, oldest first."""
        return sorted(path for path in self.folder.glob(f"{kind}-*.npz") if re.fullmatch(r"\w+-\d+\.npz", path.name))

    def _prune(self, kind: str) -> None:
        for path in self._all(kind)[: -self.keep]:
            path.unlink()


def best_name(number: int) -> str:
    """Name under which the weights after step `number` are kept."""
    return f"best-{number:09d}.npz"


def _of_the_machine(error: Exception) -> bool:
    """Whether reading failed as such, rather than what was read being damaged; EINVAL comes of a damaged offset."""
    return isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EINVAL)


def _number(path: Path) -> int:
    """The step after which a file was saved, as its name says."""
    return int(path.stem.rpartition("-")[2])


def _write(path: Path, arrays: Arrays, state: Mapping[str, Any]) -> None:
    """Write a file so that it is there whole or not at all, whatever dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **{STATE: text}, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _read(path: Path) -> Checkpoint:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    state = json.loads(arrays.pop(STATE).tobytes())
    return Checkpoint(arrays, state)
