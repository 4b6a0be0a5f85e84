"""Parity check: loaded in a fresh process, an exported model must predict the class maps of the evaluated one."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.export import fresh_process

MAX_SHARE = 1e-4
"""Share of pixels that may differ: another order of float additions can change the class of a tied pixel."""

ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1"}
"""The fresh process computes on the CPU. This process holds the GPU's memory, and the GPU's rounding (TF32, kernels
chosen by timing) may differ between processes, which would mask a different graph or different weights."""

TIMEOUT = 1800.0
"""Seconds that the fresh process may take."""


def check(
    saved_model: Path, files: Sequence[bytes | None], images: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Call every signature of a SavedModel in a fresh process and compare the class maps with the expected ones.

    Args:
        saved_model: Folder of the SavedModel.
        files: N image files; None where the signatures of files do not read it.
        images: The same images as training decodes them, uint8 [H,W,3] of any sizes.
        expected: Their class maps by the evaluated model, computed on the CPU, uint8 [H,W].

    Returns:
        {"images", "pixels", "different_pixels": of the worst signature, "share", "max_share", "passed",
        "signatures": {name: different pixels}}.

    Raises:
        RuntimeError: The SavedModel cannot be loaded or called in the fresh process.
    """
    received = _call(saved_model, files, images)
    different: dict[str, int] = {}
    compared: dict[str, int] = {}
    for key in sorted(received):
        name, index = key.rsplit("_", 1)
        class_map = expected[int(index)]
        different[name] = different.get(name, 0) + _differing(class_map, received[key])
        compared[name] = compared.get(name, 0) + class_map.size
    share = max(different[name] / compared[name] for name in different)
    return {
        "images": len(expected),
        "pixels": sum(class_map.size for class_map in expected),
        "different_pixels": max(different.values()),
        "share": share,
        "max_share": MAX_SHARE,
        "passed": share <= MAX_SHARE,
        "signatures": different,
    }


def require(result: dict[str, Any]) -> None:
    """Raise UserError if too many pixels differ in a result of `check`."""
    if result["passed"]:
        return
    counts = ", ".join(f"{name} {count:,}" for name, count in result["signatures"].items())
    raise UserError(
        f"The exported model is not the evaluated one: on {result['images']} images of {result['pixels']:,} pixels, "
        f"class maps differ in this many pixels: {counts}. Allowed: {result['max_share']:.0e} of the pixels. Nothing "
        "was published. Most likely a layer of the model computes something different in a saved graph than in Python."
    )


def _call(saved_model: Path, files: Sequence[bytes | None], images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    request = {f"image_{index}": image for index, image in enumerate(images)}
    request |= {f"bytes_{index}": np.frombuffer(file, np.uint8) for index, file in enumerate(files) if file is not None}
    with tempfile.TemporaryDirectory() as folder:
        request_file, response_file = Path(folder, "request.npz"), Path(folder, "response.npz")
        np.savez(request_file, **request)  # type: ignore[arg-type]
        # -P keeps the script's folder, and so the project, off the path. As the project may be installed elsewhere, the
        # script also checks that nothing of it was imported.
        command = [sys.executable, "-P", fresh_process.__file__, *map(str, (saved_model, request_file, response_file))]
        environment = {**os.environ, **ENVIRONMENT}
        completed = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if completed.returncode:
            raise RuntimeError(f"The SavedModel cannot be used in a fresh process:\n{completed.stderr.strip()}")
        with np.load(response_file) as arrays:
            return dict(arrays)


def _differing(expected: np.ndarray, received: np.ndarray) -> int:
    """Count differing pixels; a class map of another size differs everywhere."""
    return int((expected != received).sum()) if expected.shape == received.shape else expected.size
