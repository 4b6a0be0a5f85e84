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
    kept = {descriptor: os.dup(descriptor) for descriptor in _descriptors()}
    with path.open("a", encoding="utf-8") as file:
        for descriptor in kept:
            os.dup2(file.fileno(), descriptor)
        try:
            yield
        finally:
            sys.stderr.flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def _descriptors() -> set[int]:
    """Return the files that are standard error: that of C++ code, and Python's, for which a notebook has another."""
    try:
        return {STDERR, sys.stderr.fileno()}
    except OSError:
        return {STDERR}


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what the block writes to standard error; from then on C++ code logs only errors."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with stderr_to(Path(os.devnull)):
        yield
