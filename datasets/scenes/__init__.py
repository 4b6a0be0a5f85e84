"""Street scenes that are drawn, not photographed: images with exact masks, for sample data and tests.

Everything is metres in front of a pinhole camera, so that size, position and depth agree as in a photograph. Colours
are shared between the classes on purpose: cars as grey as the road, clothes like walls, walls like grass.
"""

from datasets.scenes.light import Light, vary, weather
from datasets.scenes.street import Plan, Scene, draw, plan
from datasets.scenes.style import BRITISH, GERMAN, Style
from datasets.scenes.surface import Surface

__all__ = ["BRITISH", "GERMAN", "Light", "Plan", "Scene", "Style", "Surface", "draw", "plan", "vary", "weather"]
