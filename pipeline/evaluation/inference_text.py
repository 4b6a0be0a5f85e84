"""How an evaluation looked at the images, in words: for the report, and where two evaluations are compared."""

from collections.abc import Mapping
from typing import Any


def looked(inference: Mapping[str, Any]) -> str:
    """Say in words how the images were looked at; `inference` is that of metrics.json."""
    told = "the whole image at once"
    if inference.get("window"):
        height, width = inference["window"]
        kind = "windows" if inference["inference"] == "sliding" else "tiles"
        told = f"in {kind} of {height} x {width}, {inference['overlap']:.0%} of one seen again in the next"
    zooms = inference.get("scales", [1.0])
    also = [f"zooms {', '.join(f'{zoom:g}' for zoom in zooms)}"] if list(zooms) != [1.0] else []
    also += ["mirror images"] if inference.get("flip") else []
    return f"{told}, averaged over {' and '.join(also)}" if also else told
