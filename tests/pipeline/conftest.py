"""A storage for the tests of pipeline/: a server on loopback that speaks S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest


class Storage:
    """An S3 server with one bucket; it can be stopped and started again, and keeps what it holds."""

    def __init__(self) -> None:
        self.port = 0
        self.start()
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def start(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def stop(self) -> None:
        self._server.stop()

    def clear(self) -> None:
        import fsspec

        self.system = fsspec.filesystem("s3", skip_instance_cache=True)
        if self.system.exists("bucket"):
            self.system.rm("bucket", recursive=True)
        self.system.mkdir("bucket")

    def put(self, folder: Path, prefix: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.system.pipe(f"bucket/{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def names(self, prefix: str) -> list[str]:
        self.system.invalidate_cache()
        return sorted(path.removeprefix(f"bucket/{prefix}/") for path in self.system.find(f"bucket/{prefix}"))


@pytest.fixture(scope="session")
def server() -> Iterator[Storage]:
    pytest.importorskip("moto.server", reason="the extra `test` brings moto")
    pytest.importorskip("s3fs", reason="the extra `test` brings s3fs")
    made = Storage()
    yield made
    made.stop()


@pytest.fixture
def storage(server: Storage, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """One server for all tests, with an empty bucket; the environment names it."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.clear()
    return server
