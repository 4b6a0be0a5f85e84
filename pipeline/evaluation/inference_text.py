"""How an evaluation ran the model on an image, in words, for the report and for comparisons."""

from collections.abc import Mapping
from typing import Any


def describe(inference: Mapping[str, Any]) -> str:
    """Describe the `inference` of metrics.json in words.

    >>> describe({"inference": "tiles", "window": [512, 512], "overlap": 0.25, "flip": True})
    'in tiles of 512 x 512, overlapping by 25%, averaged over mirror images'
    """
    text = "the whole image at once"
    if inference.get("window"):
        height, width = inference["window"]
        kind = "windows" if inference["inference"] == "sliding" else "tiles"
        text = f"in {kind} of {height} x {width}, overlapping by {inference['overlap']:.0%}"
    zooms = inference.get("scales", [1.0])
    averaged = [f"zooms {', '.join(f'{zoom:g}' for zoom in zooms)}"] if list(zooms) != [1.0] else []
    averaged += ["mirror images"] if inference.get("flip") else []
    return f"{text}, averaged over {' and '.join(averaged)}" if averaged else text
