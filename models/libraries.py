"""The libraries that other formats of a model need; they are extras of the installation."""

from collections.abc import Sequence
from importlib.util import find_spec

from models.errors import ModelError

NEEDED = {"litert": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnx", "onnxruntime")}
"""By the extra that installs them. LiteRT's converter comes with TensorFlow; its interpreter there is to be deleted."""


def missing(name: str) -> list[str]:
    """Name the libraries that the format `name` (onnx, litert_<precision>) lacks here."""
    return [library for library in NEEDED[name.split("_")[0]] if find_spec(library) is None]


def require(names: Sequence[str]) -> None:
    """Raise ModelError where a library is not installed that one of these formats needs; all are named."""
    lacking = {name.split("_")[0]: found for name in names if (found := missing(name))}
    if lacking:
        told = "; ".join(
            f"{kind} needs {', '.join(found)}: pip install 'segline[{kind}]'" for kind, found in lacking.items()
        )
        raise ModelError(f"`export.formats` asks for what is not installed here. {told}. Or take it out.")
