"""Checkpoints: one file each, written atomically and verified when read; a damaged one is skipped for an older one."""

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
    """The content of a checkpoint.

    Attributes:
        arrays: {name: array}, as they were saved.
        state: The JSON values saved with them.
    """

    arrays: dict[str, np.ndarray] = field(repr=False)
    state: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder: step-<number>.npz, and best-<number>.npz with the best weights so far.

    A file is a zip of NumPy arrays, whose checksums are verified on reading.

    >>> import tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp()))
    >>> checkpoints.save(20, {"model/0": np.zeros(3)}, {"epoch": 1})
    >>> checkpoints.latest().state
    {'epoch': 1}
    >>> checkpoints.remove()

    Attributes:
        folder: The folder.
        keep: Number of newest checkpoints that are kept, in case the newest is damaged; and of best weights, as each
            checkpoint may name different ones.
    """

    folder: Path
    keep: int = 2

    def save(self, number: int, arrays: Arrays, state: Mapping[str, Any]) -> None:
        """Write the checkpoint of step `number`, the last one done, and remove superfluous files."""
        _write(self.folder / f"step-{number:09d}.npz", arrays, state)
        self._prune("step")
        self._prune("best")

    def save_best(self, number: int, arrays: Arrays) -> str:
        """Write the best weights so far; return the file name for the checkpoint's state."""
        name = best_name(number)
        _write(self.folder / name, arrays, {})
        return name

    def best(self, name: str) -> dict[str, np.ndarray]:
        """Read the weights that `save_best` wrote.

        Raises:
            UserError: The file is damaged. `latest` then skips the checkpoints that name it.
            Unreachable: As for `latest`.
        """
        try:
            return _read(self.folder / name).arrays
        except Exception as error:  # zipfile and NumPy raise many kinds for damaged bytes
            if _is_io_error(error):
                raise Unreachable(
                    f"The best weights, {self.folder / name}, cannot be read: {error}. Nothing is changed: the same "
                    "command continues once they can be."
                ) from error
            raise UserError(
                f"{self.folder / name} holds the best weights and cannot be read any more: {error}. The same command "
                "continues from an older checkpoint."
            ) from error

    def latest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is intact, as are the best weights that it names; None if there is none.

        Damaged checkpoints are renamed. Best weights as new as the checkpoint that it does not name are removed:
        their validation is repeated.

        Raises:
            Unreachable: The disk or the network reported an error: the checkpoint may be intact.
        """
        intact: Checkpoint | None = None
        number, named = 0, ""
        paths = self._all("step")
        for path in reversed(paths):
            try:
                checkpoint = _read(path)
                if best := checkpoint.state.get("best"):
                    _read(self.folder / best["file"])
            except Exception as error:  # zipfile and NumPy raise many kinds for damaged bytes
                if _is_io_error(error):
                    raise Unreachable(
                        f"The checkpoint {path}, or the best weights that it names, cannot be read: {error}. Nothing "
                        "is changed: the same command continues from there once they can be. To continue from the "
                        "checkpoint before it, remove the file."
                    ) from error
                print(f"train     skips the damaged checkpoint {path.name}: {error}")
                path.rename(path.with_suffix(".damaged"))  # otherwise its number would rank above the next ones
            else:
                intact, number = checkpoint, _number(path)
                named = best["file"] if best else ""
                break
        if paths and intact is None:
            print("train     no checkpoint is intact: the training starts from scratch")
        for path in self._all("best"):
            if _number(path) >= number and path.name != named:  # it would rank above the next ones, too
                path.unlink()
        return intact

    def peek(self) -> tuple[int, Checkpoint] | None:
        """Read the newest checkpoint and its number without changing any file; None if there is none."""
        files = self._all("step")
        return (_number(files[-1]), _read(files[-1])) if files else None

    def at(self, number: int) -> Checkpoint:
        """Read the checkpoint of step `number`, which another worker has verified."""
        return _read(self.folder / f"step-{number:09d}.npz")

    def remove(self) -> None:
        """Remove the folder, once the training is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self, kind: str) -> list[Path]:
        """Return the files of a kind, oldest first."""
        return sorted(path for path in self.folder.glob(f"{kind}-*.npz") if re.fullmatch(r"\w+-\d+\.npz", path.name))

    def _prune(self, kind: str) -> None:
        for path in self._all(kind)[: -self.keep]:
            path.unlink()


def best_name(number: int) -> str:
    """Return the file name of the weights after step `number`."""
    return f"best-{number:09d}.npz"


def _is_io_error(error: Exception) -> bool:
    """Return whether reading failed, rather than the file being damaged; EINVAL comes from a damaged offset."""
    return isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EINVAL)


def _number(path: Path) -> int:
    """Return the step after which a file was saved, from its name."""
    return int(path.stem.rpartition("-")[2])


def _write(path: Path, arrays: Arrays, state: Mapping[str, Any]) -> None:
    """Write a file atomically: even if the machine dies, it is there whole or not at all."""
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
