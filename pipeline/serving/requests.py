"""What a client sends, read with a patience that ends: a byte now and then would hold a connection for ever."""

import io
import math
import socket
import time
from typing import Any


class Incoming(io.RawIOBase):
    """The bytes that a connection brings.

    Args:
        connection: Where they come from; its own timeout is `patience` whenever nothing is read.
        patience: Seconds that a silent client is listened to.

    Raises:
        TimeoutError: It was silent for longer, or what it sends was not there in the time that it was given.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection, self._patience, self._until = connection, patience, math.inf

    def give(self, seconds: float) -> None:
        """Have everything that is read from now on be there in so many seconds, until the next call says otherwise."""
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Take what has come, or wait for some of it. Gives the number of bytes; 0: the client has ended."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(left, self._patience))
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(self._patience)
