"""The HTTP server: the standard library's, bounded in requests, bytes, pixels and time.

GET  /          page to drop an image on          GET  /health    200 once the model answers
GET  /model     what the model says of itself     POST /segment   an image file in; ?output=ids|colour|overlay|json
"""

import io
import json
import math
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from pipeline.serving import responses
from pipeline.serving.batcher import Batcher
from pipeline.serving.requests import Incoming
from pipeline.serving.served_model import BadImageError, ServedModel

AT_ONCE = 8
"""Requests whose images are in memory at once; others wait."""

PATIENCE = 30.0
"""Seconds that a request waits for its turn before it is told to come back, and that a silent client is listened to."""

HEAD = 20.0
"""Seconds in which a request's first line and headers must have arrived, from the first byte on."""

SLOWEST = 120.0
"""Seconds in which a request's body must have arrived: one that trickles in would hold its turn for ever."""

LINGER = 10.0
"""Seconds for which what a refused client is still sending is taken."""

CONNECTIONS = 128
"""Open connections at most; one more is closed at once."""

DIGITS = 18
"""Of a Content-Length that is looked at as a number."""

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names under which a browser may ask a server that only this machine should reach: a stranger's page that has its own
name point here (DNS rebinding) asks under that name, and is refused."""

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


class Refused(Exception):
    """A request that gets an error: its status, and what to tell the client."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves one model.

    Args:
        address: (host, port); port 0: any that is free.
        model: What is served.
        batcher: Computes its class maps.
        max_bytes: A longer request is refused unread.
    """

    daemon_threads = True
    request_queue_size = CONNECTIONS  # of those that are not accepted yet; the library's 5 resets a crowd

    def __init__(self, address: tuple[str, int], model: ServedModel, batcher: Batcher, max_bytes: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.model, self.batcher, self.max_bytes = model, batcher, max_bytes
        self.local = address[0] in LOCAL
        self.turns = BoundedSemaphore(AT_ONCE)
        self._connections = BoundedSemaphore(CONNECTIONS)
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or close it where there are too many."""
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
        """A client that went away is no news; other errors are shown."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "segline", ""
    timeout = PATIENCE

    def setup(self) -> None:
        """See socketserver.StreamRequestHandler."""
        super().setup()
        self._incoming = Incoming(self.connection, PATIENCE)
        self.rfile = self._buffered = io.BufferedReader(self._incoming)

    def handle_one_request(self) -> None:
        """Wait for the first byte as for any silent client, which keeps a connection open, and HEAD for the others."""
        try:
            self._buffered.peek(1)
        except TimeoutError:
            self.close_connection = True
            return
        self._incoming.give(HEAD)
        super().handle_one_request()
        self._incoming.give(math.inf)

    def do_GET(self) -> None:
        """The page, /health and /model."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """/segment."""
        self._answer(self._post)

    def handle_expect_100(self) -> bool:
        """Refuse what is too long before the client sends it."""
        try:
            self._length()
        except Refused as refused:
            self._refuse(refused)
            return False
        return super().handle_expect_100()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed for a request."""

    def _get(self, path: str, _query: Mapping[str, list[str]]) -> tuple[str, bytes]:
        if path in PAGE:
            name, kind = PAGE[path]
            return kind, PAGE_FOLDER.joinpath(name).read_bytes()
        if path == "/health":
            return responses.JSON, json.dumps({"status": "ok", "model": self.server.model.folder.name}).encode()
        if path == "/model":
            return responses.JSON, json.dumps(self.server.model.facts).encode()
        if path == "/segment":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "POST an image file to /segment.")
        raise Refused(HTTPStatus.NOT_FOUND, "There are /, /health, /model, and POST /segment.")

    def _post(self, path: str, query: Mapping[str, list[str]]) -> tuple[str, bytes]:
        if path != "/segment":
            raise Refused(HTTPStatus.NOT_FOUND, "POST goes to /segment.")
        output = query.get("output", [responses.OUTPUTS[0]])[-1]
        if output not in responses.OUTPUTS:
            allowed = ", ".join(responses.OUTPUTS)
            raise Refused(HTTPStatus.BAD_REQUEST, f"output must be one of {allowed}. Received: {output[:40]!r}.")
        alpha = _alpha(query.get("alpha", ["0.5"])[-1])
        length = self._length()
        if not self.server.turns.acquire(timeout=PATIENCE):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests at once. Try again.")
        try:
            image = self.server.model.decode(self._content(length))
            mask = self.server.batcher.ask(image)
            return responses.answer(output, image, mask, self.server.model.facts, alpha)
        except BadImageError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
        finally:
            self.server.turns.release()

    def _length(self) -> int:
        told = self.headers.get("Content-Length", "")
        if not told.isascii() or not told.isdecimal():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "A request must say its Content-Length.")
        # Python turns no text of thousands of digits into a number.
        length = int(told) if len(told) <= DIGITS else None
        if length is None or length > self.server.max_bytes:
            has = f"{length:,}" if length is not None else f"a number of {len(told):,} digits"
            text = f"At most {self.server.max_bytes:,} bytes are taken. The request has {has}."
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        return length

    def _content(self, length: int) -> bytes:
        """Read the body, however many pieces it comes in, as long as it comes within SLOWEST."""
        content = bytearray()
        self._incoming.give(SLOWEST)
        try:
            while len(content) < length:
                if not (piece := self.rfile.read1(min(length - len(content), 1 << 16))):
                    raise ConnectionError("the client went away")
                content += piece
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "The image did not arrive in time.") from None
        return bytes(content)

    def _answer(self, respond: Any) -> None:
        try:
            self._require_host()
            parts = _split(self.path, "address")
            kind, body = respond(parts.path, parse_qs(parts.query))
        except Refused as refused:
            self._refuse(refused)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except Exception:
            # The request's own fault was told above; whatever else it was, the server lives on.
            self._refuse(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "The model failed on this image."))
            raise
        else:
            self._send(HTTPStatus.OK, kind, body)

    def _require_host(self) -> None:
        host = _split(f"//{self.headers.get('Host', '')}", "Host").hostname
        if self.server.local and host not in LOCAL:
            raise Refused(HTTPStatus.FORBIDDEN, f"This server answers under these names alone: {', '.join(LOCAL)}.")

    def _refuse(self, refused: Refused) -> None:
        """Tell an error, and end the connection: what is left of the request is not read."""
        self.close_connection = True
        body = json.dumps({"error": str(refused)}).encode()
        self._send(refused.status, responses.JSON, body)
        self._drain()

    def _drain(self) -> None:
        """Take and drop a little of what the client is still sending: cut off at once, it might not see the answer."""
        self.connection.settimeout(1.0)
        left, until = self.server.max_bytes, time.monotonic() + LINGER
        try:
            self.connection.shutdown(socket.SHUT_WR)
            while left > 0 and time.monotonic() < until and (chunk := self.connection.recv(1 << 16)):
                left -= len(chunk)
        except OSError:
            return

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
        raise Refused(HTTPStatus.BAD_REQUEST, f"The request's {name} is none: {url[:40]!r}.") from None


def _alpha(text: str) -> float:
    try:
        alpha = float(text)
    except ValueError:
        alpha = -1.0
    if not 0 <= alpha <= 1:
        raise Refused(HTTPStatus.BAD_REQUEST, f"alpha must be from 0 to 1. Received: {text[:40]!r}.")
    return alpha
