"""The HTTP server: the standard library's, with limits on requests, bytes, pixels and time.

GET  /          page for trying images            GET  /health    200 once the model is ready
GET  /model     the model's facts                 POST /segment   an image file; ?output=ids|colour|overlay|json|page
                                                  &geometry=upright|stored
"""

import io
import json
import math
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from pipeline.export.raw_image import BadImageError, turn_back
from pipeline.serving import responses
from pipeline.serving.batcher import Batcher
from pipeline.serving.requests import RequestStream
from pipeline.serving.served_model import ServedModel

CONCURRENT_REQUESTS = 8
"""Requests whose images are in memory at the same time; others wait for a slot."""

TIMEOUT = 30.0
"""Seconds that a request waits for a slot before it gets 503, and that a silent client keeps its connection."""

HEAD_TIMEOUT = 20.0
"""Seconds from the first byte of a request to the end of its headers."""

BODY_TIMEOUT = 120.0
"""Seconds for a request's body: a client that trickles must not hold its slot for ever."""

DRAIN_TIMEOUT = 10.0
"""Seconds for which the rest of a refused request is read and dropped."""

MAX_CONNECTIONS = 128
"""Open connections; further ones are closed immediately."""

MAX_LENGTH_DIGITS = 18
"""Digits of a Content-Length that is parsed as a number."""

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Host names that a local server accepts. With DNS rebinding, a foreign page's requests carry that page's own host
name, and are refused."""

PAGE_FOLDER = Path(__file__).with_name("page")

PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class RequestError(Exception):
    """A request that is refused, with the status and the message of the response."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves one model.

    Args:
        address: (host, port); port 0: any free one.
        model: The model to serve.
        batcher: Batches the calls of its `classify`.
        max_bytes: Longer request bodies are refused unread.
    """

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS  # listen backlog; the library's 5 resets clients that arrive together

    def __init__(self, address: tuple[str, int], model: ServedModel, batcher: Batcher, max_bytes: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.model, self.batcher, self.max_bytes = model, batcher, max_bytes
        self.local = address[0] in LOCAL
        self.slots = BoundedSemaphore(CONCURRENT_REQUESTS)
        self._connections = BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a connection's thread, or close it if there are too many."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See socketserver.ThreadingMixIn."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print errors, except those of clients that disconnected."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "segline", ""
    timeout = TIMEOUT

    def setup(self) -> None:
        """See socketserver.StreamRequestHandler."""
        super().setup()
        self._stream = RequestStream(self.connection, TIMEOUT)
        self.rfile = self._buffered = io.BufferedReader(self._stream)

    def handle_one_request(self) -> None:
        """Wait TIMEOUT for the first byte of the next request on a kept-alive connection, then HEAD_TIMEOUT."""
        try:
            self._buffered.peek(1)
        except TimeoutError:
            self.close_connection = True
            return
        self._stream.set_deadline(HEAD_TIMEOUT)
        super().handle_one_request()
        self._stream.set_deadline(math.inf)

    def do_GET(self) -> None:
        """Serve the page, /health and /model."""
        self._respond(self._get)

    def do_POST(self) -> None:
        """Serve /segment."""
        self._respond(self._post)

    def handle_expect_100(self) -> bool:
        """Refuse a body that is too long before the client sends it."""
        try:
            self._length()
        except RequestError as error:
            self._refuse(error)
            return False
        return super().handle_expect_100()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing for a request."""

    def _get(self, path: str, _query: Mapping[str, list[str]]) -> tuple[str, bytes]:
        if path in PAGE:
            name, kind = PAGE[path]
            return kind, PAGE_FOLDER.joinpath(name).read_bytes()
        if path == "/health":
            return responses.JSON, json.dumps({"status": "ok", "model": self.server.model.folder.name}).encode()
        if path == "/model":
            return responses.JSON, json.dumps(self.server.model.facts).encode()
        if path == "/segment":
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "POST an image file to /segment.")
        raise RequestError(HTTPStatus.NOT_FOUND, "Not found. There are GET /, /health, /model, and POST /segment.")

    def _post(self, path: str, query: Mapping[str, list[str]]) -> tuple[str, bytes]:
        if path != "/segment":
            raise RequestError(HTTPStatus.NOT_FOUND, "Only /segment accepts POST.")
        output = _one_of("output", responses.OUTPUTS, query)
        geometry = _one_of("geometry", responses.GEOMETRIES, query)
        alpha = _alpha(query.get("alpha", ["0.5"])[-1])
        length = self._length()
        if not self.server.slots.acquire(timeout=TIMEOUT):
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at once. Try again.")
        try:
            images, content = self.server.model.images, self._content(length)
            image = images.read(content)
            mask = self.server.batcher.classify(image)
            if geometry == "stored":
                turned = images.orientation(content)
                image, mask = turn_back(image, turned), turn_back(mask, turned)
            return responses.encode(output, image, mask, self.server.model.facts, alpha)
        except BadImageError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, str(error)) from None
        finally:
            self.server.slots.release()

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "")
        if not text.isascii() or not text.isdecimal():
            raise RequestError(HTTPStatus.LENGTH_REQUIRED, "A request must have a Content-Length.")
        length = int(text) if len(text) <= MAX_LENGTH_DIGITS else None  # int() raises on thousands of digits
        if length is None or length > self.server.max_bytes:
            received = f"{length:,}" if length is not None else f"a number of {len(text):,} digits"
            message = f"At most {self.server.max_bytes:,} bytes are accepted. Received: {received}."
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
        return length

    def _content(self, length: int) -> bytes:
        """Read the body, in any number of chunks, within BODY_TIMEOUT."""
        content = bytearray()
        self._stream.set_deadline(BODY_TIMEOUT)
        try:
            while len(content) < length:
                if not (chunk := self.rfile.read1(min(length - len(content), 1 << 16))):
                    raise ConnectionError("the client disconnected")
                content += chunk
        except TimeoutError:
            raise RequestError(HTTPStatus.REQUEST_TIMEOUT, "The image did not arrive in time.") from None
        return bytes(content)

    def _respond(self, handle: Any) -> None:
        try:
            self._require_host()
            parts = _split(self.path, "address")
            kind, body = handle(parts.path, parse_qs(parts.query))
        except RequestError as error:
            self._refuse(error)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            # Not the client's fault, which is handled above: report it, and keep serving.
            self._refuse(RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "The model failed on this image."))
            raise
        else:
            self._send(HTTPStatus.OK, kind, body)

    def _require_host(self) -> None:
        host = _split(f"//{self.headers.get('Host', '')}", "Host").hostname
        if self.server.local and host not in LOCAL:
            message = f"Host must be one of {', '.join(LOCAL)}. Received: {str(host)[:40]!r}."
            raise RequestError(HTTPStatus.FORBIDDEN, message)

    def _refuse(self, error: RequestError) -> None:
        """Send an error and close the connection, as the rest of the request is not parsed."""
        self.close_connection = True
        body = json.dumps({"error": str(error)}).encode()
        self._send(error.status, responses.JSON, body)
        self._drain()

    def _drain(self) -> None:
        """Read and drop some of what the client still sends: closed at once, it might not receive the response."""
        self.connection.settimeout(1.0)
        left, deadline = self.server.max_bytes, time.monotonic() + DRAIN_TIMEOUT
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and time.monotonic() < deadline and (chunk := self.connection.recv(1 << 16)):
                left -= len(chunk)

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _split(url: str, name: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"The {name} is not valid. Received: {url[:40]!r}.") from None


def _one_of(name: str, allowed: Sequence[str], query: Mapping[str, list[str]]) -> str:
    """Return a parameter of the query, by default the first that is allowed."""
    value = query.get(name, [allowed[0]])[-1]
    if value not in allowed:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"{name} must be one of {', '.join(allowed)}. Received: {value[:40]!r}."
        )
    return value


def _alpha(text: str) -> float:
    try:
        alpha = float(text)
    except ValueError:
        alpha = -1.0
    if not 0 <= alpha <= 1:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"alpha must be from 0 to 1. Received: {text[:40]!r}.")
    return alpha
