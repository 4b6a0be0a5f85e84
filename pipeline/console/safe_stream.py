"""Standard output and error without what text from data could do there: act on the terminal, or show a password."""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from datasets.foreign_text import escape
from pipeline.console.url_secrets import mask

KEPT = "\n\r\t"
"""Line ends and tabs of tables; progress bars return to the start of their line."""

INNER_RETURN = re.compile(r"(?<!^)\r(?!\n|$)")
"""A return to the start of a line after which a name would hide what stands there; a bar's is the first character."""


class SafeStream(io.TextIOBase):
    """Text stream that writes to another one, without control characters and without passwords of URLs.

    What it writes is JSON where it was JSON: a character is escaped as there.
    """

    def __init__(self, to: TextIO) -> None:
        self._to = to

    def write(self, text: str) -> int:
        """Write a text."""
        self._to.write(safe(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream underneath."""
        self._to.flush()

    def fileno(self) -> int:
        """File descriptor underneath."""
        return self._to.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the stream underneath."""
        return self._to.encoding

    def isatty(self) -> bool:
        """Whether the stream underneath is a terminal."""
        return self._to.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._to, name)


def safe(text: str) -> str:
    """Return a text, of several lines, as it may be printed or logged."""
    return INNER_RETURN.sub(r"\\r", escape(mask(text) if "://" in text else text, keep=KEPT))


@contextmanager
def installed() -> Iterator[None]:
    """Inside the block, standard output and error are safe."""
    with redirect_stdout(SafeStream(sys.stdout)), redirect_stderr(SafeStream(sys.stderr)):
        yield
