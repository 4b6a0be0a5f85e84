"""Optional libraries for exporting to ONNX and LiteRT; each is an extra of the installation."""

from collections.abc import Sequence
from importlib.util import find_spec

from models.errors import ModelError

NEEDED: dict[str, tuple[str, ...]] = {"litert": ("ai_edge_litert",), "onnx": ("tf2onnx", "onnx", "onnxruntime")}
"""Extra -> libraries. LiteRT's converter comes with TensorFlow; TensorFlow's own interpreter is deprecated."""


def missing(name: str) -> list[str]:
    """List the libraries that the format `name` (onnx, litert_<precision>) needs and that are not installed."""
    return [library for library in NEEDED[name.split("_")[0]] if find_spec(library) is None]


def require(names: Sequence[str]) -> None:
    """Raise ModelError, naming all of them, if libraries that these formats need are not installed."""
    lacking = {name.split("_")[0]: libraries for name in names if (libraries := missing(name))}
    if lacking:
        installs = "; ".join(
            f"{extra} needs {', '.join(libraries)}: pip install 'segline[{extra}]'"
            for extra, libraries in lacking.items()
        )
        raise ModelError(f"`export.formats` needs libraries that are not installed. {installs}. Or remove the format.")
