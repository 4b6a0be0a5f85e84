"""The HTTP application: its routes, what it refuses, and the page.

GET  /          page for trying images            GET  /health         200 once the model is ready
GET  /model     the model's facts                 GET  /samples/{n}    a picture to try
GET  /docs      the interface, for people         GET  /openapi.json   the same, for programs
POST /segment   an image file; ?output=ids|colour|overlay|confidence|json|page&geometry=upright|stored&alpha=0.5
"""

import asyncio
import traceback
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline.drawing import page_template
from pipeline.export.raw_image import BadImageError, turn_back
from pipeline.serving import openapi, responses
from pipeline.serving.batcher import Batcher
from pipeline.serving.http_guard import refusal
from pipeline.serving.output_formats import GEOMETRIES
from pipeline.serving.served_model import ServedModel

CONCURRENT_REQUESTS = 8
"""Requests whose images are in memory at the same time; others wait for a slot."""

TIMEOUT = 30.0
"""Seconds that a request waits for a slot before it gets 503, and that the next part of its body may take."""

BODY_TIMEOUT = 120.0
"""Seconds for a request's body: a client that trickles must not hold its slot for ever."""

PAGE_FOLDER = Path(__file__).with_name("page")

PLACES = "There are GET /, /docs, /openapi.json, /health, /model, and POST /segment with an image file."


class Application:
    """Answers requests with one model.

    Args:
        model: The model, loaded.
        max_bytes: Longer request bodies are refused unread.
        samples: JPEG or PNG files that the page offers.
    """

    def __init__(self, model: ServedModel, max_bytes: int, samples: Sequence[Path]) -> None:
        self.model, self.slots = model, asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._max_bytes, self._samples = max_bytes, samples
        self._classes, self._confident = Batcher(model.classify), Batcher(model.with_confidence)
        known = (name for name in responses.OUTPUTS if name != "confidence" or model.knows_confidence)
        self._outputs = {name: responses.OUTPUTS[name] for name in known}
        self._document = openapi.document(model.facts, self._outputs, max_bytes, model.max_pixels)

    def close(self) -> None:
        """Answer the images that wait, then stop."""
        self._classes.close()
        self._confident.close()

    def starlette(self) -> Starlette:
        """Return the routes, and errors as JSON."""
        routes = [
            Route("/", self._page("index.html.j2")),
            Route("/docs", self._page("docs.html.j2")),
            Route("/page.css", _text("text/css", page_template.SHARED / "page.css", PAGE_FOLDER / "page.css")),
            Route("/page.js", _text("text/javascript", PAGE_FOLDER / "page.js")),
            Route("/samples/{number:int}", self._sample),
            Route("/openapi.json", lambda _: JSONResponse(self._document)),
            Route("/health", lambda _: JSONResponse({"status": "ok", "model": self.model.folder.name})),
            Route("/model", lambda _: JSONResponse(self.model.facts)),
            Route("/segment", self._segment, methods=["POST"]),
        ]
        handlers: Any = {HTTPException: _refuse, Exception: _report}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        return app

    def _page(self, name: str) -> Any:
        values: dict[str, Any] = {"facts": self.model.facts, "outputs": self._outputs, "document": self._document}
        values |= {"samples": len(self._samples), "version": self.model.folder.name}

        def respond(request: Request) -> Response:
            address = str(request.base_url)
            return HTMLResponse(page_template.render(PAGE_FOLDER, name, {**values, "address": address}))

        return respond

    def _sample(self, request: Request) -> Response:
        number = request.path_params["number"]
        if number >= len(self._samples):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return FileResponse(self._samples[number])

    async def _segment(self, request: Request) -> Response:
        query = request.query_params
        output = _one_of("output", self._outputs, query.get("output"))
        geometry = _one_of("geometry", GEOMETRIES, query.get("geometry"))
        alpha = _alpha(query.get("alpha", "0.5"))
        self._require_length(request)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self.slots.acquire()
        except TimeoutError:
            message = "Too many requests at once. Try again."
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, message, {"Retry-After": "1"}) from None
        try:
            content = await _content(request)
            kind, body = await run_in_threadpool(self._answer, content, output, geometry, alpha)
        except BadImageError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from None
        except ClientDisconnect:
            return Response()  # nobody receives it
        finally:
            self.slots.release()
        return Response(body, media_type=kind)

    def _require_length(self, request: Request) -> None:
        if (length := request.headers.get("content-length")) is None:
            raise HTTPException(HTTPStatus.LENGTH_REQUIRED, "A request must have a Content-Length.")
        if int(length) > self._max_bytes:  # h11 has refused all but a number of 20 digits
            message = f"At most {self._max_bytes:,} bytes are accepted. Received: {int(length):,}."
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)

    def _answer(self, content: bytes, output: str, geometry: str, alpha: float) -> tuple[str, bytes]:
        """Read, classify and encode; called in threads."""
        image = self.model.images.read(content)
        confidence: np.ndarray | None = None
        if output in ("confidence", "page") and self.model.knows_confidence:
            mask, confidence = self._confident.classify(image)
        else:
            mask = self._classes.classify(image)
        if geometry == "stored":
            turned = self.model.images.orientation(content)
            image, mask = turn_back(image, turned), turn_back(mask, turned)
            confidence = None if confidence is None else turn_back(confidence, turned)
        return responses.encode(output, image, mask, confidence, self.model.facts, alpha)


def _refuse(_request: Request, error: HTTPException) -> Response:
    unknown = error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
    return refusal(error.status_code, PLACES if unknown else error.detail, error.headers or {})


def _report(_request: Request, error: Exception) -> Response:
    """Report an error that is not the client's, and keep serving."""
    traceback.print_exception(error)
    return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The model failed on this image.")


async def _content(request: Request) -> bytes:
    """Read the body within BODY_TIMEOUT, and each part of it within TIMEOUT."""
    now = asyncio.get_running_loop().time
    content, end = bytearray(), now() + BODY_TIMEOUT
    try:
        async with asyncio.timeout_at(min(end, now() + TIMEOUT)) as deadline:
            async for part in request.stream():
                content += part
                deadline.reschedule(min(end, now() + TIMEOUT))
    except TimeoutError:
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "The image did not arrive in time.") from None
    return bytes(content)


def _text(kind: str, *paths: Path) -> Any:
    return lambda _: Response(page_template.texts(*paths), media_type=kind)


def _one_of(name: str, allowed: Iterable[str], value: str | None) -> str:
    """Return a parameter of the query, by default the first that is allowed."""
    allowed = tuple(allowed)
    if value is None:
        return allowed[0]
    if value not in allowed:
        message = f"{name} must be one of {', '.join(allowed)}. Received: {value[:40]!r}."
        raise HTTPException(HTTPStatus.BAD_REQUEST, message)
    return value


def _alpha(text: str) -> float:
    try:
        alpha = float(text)
    except ValueError:
        alpha = -1.0
    if not 0 <= alpha <= 1:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"alpha must be from 0 to 1. Received: {text[:40]!r}.")
    return alpha
