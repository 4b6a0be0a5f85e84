"""Light: weather, time of day, and the camera's blur and noise."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

Tint = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """The light of a scene and the settings of the camera.

    Attributes:
        sun: Side of the sun: -1 left, 1 right.
        direct: Share of direct sunlight, 0..1; 0 is an overcast day without shadows.
        clouds: Share of the sky that is cloudy, 0..1.
        zenith, horizon: Colours of the sky, 0..255; distant things fade into the latter.
        clear: Depth at which 1 - 1/e of a colour has faded, metres.
        lit: Share of windows that are lit, 0..1.
        exposure: Factor on the brightness.
        tint: Factors on red, green, blue.
        blur: Radius, in pixels of an image 480 pixels wide.
        grain: Standard deviation of the sensor noise, in units of 0..255.
    """

    sun: int
    direct: float
    clouds: float
    zenith: Tint
    horizon: Tint
    clear: float
    lit: float
    exposure: float
    tint: Tint
    blur: float
    grain: float

    def facing(self, side: int) -> float:
        """Return the brightness factor of walls that face a side, -1 left or 1 right."""
        return 1 + 0.28 * self.direct * (1 if side == self.sun else -1)


def weather(rng: np.random.Generator) -> Light:
    """Return the random light of a sequence: sunny, overcast or dusk."""
    warm = rng.uniform(-0.06, 0.08)
    sunny = Light(
        sun=int(rng.choice([-1, 1])),
        direct=rng.uniform(0.6, 1),
        clouds=rng.uniform(0, 0.6),
        zenith=(rng.uniform(70, 130), rng.uniform(120, 165), rng.uniform(190, 235)),
        horizon=(205, 218, 232),
        clear=rng.uniform(250, 600),
        lit=0.03,
        exposure=rng.uniform(0.9, 1.1),
        tint=(1 + warm, 1.0, 1 - warm),
        blur=rng.uniform(0.35, 0.8),
        grain=rng.uniform(1, 4.5),
    )
    grey = rng.uniform(170, 235)
    overcast = replace(
        sunny,
        direct=rng.uniform(0, 0.2),
        clouds=rng.uniform(0.8, 1),
        zenith=(grey, grey + 3, grey + 8),
        horizon=(225, 228, 232),
        clear=rng.uniform(130, 350),
        lit=0.08,
        exposure=rng.uniform(0.8, 1.1),
    )
    dusk = replace(
        sunny,
        direct=rng.uniform(0.1, 0.5),
        clouds=rng.uniform(0.2, 0.9),
        zenith=(95, 105, 140),
        horizon=(215, 175, 140),
        lit=0.35,
        exposure=rng.uniform(0.55, 0.75),
        grain=sunny.grain * 1.5,
    )
    return (sunny, overcast, dusk)[rng.choice(3, p=[0.45, 0.35, 0.2])]


def vary(light: Light, rng: np.random.Generator) -> Light:
    """Return a slightly different light, as between the images of a sequence."""
    return replace(
        light,
        sun=light.sun if rng.random() < 0.7 else -light.sun,
        clouds=float(np.clip(light.clouds + rng.normal(0, 0.15), 0, 1)),
        exposure=light.exposure * rng.uniform(0.85, 1.15),
        blur=light.blur * rng.uniform(0.8, 1.3),
        grain=light.grain * rng.uniform(0.7, 1.4),
    )


def develop(picture: Image.Image, light: Light, rng: np.random.Generator) -> np.ndarray:
    """Apply blur, exposure, tint, vignetting and noise to a painted picture: uint8 [H, W, 3]."""
    width, height = picture.size
    image = np.asarray(picture.filter(ImageFilter.BoxBlur(light.blur * width / 480)), np.float32)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    image = image * (np.float32(light.exposure) * np.array(light.tint, np.float32) * (1 - 0.11 * (across**2 + down**2)))
    grain = rng.standard_normal((height, width + 4), np.float32) * np.float32(light.grain)
    for channel in range(3):  # noise common to all channels, and noise of each
        image[..., channel] += grain[:, 4:] + 0.5 * grain[:, channel : channel + width]
    return np.clip(image, 0, 255, out=image).astype(np.uint8)
