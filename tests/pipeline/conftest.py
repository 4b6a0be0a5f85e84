"""Storages for the tests of pipeline/: servers on loopback that speak S3 and Google Cloud Storage."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest


class Storage:
    """A server with one bucket; it can be stopped and started again, and keeps what it holds.

    Attributes:
        scheme: s3 or gs.
        port: Where it listens; the same when it is started again.
        system: fsspec's file system, for the test's own use.
    """

    scheme: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, 0
        self.start()

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What names the server to a process."""
        raise NotImplementedError

    def at(self, prefix: str) -> str:
        return f"{self.scheme}://bucket/{prefix}"

    def clear(self) -> None:
        import fsspec

        self.system = fsspec.filesystem(self.scheme, skip_instance_cache=True)
        if self.system.exists("bucket"):
            self.system.rm("bucket", recursive=True)
        self.system.invalidate_cache()
        if not self.system.exists("bucket"):
            self.system.mkdir("bucket")

    def put(self, folder: Path, prefix: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.system.pipe(f"bucket/{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def names(self, prefix: str) -> list[str]:
        self.system.invalidate_cache()
        return sorted(path.removeprefix(f"bucket/{prefix}/") for path in self.system.find(f"bucket/{prefix}"))


class S3(Storage):
    """Moto's server."""

    scheme = "s3"

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        self._server.stop()

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }


class Google(Storage):
    """gcp-storage-emulator's server, which is what Google's own libraries are tried against."""

    scheme = "gs"

    def start(self) -> None:
        from gcp_storage_emulator.server import create_server

        self._server = create_server("127.0.0.1", self.port, data_dir=str(self.folder), default_bucket="bucket")
        self._server.start()
        self.port = self._server._api._httpd.server_address[1]

    def stop(self) -> None:
        self._server.stop()

    def environment(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{self.port}", "NO_GCE_CHECK": "true"}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[type[Storage]], Storage]]:
    """One server of each kind for all tests. Not a parameter: pytest would end a server as often as it changes."""
    made: dict[type[Storage], Storage] = {}

    def start(kind: type[Storage]) -> Storage:
        if kind not in made:
            made[kind] = kind(tmp_path_factory.mktemp("storage"))
        return made[kind]

    yield start
    for server in made.values():
        server.stop()


@pytest.fixture(params=[S3, Google], ids=lambda kind: kind.scheme)
def storage(
    request: pytest.FixtureRequest, servers: Callable[[type[Storage]], Storage], monkeypatch: pytest.MonkeyPatch
) -> Storage:
    """A server with an empty bucket; the environment names it."""
    library, emulator = {"s3": ("s3fs", "moto.server"), "gs": ("gcsfs", "gcp_storage_emulator")}[request.param.scheme]
    pytest.importorskip(emulator, reason=f"the extra `test` brings {emulator}")
    pytest.importorskip(library, reason=f"the extra `test` brings {library}")
    server = servers(request.param)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    if server.scheme == "gs":
        hurry(monkeypatch)
    server.clear()
    return server


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Have gcsfs try again at once, and not for half a minute."""
    import gcsfs.retry

    async def sleep(_: float) -> Any:
        return None

    patch.setattr(gcsfs.retry, "asyncio", SimpleNamespace(sleep=sleep))
