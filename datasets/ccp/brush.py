"""A brush that paints a photograph and its mask with the same strokes, and the cloths it paints with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datasets.scenes.noise import Noise

Point = tuple[float, float]
"""(right of the figure's middle, down from its crown), in units of the figure's height."""

PATTERNS = ("plain", "plain", "plain", "stripes", "checks", "dots", "denim", "knit")


@dataclass(frozen=True)
class Cloth:
    """The material of a garment.

    Attributes:
        colour: Red, green, blue in 0..255.
        second: Colour of stripes, checks or dots.
        pattern: One of PATTERNS.
        step: Distance between two repeats, in figure heights.
    """

    colour: tuple[float, ...]
    second: tuple[float, ...]
    pattern: str
    step: float


def cloth(rng: np.random.Generator, *, patterns: Sequence[str] = PATTERNS, dark: float = 0.5) -> Cloth:
    """Draw a random cloth; `dark` scales the probability that it is nearly black, as street clothes often are."""
    colour = rng.uniform(25, 235, 3)
    colour = colour.mean() + (colour - colour.mean()) * rng.uniform(0.2, 1.2)
    if rng.random() < dark * 0.6:
        colour = colour * 0.25
    second = np.clip(colour + rng.choice([-1, 1]) * rng.uniform(50, 110, 3), 0, 255)
    return Cloth(tuple(np.clip(colour, 8, 245)), tuple(second), str(rng.choice(patterns)), rng.uniform(0.012, 0.05))


class Brush:
    """Paints parts of one figure onto a picture and its mask.

    Args:
        picture: The background, RGB; it is painted in place.
        mask: Ids, 8 bits, of the same size; it is painted in place.
        crown: Pixel position (x, y) of the figure's crown.
        height: Pixels from crown to sole.
        noise: Texture of folds and weave.
    """

    def __init__(
        self, picture: Image.Image, mask: Image.Image, crown: tuple[float, float], height: float, noise: Noise
    ) -> None:
        self.picture, self.mask, self.crown, self.height, self.noise = picture, mask, crown, height, noise
        self._label = ImageDraw.Draw(mask)

    def shape(self, outline: Sequence[Point], cloth: Cloth, id_: int) -> None:
        """Paint the inside of a smooth closed curve through the points."""
        self._paint([self._pixels(smooth(outline))], cloth, id_)

    def limb(self, joints: Sequence[Point], widths: Sequence[float], cloth: Cloth, id_: int) -> None:
        """Paint a bent limb: a strip along the joints, of interpolated width, with round ends."""
        line = np.array(smooth(joints, closed=False))
        at = np.linspace(0, 1, len(line))
        wide = np.interp(at, np.linspace(0, 1, len(widths)), widths)[:, None] / 2
        along = np.gradient(line, axis=0)
        across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
        strip = [*(line + across * wide).tolist(), *(line - across * wide)[::-1].tolist()]
        discs = [ellipse((x, y), w, w) for (x, y), w in ((line[0], wide[0, 0]), (line[-1], wide[-1, 0]))]
        self._paint([self._pixels(part) for part in (strip, *discs)], cloth, id_)

    def _pixels(self, points: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        return [(self.crown[0] + x * self.height, self.crown[1] + y * self.height) for x, y, *_ in points]

    def _paint(self, parts: Sequence[list[tuple[float, float]]], cloth: Cloth, id_: int) -> None:
        corners = np.array([point for part in parts for point in part])
        left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
        right, bottom = np.minimum(np.ceil(corners.max(0)).astype(int) + 3, self.picture.size)
        if left >= right or top >= bottom:
            return
        inside = Image.new("L", (int(right - left), int(bottom - top)))
        draw = ImageDraw.Draw(inside)
        for part in parts:
            draw.polygon([(x - left, y - top) for x, y in part], fill=255)
        colours = self._shaded(inside, cloth, int(left), int(top))
        self.picture.paste(Image.fromarray(colours), (int(left), int(top)), inside)
        self.mask.paste(id_, (int(left), int(top)), inside)

    def _shaded(self, inside: Image.Image, cloth: Cloth, left: int, top: int) -> np.ndarray:
        """Return the colours of a part's box, uint8 [h, w, 3]: pattern, soft folds, and shading towards the edges."""
        x = (np.arange(inside.width, dtype=np.float32)[None] + left - self.crown[0]) / self.height
        y = (np.arange(inside.height, dtype=np.float32)[:, None] + top - self.crown[1]) / self.height
        round_ = np.asarray(inside.filter(ImageFilter.BoxBlur(0.012 * self.height)), np.float32) / 255
        folds = self.noise.at(self.noise.soft, x * 400 + 2048, y * 160 + 2048)
        weave = self.noise.at(self.noise.fine, x * 900 + 2048, y * 900 + 2048)
        light = (0.55 + 0.5 * round_) * (1 + 0.07 * folds + 0.035 * weave)
        colours = np.array(cloth.colour, np.float32) + _pattern(cloth, x, y, weave)[..., None] * (
            np.array(cloth.second, np.float32) - np.array(cloth.colour, np.float32)
        )
        return np.clip(colours * light[..., None], 0, 255).astype(np.uint8)


def _pattern(cloth: Cloth, x: np.ndarray, y: np.ndarray, weave: np.ndarray) -> np.ndarray:
    """Return the share of the second colour, 0..1 [h, w]."""
    across, down = (x / cloth.step) % 1, (y / cloth.step) % 1
    if cloth.pattern == "stripes":
        return np.broadcast_to((down < 0.4).astype(np.float32), weave.shape)
    if cloth.pattern == "checks":
        return ((across < 0.3).astype(np.float32) + (down < 0.3)) / 2
    if cloth.pattern == "dots":
        return ((across - 0.5) ** 2 + (down - 0.5) ** 2 < 0.06).astype(np.float32)
    strength = {"denim": 0.12, "knit": 0.2}.get(cloth.pattern, 0.0)
    return np.clip(strength * weave, 0, 1)


def smooth(points: Sequence[Point], *, closed: bool = True, steps: int = 6) -> list[Point]:
    """Return a Catmull-Rom curve through the points."""
    at = np.array(points, float)
    ends = (at[-1:], at[:2]) if closed else (at[:1], at[-1:])
    padded = np.concatenate([ends[0], at, ends[1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    curve = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        bend = (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
        curve += (0.5 * (2 * p1 + (p2 - p0) * t + bend)).tolist()
    return [(x, y) for x, y in ([*curve] if closed else [*curve, at[-1].tolist()])]


def ellipse(centre: Point, wide: float, high: float) -> list[Point]:
    """Return the outline of an ellipse with the radii `wide` and `high`."""
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return [(centre[0] + wide * np.cos(t), centre[1] + high * np.sin(t)) for t in turns]
