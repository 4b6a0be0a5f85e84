"""Limits of the HTTP server below its application: deadlines of a connection, and bodies that nothing has read."""

import asyncio
from contextlib import suppress

import h11
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT = 20.0
"""Seconds from the connection, or from the first byte of a later request, to the end of the request's headers."""

SEND_TIMEOUT = 120.0
"""Seconds in which a client must read what waits to be sent."""

DRAIN_TIMEOUT = 10.0
"""Seconds for which the rest of an unread body is read and dropped."""


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, which waits for ever for a client that sends or reads nothing, with deadlines for both."""

    _head: asyncio.TimerHandle
    _unsent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # `pause_writing` is called for every byte that waits
        self._head = self.loop.call_later(HEAD_TIMEOUT, transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head.cancel()
        elif self._head.cancelled():  # the first bytes of the connection's next request
            self._head = self.loop.call_later(HEAD_TIMEOUT, self.transport.abort)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._unsent = self.loop.call_later(SEND_TIMEOUT, self.transport.abort)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        super().resume_writing()
        self._forget_unsent()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        super().connection_lost(exc)
        self._head.cancel()
        self._forget_unsent()

    def _forget_unsent(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()


class CloseUnread:
    """Closes the connection after a response if the body of the request was not read: no request is to follow it.

    Before that, what the client still sends is read and dropped: closed at once, it might not receive the response.

    Args:
        app: The application.
        max_bytes: Bytes that are dropped at most.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        unread = headers.get("content-length", "0").strip("0") != "" or "transfer-encoding" in headers

        async def receive_body() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def send_response(message: Message) -> None:
            if unread and message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            if unread and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                await self._drain(receive)
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, receive_body, send_response)

    async def _drain(self, receive: Receive) -> None:
        left = self._max_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while left > 0 and (message := await receive()).get("more_body"):
                    left -= len(message["body"])
