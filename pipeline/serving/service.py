"""Loading a model, saying where it listens, and serving it until Ctrl-C."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import numpy as np

from pipeline.errors import UserError
from pipeline.serving.batcher import Batcher
from pipeline.serving.served_model import ServedModel
from pipeline.serving.server import LOCAL, Server


@contextmanager
def serving(
    model: ServedModel, *, host: str, port: int, max_bytes: int, batch_size: int = 8, seconds: float = 0.005
) -> Iterator[Server]:
    """Bind a server to its address; who enters calls its `serve_forever`.

    Args:
        model: What is served. It answers once before anything listens.
        host: Name or address of this machine.
        port: 0: any that is free.
        max_bytes: A longer request is refused unread.
        batch_size: Images that are computed at once, at most.
        seconds: The longest that an image waits for others.

    Raises:
        UserError: The address cannot be had.
    """
    height, width = model.facts["size"] or (64, 64)
    model.classify(np.zeros([1, height, width, 3], np.uint8))
    batcher = Batcher(model.classify, size=batch_size, seconds=seconds)
    try:
        with _bound(host, port, model, batcher, max_bytes) as server:
            yield server
    finally:
        batcher.close()


def serve(model: Path, *, host: str, port: int, max_bytes: int, max_pixels: int | None = None) -> None:
    """Serve a model until KeyboardInterrupt. Says where it listens, and who can reach it."""
    with serving(ServedModel(model, max_pixels=max_pixels), host=host, port=port, max_bytes=max_bytes) as server:
        print("\n".join(greeting(server, host)), flush=True)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print("Ended.")


def greeting(server: Server, host: str) -> list[str]:
    """Say what is served, where, and to whom."""
    data = server.model.facts["data"]["name"]
    shown = f"[{host}]" if ":" in host else host
    lines = [
        f"{server.model.folder}: {server.model.facts['model']['name']} on {data}",
        f"Listening at http://{shown}:{server.server_address[1]}/  (Ctrl-C ends it)",
    ]
    if host in LOCAL:
        return [*lines, "Only this machine can reach it."]
    reach = "Every machine that can reach this one" if _is_any(host) else f"Every machine that can reach {host}"
    return [*lines, f"{reach} can use it: it asks nobody who is there, and nothing is", "encrypted."]


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _bound(host: str, port: int, model: ServedModel, batcher: Batcher, max_bytes: int) -> Server:
    try:
        return Server((host, port), model, batcher, max_bytes)
    except (OSError, OverflowError) as error:
        why = "no such host" if isinstance(error, socket.gaierror) else getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"Cannot listen at {host}:{port}: {why}. Give another --port (0: any that is free) or --host."
        ) from None
