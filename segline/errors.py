"""The exception of the library: what the command line prints, raised."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.console import safe_stream


class Error(Exception):
    """What is wrong, what was received, what is allowed and what to do, in the sentences of the command line.

    Attributes:
        exit_code: That of the command (pipeline/errors.py): 2 where the user can put it right, 3 where the gate did
            not pass, 1 for a fault of the machine.
        run: The `segline.Run` that ended so, with its results up to there; None where none had begun.
    """

    def __init__(self, message: str, exit_code: int = 2, run: Any = None) -> None:
        super().__init__(message)
        self.exit_code, self.run = exit_code, run

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the message, as no line of code is at fault (a hook of IPython)."""
        return [f"{type(self).__module__.partition('.')[0]}.{type(self).__name__}: {self}"]


@contextmanager
def sentences(workspace: Path | None = None) -> Iterator[None]:
    """Inside the block, an error that a command reports without a traceback becomes an `Error`.

    What is printed there is safe to show, as it is for a command.
    """
    with safe_stream.installed():
        try:
            yield
        except Error:
            raise
        except Exception as error:
            from pipeline.lineage import failure

            foreseen = failure.explain(error, workspace)
            if foreseen is None:
                raise
            raise Error(str(foreseen), foreseen.exit_code) from None
