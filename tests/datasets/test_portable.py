"""A portable runner: Beam's job service in another process, over its real protocol."""

import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import SetupOptions

from datasets import beam_runner
from datasets.camvid.camvid_dataset_builder import Builder
from datasets.errors import ConversionError, DatasetError

PROJECT = Path(__file__).parents[2]
SUBPROCESS = "beam:env:harness_subprocess_python:v1"
WORKER = f"{sys.executable} -m apache_beam.runners.worker.sdk_worker_main"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a job service, and the folder in which it stages files for the workers."""
    folder = tmp_path_factory.mktemp("service")
    port = folder / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port_file", port, "--staging_dir", folder / "staged"], cwd=PROJECT, stdout=log, stderr=log
        )
        try:
            limit = time.monotonic() + 60
            while not (port.is_file() and port.read_text()):
                assert server.poll() is None and time.monotonic() < limit, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"localhost:{port.read_text()}", folder / "staged"
        finally:
            server.terminate()
            server.wait()


def records(raw: Path, out: Path, runner: object, options: object) -> dict[str, bytes]:
    builder = Builder(data_dir=out, allow_partial=True)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(
            manual_dir=raw, num_shards=3, try_download_gcs=False, beam_runner=runner, beam_options=options
        )
    )
    return {path.name: path.read_bytes() for path in Path(builder.data_dir).iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        pytest.param(["--environment_type=LOOPBACK"], id="workers in this process"),
        pytest.param(
            [f"--environment_type={SUBPROCESS}", f"--environment_config={WORKER}"], id="workers in other processes"
        ),
    ],
)
def test_a_job_service_writes_the_same_bytes(
    raw: Path, tmp_path: Path, service: tuple[str, Path], environment: list[str]
) -> None:
    address, staged = service
    flags = ["--runner=PortableRunner", f"--job_endpoint={address}", *environment]
    remote = records(raw, tmp_path / "remote", *beam_runner.choose("portable", options=flags))
    assert remote == records(raw, tmp_path / "here", *beam_runner.choose("in_process"))
    packed = max(staged.rglob("*workflow.tar.gz"), key=lambda path: path.stat().st_mtime)
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "datasets/shards.py", "datasets/camvid/camvid_dataset_builder.py"} <= names


@pytest.mark.slow
def test_a_job_service_that_is_not_there_is_one_message(raw: Path, tmp_path: Path) -> None:
    flags = ["--job_endpoint=localhost:1", "--job_server_timeout=1", "--environment_type=LOOPBACK"]
    with pytest.raises(ConversionError, match="The Beam runner failed: nothing answers at --job_endpoint") as caught:
        records(raw, tmp_path, *beam_runner.choose("portable", options=flags))
    assert len(str(caught.value).splitlines()) == 1


def test_without_setup_py_a_container_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_runner, "PROJECT", tmp_path)
    with pytest.raises(DatasetError, match=r"no setup\.py .* --sdk_container_image"):
        beam_runner.choose("portable", options=["--runner=FlinkRunner"])
    runner, options = beam_runner.choose("portable", options=["--runner=FlinkRunner", "--sdk_container_image=x"])
    assert runner == "FlinkRunner" and options.view_as(SetupOptions).setup_file is None
