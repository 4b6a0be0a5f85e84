"""Random texture that repeats every 256 steps."""

import numpy as np
from PIL import Image

SIDE = 256


class Noise:
    """Two random textures of mean 0 and standard deviation 1: `fine` like grit, `soft` like clouds.

    Args:
        rng: Source of randomness.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.fine = _texture(rng, {64: 0.5, 128: 0.7, 256: 1.0})
        self.soft = _texture(rng, {4: 1.0, 8: 0.7, 16: 0.5, 32: 0.35, 64: 0.25})

    @staticmethod
    def at(texture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Sample a texture at any positions; `x` and `y` are broadcast."""
        return texture[y.astype(np.int32) % SIDE, x.astype(np.int32) % SIDE]


def _texture(rng: np.random.Generator, octaves: dict[int, float]) -> np.ndarray:
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells, amplitude in octaves.items():
        grid = np.pad(rng.standard_normal((cells, cells), np.float32), 2, mode="wrap")
        box = (2, 2, 2 + cells, 2 + cells)
        total += amplitude * np.asarray(Image.fromarray(grid).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box))
    return (total - total.mean()) / total.std()
