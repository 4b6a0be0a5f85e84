"""Load a model and serve it until Ctrl-C."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import numpy as np

from datasets.audit import lift_pillow_limit
from pipeline.errors import UserError
from pipeline.serving.batcher import Batcher
from pipeline.serving.served_model import ServedModel
from pipeline.serving.server import LOCAL, Server


@contextmanager
def bound_server(
    model: ServedModel, *, host: str, port: int, max_bytes: int, batch_size: int = 8, max_wait: float = 0.005
) -> Iterator[Server]:
    """Context manager that warms up the model and binds a server; the caller runs `serve_forever`.

    Args:
        model: The model to serve.
        host: Name or address of this machine.
        port: TCP port; 0: any free one.
        max_bytes: Longer request bodies are refused unread.
        batch_size: Images of a batch at most.
        max_wait: Seconds that an image waits for others at most.

    Raises:
        UserError: The server cannot listen at the address.
    """
    height, width = model.facts["size"] or (64, 64)
    model.classify(np.zeros([1, height, width, 3], np.uint8))
    batcher = Batcher(model.classify, size=batch_size, max_wait=max_wait)
    try:
        with _bound(host, port, model, batcher, max_bytes) as server:
            yield server
    finally:
        batcher.close()


def serve(model: Path, *, host: str, port: int, max_bytes: int, max_pixels: int | None = None) -> None:
    """Serve a model until KeyboardInterrupt. Prints where it listens and who can reach it."""
    served = ServedModel(model, max_pixels=max_pixels)
    with lift_pillow_limit(), bound_server(served, host=host, port=port, max_bytes=max_bytes) as server:
        print("\n".join(startup_lines(server, host)), flush=True)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            print("Stopped.")


def startup_lines(server: Server, host: str) -> list[str]:
    """Return the lines that say what is served, where, and who can reach it."""
    data = server.model.facts["data"]["name"]
    shown = f"[{host}]" if ":" in host else host
    lines = [
        f"{server.model.folder}: {server.model.facts['model']['name']} on {data}",
        f"Listening at http://{shown}:{server.server_address[1]}/  (Ctrl-C stops it)",
    ]
    if host in LOCAL:
        return [*lines, "Only this machine can reach it."]
    reach = "Every machine that can reach this one" if _is_any(host) else f"Every machine that can reach {host}"
    return [*lines, f"{reach} can use it.", "There is no authentication and no encryption."]


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def _bound(host: str, port: int, model: ServedModel, batcher: Batcher, max_bytes: int) -> Server:
    try:
        return Server((host, port), model, batcher, max_bytes)
    except (OSError, OverflowError) as error:
        unknown_host = isinstance(error, socket.gaierror)
        reason = "no such host" if unknown_host else getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"Cannot listen at {host}:{port}: {reason}. Give another --port (0: any free one) or --host."
        ) from None
