"""Encode the model's answer to an image as the body of a response: PNG, or JSON with statistics of the classes."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from pipeline.drawing import render
from pipeline.serving.output_formats import to_picture

OUTPUTS = {
    "ids": "PNG whose pixels are class ids, shown in the class colours (a palette)",
    "colour": "PNG in the class colours, RGB",
    "overlay": "PNG of the image under the class colours, as opaque as alpha says",
    "confidence": "grey PNG of the probability of each pixel's class: 255 is 1",
    "json": "height, width, share of each class, and the PNG of ids in base64",
    "page": "what the page shows: as json, with the image as the model sees it",
}
"""{value of `POST /segment?output=`: what it is}, the default first."""

PNG, JSON = "image/png", "application/json"

PICTURE_QUALITY = 90
"""Quality of the JPEG that the page shows."""


def encode(
    output: str,
    image: np.ndarray,
    mask: np.ndarray,
    confidence: np.ndarray | None,
    facts: Mapping[str, Any],
    alpha: float,
) -> tuple[str, bytes]:
    """Encode the answer to an image.

    Args:
        output: One of OUTPUTS.
        image: uint8 [H,W,3] RGB.
        mask: uint8 [H,W] of class ids.
        confidence: float32 [H,W], 0..1; needed for "confidence", and shown by "page" if given.
        facts: The model's facts; see pipeline.export.facts.
        alpha: Weight of the overlay's colours, 0..1.

    Returns:
        The content type and the body. JSON is {"height", "width", "classes": [{"id", "name", "colour", "pixels",
        "share"}, most pixels first], "png_base64": as "ids"}; "page" adds "grey_base64", a grey PNG of ids, since a
        browser only sees the colours of the other, "picture_base64", the image as the model sees it, as a JPEG, since a
        browser may turn a photo otherwise, and shows no TIFF, and "confidence_base64".
    """
    if output == "ids":
        return PNG, _png(mask, facts["colours"])
    if output == "colour":
        return PNG, _png(render.colour(mask, facts["colours"]))
    if output == "overlay":
        return PNG, _png(render.overlay(image, mask, facts["colours"], alpha))
    if output == "confidence":
        assert confidence is not None
        return PNG, _png(_levels(confidence))
    body = {
        "height": mask.shape[0],
        "width": mask.shape[1],
        "classes": class_shares(mask, facts),
        "png_base64": _text(_png(mask, facts["colours"])),
    }
    if output == "page":
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=PICTURE_QUALITY)
        body |= {"grey_base64": _text(_png(mask)), "picture_base64": _text(file.getvalue())}
        body["confidence_base64"] = None if confidence is None else _text(_png(_levels(confidence)))
    return JSON, json.dumps(body).encode()


def class_shares(mask: np.ndarray, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return id, name, colour, pixels and share of each class in a class map, most pixels first."""
    pixels = np.bincount(mask.ravel(), minlength=len(facts["classes"]))
    return [
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


def _levels(confidence: np.ndarray) -> np.ndarray:
    return np.rint(255 * confidence).astype(np.uint8)


def _png(pixels: np.ndarray, palette: render.Colours | None = None) -> bytes:
    file = io.BytesIO()
    to_picture(pixels, palette).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
