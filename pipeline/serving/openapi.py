"""The HTTP interface as an OpenAPI document, from the values that the server itself checks."""

from collections.abc import Mapping
from typing import Any

from pipeline.serving.output_formats import GEOMETRIES

VERSION = "3.1.0"
"""https://spec.openapis.org/oas/v3.1.0"""

REFUSALS = {
    400: "The file is no image, or is damaged, or has too many pixels; or a parameter is wrong",
    403: "Another server's page has sent it, or it names another host",
    408: "The image did not arrive in time",
    411: "The request has no Content-Length",
    413: "The file is too large",
    503: "Too many requests at once: try again after the seconds of Retry-After",
}

Parts = dict[str, Any]


def document(facts: Mapping[str, Any], outputs: Mapping[str, str], max_bytes: int, max_pixels: int) -> Parts:
    """Return the document.

    Args:
        facts: The model's facts; see pipeline.export.facts.
        outputs: {value of `output`: what it is}, the default first.
        max_bytes: Longer request bodies are refused.
        max_pixels: An image of more pixels is refused.
    """
    what = "; ".join(f"{name}: {text}" for name, text in outputs.items())
    geometry = "As the picture is seen, or as its file stores the pixels (EXIF orientation)"
    segment = {
        "summary": "Segment an image",
        "description": f"The file itself is the body. At most {max_bytes:,} bytes and {max_pixels:,} pixels.",
        "parameters": [
            _parameter("output", {"type": "string", "enum": [*outputs], "default": next(iter(outputs))}, what),
            _parameter("geometry", {"type": "string", "enum": [*GEOMETRIES], "default": GEOMETRIES[0]}, geometry),
            _parameter(
                "alpha", {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5}, "Opacity of the overlay"
            ),
        ],
        "requestBody": {"required": True, "content": {"image/*": {}}},
        "responses": {
            "200": {"description": "The answer", "content": {"image/png": {}, "application/json": {}}},
            **{str(status): _refusal(reason) for status, reason in REFUSALS.items()},
        },
    }
    return {
        "openapi": VERSION,
        "info": {
            "title": f"{facts['model']['name']} on {facts['data']['name']}",
            "version": str(facts["format"]),
            "description": f"{len(facts['classes'])} classes: {', '.join(facts['classes'])}",
        },
        "paths": {
            "/segment": {"post": segment},
            "/health": {"get": _get("Whether the model is ready")},
            "/model": {"get": _get("Classes, colours, metrics, data and licence of the model")},
            "/openapi.json": {"get": _get("This document")},
        },
    }


def _parameter(name: str, schema: Parts, description: str) -> Parts:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _refusal(reason: str) -> Parts:
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {"description": reason, "content": {"application/json": {"schema": schema}}}


def _get(summary: str) -> Parts:
    return {"summary": summary, "responses": {"200": {"description": "JSON", "content": {"application/json": {}}}}}
