"""A pinhole camera, and a canvas that paints an image together with its mask."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from datasets.scenes.surface import Surface

Colour = Sequence[float] | np.ndarray
"""Red, green, blue in 0..255."""

Point = tuple[float, float, float]
"""(right of the camera, above the ground, ahead of the camera), metres."""

Paint = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray | Surface]]
"""(pixel centres x [1, w], y [h, 1]) -> (colours [h, w, 3] in 0..255, surfaces [h, w] or a single surface)."""

NEAREST = 0.6
"""Smallest depth, metres; nearer points are moved here, which avoids division by zero and points behind the camera."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera, parallel to the ground.

    Attributes:
        focal: Focal length, pixels.
        height: Height above the ground, metres.
        x, y: Principal point, which is the vanishing point of lines straight ahead, pixels.
    """

    focal: float
    height: float
    x: float
    y: float

    def project(self, points: Sequence[Point]) -> list[tuple[float, float]]:
        """Return the pixel position (x, y) of each point."""
        pixels = []
        for right, up, ahead in points:
            scale = self.focal / max(ahead, NEAREST)
            pixels.append((self.x + right * scale, self.y + (self.height - up) * scale))
        return pixels

    def pixels(self, metres: float, ahead: float) -> float:
        """Return the length in pixels of a length in metres at the depth `ahead`."""
        return metres * self.focal / max(ahead, NEAREST)

    def along(
        self, wall: float, x: np.ndarray, y: np.ndarray, near: float, far: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the point of a wall along the street that is visible at each pixel.

        Args:
            wall: Lateral position of the wall, metres; left is negative.
            x: Pixel centres, float [1, w].
            y: Pixel centres, float [h, 1].
            near: Depth of the wall's near end, metres.
            far: Depth of its far end, metres.

        Returns:
            Depth [1, w], clipped to the ends, and height above the ground [h, w], metres.
        """
        beside = x - self.x
        beside = np.where(np.abs(beside) < 1, np.sign(wall), beside).astype(np.float32)
        ahead = np.clip(wall * self.focal / beside, near, far)
        return ahead, self.height - (y - self.y) * ahead / self.focal


