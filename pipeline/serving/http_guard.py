"""Which pages may use the server, and what its own may load: DNS rebinding, requests of foreign pages, headers."""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Host names that a local server accepts. With DNS rebinding, a foreign page's requests carry that page's own host
name, and are refused."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class OwnNames:
    """Refuses requests of foreign pages, and protects the page of its own server.

    Args:
        app: The application.
        local: Whether it listens on this machine only.
    """

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self._app, self._local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send_protected)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return refusal(HTTPStatus.BAD_REQUEST, f"The Host is not valid. Received: {host[:40]!r}.")
        if self._local and name not in LOCAL:
            message = f"Host must be one of {', '.join(LOCAL)}. Received: {host[:40]!r}."
            return refusal(HTTPStatus.FORBIDDEN, message)
        origin = headers.get("origin")
        if method == "POST" and origin is not None and origin.partition("://")[2] != host:
            message = f"A page of another server may not use this one. Received: Origin {origin[:60]!r}."
            return refusal(HTTPStatus.FORBIDDEN, message)
        return None


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a message as JSON, after which the connection ends."""
    return JSONResponse({"error": message}, status, {**(headers or {}), "Connection": "close"})
