"""Shared storage, tested against local servers with the protocols of S3 and Google Cloud Storage."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import Unreachable, UserError
from pipeline.orchestration import forecast
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.orchestration.runner import Runner
from pipeline.schedule.tick import is_transient
from pipeline.storage import connection, remote
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Twelve small files in CamVid's layout, and one that CamVid does not read."""
    for name in [*(f"train/{number:02}.png" for number in range(12)), "notes.txt"]:
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_text(name)
    return tmp_path / "raw"


PATTERNS = ("train", "*/train")


def test_only_files_that_the_dataset_reads_are_fetched_and_only_once(storage: Any, raw: Path, tmp_path: Path) -> None:
    storage.put(raw, "raw")
    copy = tmp_path / "copy"
    assert remote.fetch(storage.at("raw"), PATTERNS, copy) == 12
    assert {path.name: path.read_text() for path in copy.glob("train/*")} == {
        path.name: path.read_text() for path in raw.glob("train/*")
    }
    assert not (copy / "notes.txt").exists()
    assert remote.fetch(storage.at("raw"), PATTERNS, copy) == 0


def test_the_copy_is_updated_and_other_files_are_kept(storage: Any, raw: Path, tmp_path: Path) -> None:
    storage.put(raw, "raw")
    copy = tmp_path / "copy"
    remote.fetch(storage.at("raw"), PATTERNS, copy)
    (copy / "train/mine.png").write_text("not fetched")
    (copy / "train/03.png").unlink()
    storage.system.rm("bucket/raw/train/00.png")
    storage.system.pipe("bucket/raw/train/01.png", b"train/XX.png")  # of the same length
    assert remote.fetch(storage.at("raw"), PATTERNS, copy) == 2
    assert not (copy / "train/00.png").exists() and (copy / "train/mine.png").exists()
    assert (copy / "train/01.png").read_text() == "train/XX.png"


@pytest.mark.parametrize("index", ["{", "[]", '{"../../mine": [1, ""], "/etc/mine": [1, ""]}'])
def test_a_damaged_index_costs_a_download_and_no_other_file(
    index: str, storage: Any, raw: Path, tmp_path: Path
) -> None:
    storage.put(raw, "raw")
    (tmp_path / "mine").write_text("mine")
    copy = tmp_path / "some/copy"
    copy.mkdir(parents=True)
    (copy / remote.INDEX).write_text(index)
    assert remote.fetch(storage.at("raw"), PATTERNS, copy) == 12
    assert (tmp_path / "mine").exists()


def test_two_recipes_can_share_a_copy(storage: Any, raw: Path, tmp_path: Path) -> None:
    (raw / "coarse").mkdir()
    (raw / "coarse/00.png").write_text("coarse")
    storage.put(raw, "raw")
    fetched = [remote.fetch(storage.at("raw"), [name], tmp_path / "copy") for name in ("train", "coarse") * 2]
    assert fetched == [12, 1, 0, 0]
    storage.system.rm("bucket/raw/train/00.png")
    remote.fetch(storage.at("raw"), ["coarse"], tmp_path / "copy")
    assert len(list((tmp_path / "copy").glob("*/*.png"))) == 12, (
        "a removed file is deleted, whichever recipe fetched it"
    )


