"""Access to shared storage: s3://, gs:// and any other scheme of fsspec.

Credentials and endpoints come from the environment variables of the storage's own tools (AWS_ACCESS_KEY_ID,
AWS_ENDPOINT_URL, GOOGLE_APPLICATION_CREDENTIALS ...).
"""

import errno
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.console.url_secrets import mask, reveal
from pipeline.errors import Unreachable, UserError

PARALLEL_FILES = 8
"""Files transferred at the same time."""

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of write(2) on the local disk. Like errors of a connection they name no file."""

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""Scheme -> Segline's extra that installs its library."""


def connect(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, as it is shown, without cached listings, and the path in it.

    Raises:
        UserError: The scheme is unknown, its library is not installed, or nobody knows the password of the URL.
    """
    whole = reveal(url)
    if whole is None:
        raise UserError(
            f"{url}: its password is not recorded. Name the recipe that has it, as when the run began: segline run "
            "RECIPE, or segline step STEP RECIPE --run ID."
        )
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(whole)
    except ImportError as error:
        extra = EXTRAS.get(url.partition("://")[0])
        do = f"pip install 'segline[{extra}]'" if extra else str(error)
        raise UserError(f"{url}: the library for this storage is not installed. {do}") from None
    except ValueError as error:
        raise UserError(f"{url}: {mask(str(error))}") from None
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it also logs, with a traceback, what it raises
    system.invalidate_cache()
    return system, path.rstrip("/")


def download(system: Any, path: str, target: Path) -> None:
    """Download one file; `target` appears complete, by a rename."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    system.get_file(path, str(partial))
    partial.replace(target)


def upload(system: Any, path: Path, target: str) -> None:
    """Upload one file; object storage shows it only when complete."""
    system.put_file(str(path), target)


def parallel_map(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Yield work(item) in the order of `items`. After an error, running calls finish and no others start."""
    with ThreadPoolExecutor(PARALLEL_FILES) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def translate_errors(url: str) -> Iterator[None]:
    """Context manager that translates errors of the storage's library.

    Raises:
        UserError: Access is denied, the URL is malformed, or nothing exists there.
        Unreachable: The network or the storage failed; a later attempt may succeed.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as error:
        text = mask(str(error))  # of the storage's library, which knows the whole URL
        message = f"{type(error).__name__}: {text}"
        if _is_refusal(error):
            raise UserError(f"{url}: access is denied: {message}. Credentials come from the environment.") from None
        if isinstance(error, ValueError) and str(error).startswith("Bad Request"):  # gcsfs: invalid bucket name
            raise UserError(f"{url}: the storage does not accept this address: {text}.") from None
        if isinstance(error, OSError) and (error.errno in DISK_ERRORS or _is_of_local_file(error)):
            raise
        if isinstance(error, FileNotFoundError):
            raise UserError(f"There is nothing at {url}: {text}.") from None
        if not _is_of_network(error):
            raise
        raise Unreachable(
            f"{url} cannot be reached: {message}. What was done is kept; the same command continues from there."
        ) from error


def _is_of_local_file(error: OSError) -> bool:
    return bool(error.filename) and Path(str(error.filename)).is_absolute()


def _is_refusal(error: BaseException) -> bool:
    """Whether credentials are missing or insufficient: PermissionError in s3fs, the text or a code in gcsfs."""
    return (
        isinstance(error, PermissionError)
        or "Credentials" in type(error).__name__
        or (isinstance(error, OSError) and str(error).startswith("Forbidden"))
        or getattr(error, "code", None) in (401, 403)
    )


def _is_of_network(error: BaseException) -> bool:
    """Whether an error comes from a connection, by its class or its library: botocore's are not OSErrors."""
    libraries = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | TimeoutError) or bool(libraries & {"botocore", "aiohttp", "gcsfs", "google"})


def below(system: Any, root: str) -> list[str]:
    """List what lies directly below a folder of a storage; nothing where there is no such folder."""
    try:
        return [str(path).rstrip("/") for path in system.ls(root, detail=False)]
    except FileNotFoundError:
        return []
