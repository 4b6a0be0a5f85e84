"""Synthetic street scenes: images with exact masks, for sample data and tests.

Positions are in metres in front of a pinhole camera, so that size, position and depth agree as in a photograph. Classes
share colours on purpose, so that colour does not reveal the class: cars as grey as the road, clothes like walls.
"""

from datasets.scenes.light import Light, vary, weather
from datasets.scenes.street import Plan, Scene, draw, plan
from datasets.scenes.style import BRITISH, GERMAN, Style
from datasets.scenes.surface import Surface

__all__ = ["BRITISH", "GERMAN", "Light", "Plan", "Scene", "Style", "Surface", "draw", "plan", "vary", "weather"]
