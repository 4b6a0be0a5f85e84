"""Parity of raw files: a file as users have it must be served with the pixels on which the model was trained.

Equal class maps do not prove it: a network may answer alike on a turned picture. So the pixels are compared, all of
them, in every way in which files are read: that of `segline predict` and `segline serve`, that of the exported
signatures, and that of the file that goes with LiteRT and ONNX.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models import image_file
from pipeline.errors import UserError
from pipeline.export import on_device
from pipeline.export.raw_image import IN_GRAPH, BadImageError, RawImages

SERVE = "`segline serve`"
"""In every message about a file that predict and serve read, and what refuses it does not."""

PREDICT, SIGNATURES, ON_DEVICE = "predict and serve", "signatures of bytes", "LiteRT and ONNX"
"""What reads files."""

LISTED = 10
"""Files that the message names at most."""


@dataclass(frozen=True)
class RawFile:
    """A raw image file and its record.

    Attributes:
        name: Its name in the raw folder.
        kind: Its format, kind of pixels and orientation.
        content: Its bytes.
        image: What training decodes from its record, uint8 [H,W,3].
    """

    name: str
    kind: str
    content: bytes
    image: np.ndarray


def check(
    files: Sequence[RawFile],
    images: RawImages,
    decode: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Read every file in every way and compare its pixels with those of its record.

    Args:
        files: The files.
        images: What predict and serve read with.
        decode: What the exported signatures read with: Servable.decode.
        facts: What the file for LiteRT and ONNX reads by; see on_device.read.

    Returns:
        {"files": their number, "kinds": {kind: number}, "refused": [{"file", "kind", "by", "why"}]: what signatures or
        LiteRT and ONNX do not read and say so, "different": [{"file", "kind", "by", "how"}], "passed"}.
    """
    of_signature = tf.function(decode, input_signature=[tf.TensorSpec([], tf.string)])
    readers: dict[str, Callable[[bytes], np.ndarray]] = {
        PREDICT: images.read,
        SIGNATURES: lambda content: of_signature(tf.constant(content))[0].numpy(),
        ON_DEVICE: lambda content: on_device.read(content, facts),
    }
    different: list[dict[str, str]] = []
    refused: list[dict[str, str]] = []
    for file, (by, read) in itertools.product(files, readers.items()):
        named = {"file": file.name, "kind": file.kind, "by": by}
        try:
            how = _difference(file.image, read(file.content))
        except (BadImageError, tf.errors.InvalidArgumentError, ValueError) as error:
            why = image_file.reason(error)
            # Only what is documented may be refused: other formats, and what the message sends elsewhere.
            allowed = by != PREDICT and (SERVE in why or not file.content.startswith(IN_GRAPH))
            how = "" if allowed else f"refused: {why}"
            refused += [{**named, "why": why}] * allowed
        different += [{**named, "how": how}] * bool(how)
    return {
        "files": len(files),
        "kinds": dict(Counter(file.kind for file in files)),
        "refused": refused,
        "different": different,
        "passed": not different,
    }


def require(result: dict[str, Any]) -> None:
    """Raise UserError if a file is served with other pixels than it was trained on."""
    different = result["different"]
    if result["passed"]:
        return
    lines = [f"  {entry['file']} ({entry['kind']}), {entry['by']}: {entry['how']}" for entry in different[:LISTED]]
    if len(different) > LISTED:
        lines.append(f"  and {len(different) - LISTED} more")
    raise UserError(
        "The exported model would see other pixels than it was trained on, in these raw files:\n"
        + "\n".join(lines)
        + "\nNothing was published. Ingest and serving read a file differently (pipeline/export/raw_image.py, "
        "models/image_file.py). If the files state a wrong EXIF orientation, set `image: {exif: ignore}` in the layout."
    )


def describe(result: dict[str, Any]) -> str:
    """Return one line on what was compared."""
    count, kinds = result["files"], ", ".join(result["kinds"])
    text = f"{count} raw file{'s' * (count != 1)} ({kinds}) read as in training"
    for by in (SIGNATURES, ON_DEVICE):
        kinds = ", ".join(dict.fromkeys(entry["kind"] for entry in result["refused"] if entry["by"] == by))
        text += f"; {by} do not take {kinds}" * bool(kinds)
    return text


def _difference(expected: np.ndarray, received: np.ndarray) -> str:
    """Say how two images differ; "" if they are equal."""
    if expected.shape != received.shape:
        sizes = [f"{image.shape[1]} x {image.shape[0]}" for image in (received, expected)]
        return f"{sizes[0]} pixels, in training {sizes[1]}"
    difference = np.abs(expected.astype(np.int16) - received)
    if not difference.any():
        return ""
    return f"{(difference > 0).mean():.2%} of the values differ, by up to {difference.max()}"
