"""A tiny raw folder in CamVid's layout, for tests to damage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNTS = {"train": 6, "val": 3}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Folder with 6 training and 3 validation pairs of 24 x 32 pixels, of two drives."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "raw"
    for split, count in COUNTS.items():
        for name in (split, f"{split}annot"):
            (folder / name).mkdir(parents=True)
        for index in range(count):
            file = f"{'AB'[index % 2]}_{split}{index}.png"
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(folder / split / file)
            Image.fromarray(rng.integers(0, 12, (24, 32), np.uint8)).save(folder / f"{split}annot" / file)
    return folder
