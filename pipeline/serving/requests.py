"""Request bytes with a deadline: a client that sends a byte now and then must not hold a connection for ever."""

import io
import math
import socket
import time
from typing import Any


class RequestStream(io.RawIOBase):
    """Raw stream of a socket with an idle timeout and a deadline.

    Args:
        connection: The socket; outside of reads its timeout is `timeout`.
        timeout: Seconds without a byte after which a read fails.

    Raises:
        TimeoutError: A read waited for `timeout`, or the deadline has passed.
    """

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection, self._timeout, self._deadline = connection, timeout, math.inf

    def set_deadline(self, seconds: float) -> None:
        """Require all following reads to finish within `seconds`, until the next call."""
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        """See io.IOBase."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for bytes and return their number; 0: the client has closed the connection."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left, self._timeout))
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(self._timeout)
