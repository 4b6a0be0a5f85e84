"""How shared storage is reached: s3://, gs:// and whatever else fsspec knows.

Credentials and endpoints come from the environment, as the storage's own tools take them (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS ...).
"""

import errno
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import Unreachable, UserError

AT_ONCE = 8
"""Files that are under way at a time."""

OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What write(2) says of the local disk; it names no file, as little as a connection does."""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Segline's extra that brings the library for a scheme."""


def connect(url: str) -> tuple[Any, str]:
    """Give the file system that a URL names, which is asked anew from here on, and the path there."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = EXTRAS.get(url.partition("://")[0])
        do = f"pip install 'segline[{extra}]'" if extra else str(error)
        raise UserError(f"{url}: the library for this storage is not installed. {do}") from None
    except ValueError as error:
        raise UserError(f"{url}: {error}") from None
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs with a traceback what it raises: that is told once
    system.invalidate_cache()
    return system, path.rstrip("/")


def download(system: Any, path: str, target: Path) -> None:
    """Fetch one file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    system.get_file(path, str(partial))
    partial.replace(target)


def upload(system: Any, path: Path, target: str) -> None:
    """Upload one file; such storage shows it whole or not at all."""
    system.put_file(str(path), target)


def side_by_side(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Give the results as they come, in the order of `items`; the first error ends it, what has begun is finished."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Tell what the storage's library raises as something that a user, or a later attempt, can act on."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        if _is_refusal(error):
            raise UserError(f"{url} may not be used: {told}. Credentials come from the environment.") from None
        if isinstance(error, ValueError) and str(error).startswith("Bad Request"):  # gcsfs: no name of a bucket
            raise UserError(f"{url} is not understood there: {error}.") from None
        if isinstance(error, OSError) and (error.errno in OF_THE_DISK or _is_of_local_file(error)):
            raise
        if isinstance(error, FileNotFoundError):
            raise UserError(f"There is nothing at {url}: {error}.") from None
        if not _is_of_network(error):
            raise
        raise Unreachable(
            f"{url} cannot be reached: {told}. What was done is kept; the same command goes on."
        ) from error


def _is_of_local_file(error: OSError) -> bool:
    return bool(error.filename) and Path(str(error.filename)).is_absolute()


def _is_refusal(error: BaseException) -> bool:
    """Whether credentials lack or do not suffice: s3fs raises PermissionError, gcsfs tells by its text or a code."""
    return (
        isinstance(error, PermissionError)
        or "Credentials" in type(error).__name__
        or (isinstance(error, OSError) and str(error).startswith("Forbidden"))
        or getattr(error, "code", None) in (401, 403)
    )


def _is_of_network(error: BaseException) -> bool:
    """Whether an error comes from a connection, by its class or its library: botocore's are no OSError."""
    libraries = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | TimeoutError) or bool(libraries & {"botocore", "aiohttp", "gcsfs", "google"})
