"""The folder of one run: recipe, command, code and library versions, log, and links to its artifacts."""

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import TextIO

from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.console.safe_stream import SafeStream, safe
from pipeline.console.url_secrets import mask, mask_word
from pipeline.errors import UserError
from pipeline.workspace.digest import write_atomically
from pipeline.workspace.fingerprint import PROJECT
from pipeline.workspace.layout import Workspace

MESSAGE = "\nsegline: "
"""How an error begins in a run's log."""

CHANGED = "+changes"
"""Suffix of the code's version where files differ from the commit."""


@dataclass(frozen=True)
class RunFolder:
    """runs/<id>/ with recipe.yaml, lock.txt, command.txt, code.txt, log.txt and one link a step.

    Also code.diff where the code differed from its commit, and audit.json where ingest refused raw files.
    """

    path: Path

    @property
    def id(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def refusal(self) -> Path:
        """The list of raw files that ingest refused."""
        return self.path / "audit.json"

    @property
    def exists(self) -> bool:
        """Whether there is such a run."""
        return (self.path / "recipe.yaml").is_file()

    @classmethod
    def create(cls, workspace: Workspace, recipe: Recipe, command: list[str], run_id: str | None = None) -> "RunFolder":
        """Make the folder of a new run. recipe.yaml is written last: a folder without it is no run."""
        folder = cls(workspace.run(run_id or workspace.new_run_id(recipe.name)))
        folder.path.mkdir(parents=True, exist_ok=True)
        (folder.path / "command.txt").write_text(shlex.join(map(mask_word, command)) + "\n", encoding="utf-8")
        (folder.path / "code.txt").write_text((code := code_version()) + "\n", encoding="utf-8")
        if code.endswith(CHANGED):
            (folder.path / "code.diff").write_text(mask(_git("diff", "HEAD")) + "\n", encoding="utf-8")
        (folder.path / "lock.txt").write_text(installed(), encoding="utf-8")
        write_atomically(folder.path / "recipe.yaml", recipe_file.dump(recipe))
        return folder

    @classmethod
    def open(cls, workspace: Workspace, run_id: str) -> "RunFolder":
        """Open the folder of an existing run.

        Raises:
            UserError: There is none.
        """
        folder = cls(workspace.run(run_id))
        if not folder.exists:
            raise UserError(
                f"There is no run {run_id!r} in {workspace.root}. To begin one under this name, name the recipe too: "
                f"segline step STEP RECIPE --run {run_id}"
            )
        return folder

    def recipe(self) -> Recipe:
        """Return the recipe as it was resolved when the run began."""
        return recipe_file.read(self.path / "recipe.yaml")

    def artifact(self, step: str) -> Path:
        """Return the folder that `step` made or reused in this run.

        Raises:
            UserError: The step has not run yet.
        """
        link = self.path / step
        if not link.is_dir():
            raise UserError(f"Run {self.id} has no result of step {step} yet. Run that step first.")
        return link.resolve()

    def link(self, step: str, artifact: Path) -> None:
        """Point the run's link for `step` to an artifact, atomically."""
        new = self.path / f".{step}.{os.getpid()}"
        new.unlink(missing_ok=True)  # of a process that was killed here: in a container its number is often the same
        new.symlink_to(os.path.relpath(artifact, self.path))
        new.replace(self.path / step)

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Copy what the block prints to standard output into log.txt."""
        with self.log_file.open("a", encoding="utf-8") as log, redirect_stdout(Tee(sys.stdout, SafeStream(log))):
            yield

    @property
    def log_file(self) -> Path:
        """The file of everything printed, and of tracebacks that were not printed."""
        return self.path / "log.txt"

    def log(self, text: str) -> None:
        """Append text to log.txt without printing it."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(safe(text) + "\n")

    def last_error(self) -> str:
        """Return the last error in log.txt as it was printed, without "segline: "; of a traceback the last line."""
        text = "\n" + self.log_file.read_text(encoding="utf-8", errors="replace").strip()
        message, trace = text.rfind(MESSAGE), text.rfind("\nTraceback (most recent call last)")
        return text[message + len(MESSAGE) :] if message > trace else text.rpartition("\n")[2]


class Tee(io.TextIOBase):
    """Text stream that writes to two others, of which people see the first."""

    def __init__(self, first: TextIO, second: TextIO | SafeStream) -> None:
        self._streams = (first, second)

    def write(self, text: str) -> int:
        """Write to both and flush, so that a killed process loses no output."""
        self._streams[1].write(text)
        self._streams[1].flush()
        try:
            self._streams[0].write(text)
            self._streams[0].flush()
        except BrokenPipeError:
            # The reader has closed the pipe, as in `segline run ... | head`. The run continues, and the log is whole.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._streams[0].fileno())
        return len(text)

    @property
    def shown(self) -> TextIO:
        """The first stream."""
        return self._streams[0]

    def fileno(self) -> int:
        """File descriptor of the first stream."""
        return self.shown.fileno()

    def isatty(self) -> bool:
        """Whether the first stream is a terminal."""
        return self.shown.isatty()


def code_version() -> str:
    """Return the git commit of Segline's code, with "+changes" where files differ from it; without git, the version.

    A container image holds no git: SEGLINE_REVISION names the commit it was built from.
    """
    if revision := os.environ.get("SEGLINE_REVISION"):
        return f"git {revision}"
    try:
        if Path(_git("rev-parse", "--show-toplevel")).resolve() != PROJECT.resolve():
            raise FileNotFoundError  # installed somewhere inside another project's repository
        commit, changed = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return f"segline {segline_version()}"
    return f"git {commit}{CHANGED if changed else ''}"


def segline_version() -> str:
    """Return the version that is installed, or why there is none."""
    try:
        return version("segline")
    except PackageNotFoundError:
        return "without a version: neither a clone nor installed"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout.strip()


def installed() -> str:
    """Return every installed distribution as name==version, one a line."""
    return "".join(sorted({f"{library.name}=={library.version}\n" for library in distributions()}, key=str.lower))
