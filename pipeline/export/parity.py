"""Proof that an exported model is the evaluated one: loaded in a fresh process, it must give the same class maps."""

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
"""Share of the pixels that may differ: another order of float additions can turn a pixel where two classes are tied."""

ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1"}
"""The fresh process computes on the CPU. A GPU's memory is held by this one, and its rounding (TF32, kernels chosen by
timing) may differ from process to process, which would hide what is looked for: another graph or other weights."""

TIMEOUT = 1800.0
"""Seconds after which the fresh process is given up."""


def check(
    saved_model: Path, files: Sequence[bytes], images: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Compare every signature of a SavedModel, called in a fresh process, with the class maps it must give.

    Args:
        saved_model: Its folder.
        files: N encoded images.
        images: The same images decoded, uint8 [H,W,3] of any sizes.
        expected: Their class maps by the evaluated model, computed on the CPU, uint8 [H,W].

    Returns:
        {"images", "pixels", "different_pixels": of the worst signature, "share", "max_share", "passed",
        "signatures": {name: different pixels}}.

    Raises:
        RuntimeError: The fresh process failed: the SavedModel cannot be loaded or called.
    """
    answers = _ask(saved_model, files, images)
    different = {
        name: sum(_differing(expected[index], answers[f"{name}_{index}"]) for index in range(len(expected)))
        for name in sorted({key.rsplit("_", 1)[0] for key in answers})
    }
    pixels = sum(found.size for found in expected)
    worst = max(different.values())
    return {
        "images": len(expected),
        "pixels": pixels,
        "different_pixels": worst,
        "share": worst / pixels,
        "max_share": MAX_SHARE,
        "passed": worst <= MAX_SHARE * pixels,
        "signatures": different,
    }


def require(result: dict[str, Any]) -> None:
    """Raise UserError where `check` found too many differing pixels."""
    if result["passed"]:
        return
    counts = ", ".join(f"{name} {count:,}" for name, count in result["signatures"].items())
    raise UserError(
        f"The exported model is not the evaluated one: on {result['images']} images of {result['pixels']:,} pixels, "
        f"class maps differ in this many pixels: {counts}. Allowed: {result['max_share']:.0e} of the pixels. Nothing "
        "was published. Most likely a layer of the model computes something else in a saved graph than in Python."
    )


def _ask(saved_model: Path, files: Sequence[bytes], images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    request = {f"image_{index}": image for index, image in enumerate(images)}
    request |= {f"bytes_{index}": np.frombuffer(file, np.uint8) for index, file in enumerate(files)}
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "request.npz"), Path(folder, "response.npz")
        np.savez(asked, **request)  # type: ignore[arg-type]
        # -P keeps the folder of the script, and with it the project, off the path; elsewhere it may be installed, so
        # the script also checks that nothing of it was imported.
        command = [sys.executable, "-P", fresh_process.__file__, *map(str, (saved_model, asked, answered))]
        environment = {**os.environ, **ENVIRONMENT}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        if done.returncode:
            raise RuntimeError(f"The SavedModel cannot be used in a fresh process:\n{done.stderr.strip()}")
        with np.load(answered) as arrays:
            return dict(arrays)


def _differing(expected: np.ndarray, received: np.ndarray) -> int:
    """Count differing pixels; a class map of another size differs everywhere."""
    return int((expected != received).sum()) if expected.shape == received.shape else expected.size