def test_the_index_is_written_during_a_download(
    storage: Any, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(raw, "raw")
    copy, indexed, download = tmp_path / "copy", [], connection.download

    def count(system: Any, path: str, target: Path) -> None:
        index = copy / remote.INDEX
        indexed.append(len(json.loads(index.read_text())) if index.is_file() else 0)
        download(system, path, target)

    monkeypatch.setattr(connection, "PARALLEL_FILES", 1)
    monkeypatch.setattr(connection, "download", count)
    monkeypatch.setattr(remote, "INDEX_INTERVAL", 0)
    remote.fetch(storage.at("raw"), PATTERNS, copy)
    assert indexed[-1] > 0


def test_a_lost_network_leaves_complete_files_and_the_next_call_continues(
    storage: Any, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.put(raw, "raw")
    copy, download, started = tmp_path / "copy", connection.download, []

    def fail(system: Any, path: str, target: Path) -> None:
        started.append(path)
        if len(started) == 5:
            storage.stop()
        download(system, path, target)

    monkeypatch.setattr(connection, "PARALLEL_FILES", 1)
    with (
        monkeypatch.context() as patch,
        pytest.raises(Unreachable, match=f"{storage.at('raw')} cannot be reached") as error,
    ):
        patch.setattr(connection, "download", fail)
        remote.fetch(storage.at("raw"), PATTERNS, copy)
    assert is_transient(error.value.exit_code) and "secret" not in str(error.value)
    kept = list(copy.glob("train/*.png"))
    assert len(kept) == 4 and all(path.read_text() == f"train/{path.name}" for path in kept)
    with pytest.raises(Unreachable):
        remote.fetch(storage.at("raw"), PATTERNS, copy)
    storage.start()
    assert remote.fetch(storage.at("raw"), PATTERNS, copy) == 8


def test_unknown_urls_are_refused(storage: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"There is nothing at {storage.at('none')}") as error:
        remote.fetch(storage.at("none"), PATTERNS, tmp_path / "copy")
    assert error.value.exit_code == 2
    with pytest.raises(UserError, match="nowhere://x: "):
        remote.fetch("nowhere://x", PATTERNS, tmp_path / "copy")
    with pytest.raises(UserError, match=r"'s3://bucket/raw' goes to `data\.url`"):
        load_recipe(str(PROJECT / "tests/tiny.yaml"), ["data.manual_dir=s3://bucket/raw"])


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "serving/net/3"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


FILES = [remote.ORIGIN, "assets.extra/segline.json", remote.MARK, "variables/variables.index"]


def test_a_served_version_is_uploaded_once(storage: Any, served: Path) -> None:
    assert not remote.is_published(served, storage.at("models"))
    assert remote.publish(served, storage.at("models/")) == storage.at("models/net/3")
    assert storage.names("models/net/3") == FILES
    assert remote.publish(served, storage.at("models")) is None and remote.is_published(served, storage.at("models/"))


def test_a_number_that_another_workspace_uses_is_not_overwritten(storage: Any, served: Path) -> None:
    """A new workspace counts from 1, and its promoted versions are still served."""

    def published(run: str) -> str | None:
        (served / remote.ORIGIN).write_text(run)
        return remote.publish(served, storage.at("models"))

    places = [published(run) for run in ("one", "two", "three", "two", "one")]
    assert places == [*(storage.at(f"models/net/{number}") for number in (3, 4, 5)), None, None]


@pytest.mark.parametrize(
    "existing",
    [
        {"net/8/assets.extra/origin.json": "other", f"net/8/{remote.MARK}": ""},
        {"net/8/assets.extra/origin.json": "other", "net/3/variables/variables.index": "half of another"},
        {"net/8/variables/variables.index": "of an unknown version"},
    ],
)
def test_a_version_gets_a_number_above_all_others_even_partial_ones(
    existing: dict[str, str], storage: Any, served: Path
) -> None:
    """TensorFlow Serving loads the highest, and two uploads to one folder would mix."""
    storage.system.pipe({f"bucket/models/{name}": text.encode() for name, text in existing.items()})
    assert remote.publish(served, storage.at("models")) == storage.at("models/net/9")
    assert storage.names("models") == sorted([*existing, *(f"net/9/{name}" for name in FILES)])
    assert remote.is_published(served, storage.at("models"))


def test_an_interrupted_upload_is_not_a_model_and_is_completed_later(
    storage: Any, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = connection.upload

    def fail(system: Any, path: Path, target: str) -> None:
        upload(system, path, target)
        if target.endswith(remote.ORIGIN):
            raise ConnectionResetError("the network went away")

    monkeypatch.setattr(connection, "PARALLEL_FILES", 1)
    with monkeypatch.context() as patch, pytest.raises(Unreachable):
        patch.setattr(connection, "upload", fail)
        remote.publish(served, storage.at("models"))
    assert storage.names("models/net") == [f"3/{remote.ORIGIN}"] and not remote.is_published(
        served, storage.at("models")
    )
    remote.publish(served, storage.at("models"))
    assert storage.names("models/net") == [f"3/{name}" for name in FILES]


def test_a_run_can_read_its_raw_files_from_the_storage(storage: Any, camvid_raw: Path, tmp_path: Path) -> None:
    """The fingerprint depends on the contents and not on the location."""
    from pipeline.orchestration.graph import STEPS

    storage.put(camvid_raw, "camvid")
    local = tmp_path / "same"
    shutil.copytree(camvid_raw, local)
    keys = []
    for settings in (
        [f"data.manual_dir={local}"],
        [f"data.manual_dir={tmp_path / 'copy'}", f"data.url={storage.at('camvid')}"],
    ):
        recipe = load_recipe(str(PROJECT / "tests/tiny.yaml"), settings)
        workspace = Workspace(tmp_path / "work")
        run = RunFolder.create(workspace, recipe, ["test"])
        runner = Runner(workspace, recipe, run, Store(workspace.store), wait=False)
        keys.append(runner.plan(STEPS[0], again=False).fingerprint.key)
    assert keys[0] == keys[1]


def test_a_forecast_fetches_nothing(camvid_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lines(folder: Path) -> list[str]:
        settings = [f"data.manual_dir={folder}", "data.url=s3://bucket/camvid"]
        recipe = load_recipe(str(PROJECT / "tests/tiny.yaml"), settings)
        return forecast.lines(forecast.forecast(Workspace(tmp_path / "work"), recipe, until="validate"))

    monkeypatch.setattr(remote, "fetch", None)
    assert lines(camvid_raw)[0] == "ingest    run      for the first time"
    assert lines(tmp_path / "copy") == [
        "ingest    run      s3://bucket/camvid: not fetched yet",
        "validate  run      for the first time",
    ]
    assert not (tmp_path / "copy").exists()


class HttpError(Exception):
    """Stands for the exception of gcsfs."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"the server answered {code}")


HttpError.__module__ = "gcsfs.retry"


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (PermissionError("Access Denied"), 2, "access is denied: PermissionError: Access Denied"),
        (OSError("Forbidden: https://storage.googleapis.com/b/x"), 2, "access is denied"),
        (HttpError(401), 2, "access is denied"),
        (ValueError("Bad Request: b/A_B\nInvalid bucket name"), 2, "the storage does not accept this address"),
        (HttpError(503), 1, "cannot be reached"),
        (ConnectionResetError("the network went away"), 1, "cannot be reached"),
    ],
)
def test_errors_of_the_storage_are_translated(raised: Exception, code: int, message: str) -> None:
    with pytest.raises(UserError, match=f"gs://x/y:? {message}") as error, connection.translate_errors("gs://x/y"):
        raise raised
    assert error.value.exit_code == code


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_not_an_error_of_the_storage(number: int) -> None:
    """Not transient: write(2) names no file, and `segline run` reports a full disk."""
    with pytest.raises(OSError, match=os.strerror(number)) as error, connection.translate_errors("gs://x/y"):
        raise OSError(number, os.strerror(number))
    assert type(error.value) is OSError


def test_our_own_errors_pass_through() -> None:
    with pytest.raises(ValueError, match="ours"), connection.translate_errors("gs://x/y"):
        raise ValueError("ours")
