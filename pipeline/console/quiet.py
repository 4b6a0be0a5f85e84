"""TensorFlow without its greeting: half a dozen lines on standard error at import, which no setting silences (2.21)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "NONE"}
"""Keeps what TensorFlow's and gRPC's C++ code logs later off the terminal."""


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Add to a file what the block writes to standard error, C++ code included. Exceptions pass."""
    sys.stderr.flush()
    kept = os.dup(sys.stderr.fileno())
    with path.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, sys.stderr.fileno())
            os.close(kept)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what the block writes to standard error, and have C++ code log errors alone from then on."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with stderr_to(Path(os.devnull)):
        yield
