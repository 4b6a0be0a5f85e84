"""Serve a model until Ctrl-C: listen, load, answer. What can be wrong is reported before the model loads."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.audit import lift_pillow_limit
from pipeline.errors import UserError
from pipeline.serving.http_guard import LOCAL, OwnNames
from pipeline.serving.served_model import ServedModel

if TYPE_CHECKING:
    import uvicorn

MAX_CONNECTIONS = 512
"""Open connections; the requests of further ones get 503."""

IDLE, GRACE = 30, 10
"""Seconds that a connection is kept for a next request, and that requests have to end when the server stops."""


def serve(
    model: Path,
    *,
    host: str,
    port: int,
    max_bytes: int,
    max_pixels: int | None = None,
    samples: Sequence[Path] = (),
) -> None:
    """Serve a model until KeyboardInterrupt. Prints where it listens and who can reach it.

    Args:
        model: A SavedModel, or a folder of numbered versions.
        host: Name or address of this machine.
        port: TCP port; 0: any free one.
        max_bytes: Longer request bodies are refused unread.
        max_pixels: Overrides the model's own limit of pixels per image.
        samples: Pictures that the page offers.

    Raises:
        UserError: The server cannot listen at the address, or the model is none or damaged.
    """
    served = ServedModel(model, max_pixels=max_pixels)
    with listening(host, port) as listener, lift_pillow_limit():
        facts = served.facts
        print(f"{served.folder}: {facts['model']['name']} on {facts['data']['name']}, loading", flush=True)
        with prepared(served, local=host in LOCAL, max_bytes=max_bytes, samples=samples) as server:
            print("\n".join(startup_lines(host, listener.getsockname()[1])), flush=True)
            try:
                server.run(sockets=[listener])
            except KeyboardInterrupt:
                print("Stopped.")


@contextmanager
def prepared(
    model: ServedModel, *, local: bool, max_bytes: int, samples: Sequence[Path] = ()
) -> Iterator["uvicorn.Server"]:
    """Context manager that loads and warms up the model; the caller runs the server on a socket that listens.

    Args:
        model: The model to serve.
        local: Whether only this machine can reach the server.
        max_bytes: Longer request bodies are refused unread.
        samples: Pictures that the page offers.

    Raises:
        UserError: The model's files are damaged.
    """
    model.load()
    height, width = model.facts["size"] or (64, 64)
    blank = np.zeros([1, height, width, 3], np.uint8)
    model.classify(blank)
    if model.knows_confidence:  # another signature, which the page calls
        model.with_confidence(blank)
    import uvicorn

    from pipeline.serving import http_app, http_limits

    application = http_app.Application(model, max_bytes, samples)
    guarded = OwnNames(application.starlette(), local=local)
    config = uvicorn.Config(
        http_limits.CloseUnread(guarded, max_bytes),
        http=http_limits.Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # a bad request is the client's fault, and http_app reports what is not
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        yield uvicorn.Server(config)
    finally:
        application.close()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Context manager of a socket that listens; clients that come before the model is loaded wait.

    Raises:
        UserError: The host is not of this machine, or the port is in use.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        if isinstance(error, socket.gaierror):
            reason = "no such host"
        raise UserError(
            f"Cannot listen at {host}:{port}: {reason}. Give another --port (0: any free one) or --host."
        ) from None
    with listener:
        yield listener


def startup_lines(host: str, port: int) -> list[str]:
    """Return the lines that say where the server listens, and who can reach it."""
    shown = f"[{host}]" if ":" in host else host
    lines = [f"Listening at http://{shown}:{port}/  (Ctrl-C stops it)"]
    if host in LOCAL:
        return [*lines, "Only this machine can reach it."]
    reach = "Every machine that can reach this one" if _is_any(host) else f"Every machine that can reach {host}"
    return [*lines, f"{reach} can use it.", "There is no authentication and no encryption."]


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