class Canvas:
    """An image and its mask, painted from far to near by the same strokes, so that they agree in every pixel.

    Attributes:
        image: The image.
        thing: Instance number, 0..65535, that the next strokes write into `things`.

    Args:
        colours: Initial colours, [H, W, 3] in 0..255.
        surfaces: Initial mask of Surface, uint8 [H, W].
        camera: The camera.
        haze: Colour that distant things fade into.
        clear: Depth at which 1 - 1/e of a colour has faded, metres.
    """

    def __init__(self, colours: np.ndarray, surfaces: np.ndarray, camera: Camera, haze: Colour, clear: float) -> None:
        self.image = Image.fromarray(as_bytes(colours))
        self.thing = 0
        self.camera, self.clear = camera, clear
        self._haze = [float(part) for part in haze]
        self._labels = Image.fromarray(surfaces.astype(np.int32))  # surface + 256 * thing, so that one stroke does both
        self._pencil, self._label = ImageDraw.Draw(self.image), ImageDraw.Draw(self._labels)

    @property
    def mask(self) -> np.ndarray:
        """Surface of each pixel, uint8 [H, W]."""
        return np.asarray(self._labels).astype(np.uint8)

    @property
    def things(self) -> np.ndarray:
        """Instance number of each pixel, uint16 [H, W]; 0 is sky and ground."""
        return (np.asarray(self._labels) >> 8).astype(np.uint16)

    def fade(self, colour: np.ndarray, ahead: np.ndarray | float) -> np.ndarray:
        """Mix colours [..., 3] with the haze according to their depth [...], metres."""
        share = np.asarray(np.exp(-np.maximum(ahead, 0) / self.clear), np.float32)[..., None]
        return colour * share + np.array(self._haze, np.float32) * (1 - share)

    def polygon(self, points: Sequence[Point], colour: Colour, surface: Surface) -> None:
        """Paint a polygon in one colour, before haze."""
        pixels = self.camera.project(points)
        self._pencil.polygon(pixels, fill=self._ink(colour, _depth(points)))
        self._label.polygon(pixels, fill=self._mark(surface))

    def line(self, points: Sequence[Point], width: float, colour: Colour, surface: Surface) -> None:
        """Paint a line; `width` is in metres, and at least one pixel."""
        ahead = _depth(points)
        pixels, thick = self.camera.project(points), max(1, round(self.camera.pixels(width, ahead)))
        self._pencil.line(pixels, fill=self._ink(colour, ahead), width=thick)
        self._label.line(pixels, fill=self._mark(surface), width=thick)

    def face(self, points: Sequence[Point], paint: Paint) -> None:
        """Paint a polygon whose colours, with haze, are computed per pixel."""
        pixels = self.camera.project(points)
        box = self._box(pixels)
        if box is None:
            return
        x = np.arange(box[0], box[2], dtype=np.float32)[None] + 0.5
        y = np.arange(box[1], box[3], dtype=np.float32)[:, None] + 0.5
        colours, surfaces = paint(x, y)
        inside = _inside(pixels, box)
        self.image.paste(Image.fromarray(as_bytes(colours)), box, inside)
        if isinstance(surfaces, Surface):
            self._labels.paste(self._mark(surfaces), box, inside)
        else:
            self._labels.paste(Image.fromarray(surfaces + np.int32(self.thing << 8)), box, inside)

    def cutout(self, centre: Point, size: tuple[float, float], paint: Callable[..., tuple]) -> None:
        """Paint a shape whose outline is computed per pixel, such as foliage.

        Args:
            centre: Its centre.
            size: Width and height of its box, metres.
            paint: Maps positions relative to `centre`, metres right [1, w] and up [h, 1], to colours [h, w, 3], bool
                [h, w] that is true inside, and a Surface.
        """
        right, up, ahead = centre
        x0, y0 = right - size[0] / 2, up - size[1] / 2
        box = self._box(self.camera.project([(x0, y0, ahead), (x0 + size[0], y0 + size[1], ahead)]))
        if box is None:
            return
        ((x, y),) = self.camera.project([centre])
        scale = max(ahead, NEAREST) / self.camera.focal
        across = (np.arange(box[0], box[2], dtype=np.float32)[None] + 0.5 - x) * scale
        along = (y - 0.5 - np.arange(box[1], box[3], dtype=np.float32)[:, None]) * scale
        colours, inside, surface = paint(across, along)
        shape = Image.fromarray(inside.astype(np.uint8) * 255)
        self.image.paste(Image.fromarray(as_bytes(self.fade(colours, ahead))), box, shape)
        self._labels.paste(self._mark(surface), box, shape)

    def shade(self, points: Sequence[Point], light: float) -> None:
        """Multiply the brightness of a polygon by `light`; the mask is unchanged."""
        pixels = self.camera.project(points)
        box = self._box(pixels)
        if box is None:
            return
        darker = self.image.crop(box).point([int(value * light) for value in range(256)] * 3)
        self.image.paste(darker, box, _inside(pixels, box))

    def _mark(self, surface: Surface) -> int:
        return int(surface) + (self.thing << 8)

    def _ink(self, colour: Colour, ahead: float) -> tuple[int, ...]:
        share = math.exp(-max(ahead, 0.0) / self.clear)
        return tuple(
            min(255, max(0, int(part * share + haze * (1 - share))))
            for part, haze in zip(colour, self._haze, strict=True)
        )

    def _box(self, pixels: Sequence[tuple[float, float]]) -> tuple[int, int, int, int] | None:
        across, down = zip(*pixels, strict=True)
        left, top = max(0, int(min(across))), max(0, int(min(down)))
        right = min(self.image.width, int(max(across)) + 1)
        bottom = min(self.image.height, int(max(down)) + 1)
        return (left, top, right, bottom) if left < right and top < bottom else None


def as_bytes(colours: np.ndarray) -> np.ndarray:
    """Clip colours to 0..255 and convert them to uint8."""
    return np.clip(colours, 0, 255).astype(np.uint8)


def _depth(points: Sequence[Point]) -> float:
    return sum(point[2] for point in points) / len(points)


def _inside(pixels: Sequence[tuple[float, float]], box: tuple[int, int, int, int]) -> Image.Image:
    shape = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(shape).polygon([(x - box[0], y - box[1]) for x, y in pixels], fill=255)
    return shape
