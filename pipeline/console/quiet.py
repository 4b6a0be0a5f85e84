"""TensorFlow without the lines that it prints at import, which no setting silences (2.21)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "NONE"}
"""Keeps later logs of TensorFlow's and gRPC's C++ code off the terminal."""

STDERR = 2


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Append to a file what the block writes to standard error, C++ code included. Exceptions pass."""
    sys.stderr.flush()
    descriptor = _descriptor()
    kept = os.dup(descriptor)
    with path.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, descriptor)
            os.close(kept)


def _descriptor() -> int:
    """Return the number of the file that is standard error; a program may have put an object without one there."""
    try:
        return sys.stderr.fileno()
    except OSError:
        return STDERR


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what the block writes to standard error; from then on C++ code logs only errors."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with stderr_to(Path(os.devnull)):
        yield
