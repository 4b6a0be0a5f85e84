"""Encode a class map as the body of a response: PNG, or JSON with statistics of the classes."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from pipeline.drawing import render

OUTPUTS = ("ids", "colour", "overlay", "json", "page")
"""Values of `POST /segment?output=`, the default first."""

GEOMETRIES = ("upright", "stored")
"""Values of `POST /segment?geometry=`, the default first: as people see the picture, or as its file stores it."""

PNG, JSON = "image/png", "application/json"

PICTURE_QUALITY = 90
"""Quality of the JPEG that the page shows."""


def encode(
    output: str, image: np.ndarray, mask: np.ndarray, facts: Mapping[str, Any], alpha: float
) -> tuple[str, bytes]:
    """Encode a class map.

    Args:
        output: One of OUTPUTS.
        image: uint8 [H,W,3] RGB.
        mask: uint8 [H,W] of class ids.
        facts: The model's facts; see pipeline.export.facts.
        alpha: Weight of the overlay's colours, 0..1.

    Returns:
        The content type and the body: a grey PNG of class ids, one in the class colours, the overlay, or JSON
        {"height", "width", "classes": [{"id", "name", "colour", "pixels", "share"}, most pixels first],
        "png_base64": the PNG of class ids}; for "page" also "picture_base64": the image as the model sees it, as a
        JPEG, since a browser may turn a photo otherwise, and shows no TIFF.
    """
    if output == "ids":
        return PNG, _png(mask)
    if output == "colour":
        return PNG, _png(render.colour(mask, facts["colours"]))
    if output == "overlay":
        return PNG, _png(render.overlay(image, mask, facts["colours"], alpha))
    pixels = np.bincount(mask.ravel(), minlength=len(facts["classes"]))
    classes = [
        {
            "id": int(index),
            "name": facts["classes"][index],
            "colour": facts["colours"][index],
            "pixels": int(pixels[index]),
            "share": float(pixels[index] / mask.size),
        }
        for index in np.argsort(-pixels, kind="stable")
        if pixels[index]
    ]
    body = {
        "height": mask.shape[0],
        "width": mask.shape[1],
        "classes": classes,
        "png_base64": base64.b64encode(_png(mask)).decode(),
    }
    if output == "page":
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=PICTURE_QUALITY)
        body["picture_base64"] = base64.b64encode(file.getvalue()).decode()
    return JSON, json.dumps(body).encode()


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()
