"""Images to predict, and the files of a result folder."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.serving import class_shares, prediction_progress

COLOURS = ((128, 64, 128), (0, 0, 255))


def draw(path: Path, height: int = 6, width: int = 8, red: int = 200) -> Path:
    """Left half black, right half red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :, 0] = red
    Image.fromarray(image).save(path)
    return path


def files(folder: Path) -> set[str]:
    """The files of a result folder, but for the journal and the table of class shares."""
    own = (class_shares.FILE, prediction_progress.FILE)
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name not in own
    }
