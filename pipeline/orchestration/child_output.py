"""Pass on what a child process prints where standard output is no file: a notebook shows only what Python prints."""

import codecs
import os
import select
import subprocess
import sys
from typing import Any

STDOUT = 1

POLL_SECONDS = 0.2
"""Another process may hold the pipe open after the child has ended, so that its end is looked for as well."""


class ChildOutput:
    """The standard output and error of a child process.

    A child that inherits the file of standard output keeps the terminal, and with it the progress bars. In a notebook,
    and under a test that captures output, `sys.stdout` is an object without that file: the child writes into a pipe
    instead, and what arrives there is written to the object.
    """

    def __init__(self) -> None:
        # A run's log copies what is printed; the child writes into the log itself, so the copy is left out.
        self._shown = None if _is_inherited(sys.stdout) else getattr(sys.stdout, "shown", sys.stdout)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @property
    def options(self) -> dict[str, Any]:
        """Options of subprocess.Popen."""
        return {} if self._shown is None else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}

    def wait(self, child: "subprocess.Popen[bytes]", seconds: float | None) -> int | None:
        """Wait for the end of a child, for `seconds` at most, and pass on what it prints; return its exit code."""
        if self._shown is None or child.stdout is None:
            try:
                return child.wait(seconds)
            except subprocess.TimeoutExpired:
                return None
        readable, _, _ = select.select([child.stdout], [], [], seconds or POLL_SECONDS)
        if not readable:
            return child.poll()
        written = os.read(child.stdout.fileno(), 1 << 16)
        self._shown.write(self._decoder.decode(written, final=not written))
        self._shown.flush()
        if written:
            return None
        child.stdout.close()
        return child.wait()


def _is_inherited(stream: Any) -> bool:
    """Return whether a stream is the file that a child process has as its standard output."""
    try:
        return stream is None or stream.fileno() == STDOUT
    except (AttributeError, OSError, ValueError):
        return False
