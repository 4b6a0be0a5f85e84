"""TensorFlow's interpreter of LiteRT files where LiteRT's own runtime is not installed."""

import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from models import libraries


def provide_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what imports the runtime have one."""
    if libraries.missing("litert"):
        runtime = SimpleNamespace(Interpreter=tf.lite.Interpreter)
        monkeypatch.setitem(sys.modules, "ai_edge_litert", SimpleNamespace(interpreter=runtime))
        monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", runtime)
        monkeypatch.setitem(libraries.NEEDED, "litert", ())
