"""`--log-json`: the output of a command as one JSON object a line, for log collectors."""

import argparse
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from typing import Any, TextIO

VARIABLE = "SEGLINE_LOG_JSON"
"""Set to 1, it means --log-json. The steps, which are processes of their own, inherit it."""


class JsonLines(io.TextIOBase):
    """Text stream that writes each line to another one as {"time", "level", "message", ...}.

    Args:
        to: Stream to write the objects to.
        level: "info" or "error".
        facts: Further keys of every object.
    """

    def __init__(self, to: TextIO, level: str, facts: dict[str, Any]) -> None:
        self._to, self._level, self._facts = to, level, facts
        self._begun = ""

    def write(self, text: str) -> int:
        """Write the complete lines, and keep the rest."""
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            self.record(line)
        return len(text)

    def record(self, message: str) -> None:
        """Write one object, unless the message is empty."""
        if message.strip():
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            entry = {"time": now, "level": self._level, "message": message, **self._facts}
            self._to.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._to.flush()

    def finish(self) -> None:
        """Write the last line, if it has no newline."""
        self.record(self._begun)
        self._begun = ""

    def fileno(self) -> int:
        """File descriptor underneath."""
        return self._to.fileno()


@contextmanager
def if_requested(options: argparse.Namespace) -> Iterator[None]:
    """Inside the block, print JSON lines if the command can and --log-json or the environment requests it.

    An uncaught exception becomes one line with its traceback, and exit code 1.
    """
    if not hasattr(options, "log_json") or not (options.log_json or os.environ.get(VARIABLE) == "1"):
        yield
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1"
    facts = {"command": options.command_name, "process": os.getpid()}
    facts |= {key: value for key in ("step", "run") if isinstance(value := getattr(options, key, None), str)}
    out, errors = JsonLines(sys.stdout, "info", facts), JsonLines(sys.stderr, "error", facts)
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            yield
        except Exception:
            errors.record(traceback.format_exc())
            raise SystemExit(1) from None
        finally:
            out.finish()
            errors.finish()
            _restore(before)


def _restore(value: str | None) -> None:
    if value is None:
        del os.environ[VARIABLE]
    else:
        os.environ[VARIABLE] = value
