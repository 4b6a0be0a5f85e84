"""The checks of single files, and the report of all of them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets import audit
from datasets.audit import BadFileError, Kind, Problem
from datasets.raw import RawFolder


def encoded(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def vast_png() -> bytes:
    """A PNG whose header declares 10^10 pixels."""
    import struct
    import zlib

    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_size_of_a_good_image_is_returned(kind: str) -> None:
    assert audit.image_size(encoded(kind)) == (48, 64)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(encoded("PNG")[:-200], Kind.DAMAGED, id="truncated PNG"),
        pytest.param(encoded("PNG")[:-12], Kind.DAMAGED, id="PNG without its end"),
        pytest.param(encoded("PNG")[:20], Kind.DAMAGED, id="PNG of 20 bytes"),
        pytest.param(flipped(encoded("PNG"), 3000), Kind.DAMAGED, id="PNG with a flipped bit"),
        pytest.param(encoded("JPEG")[:-200], Kind.DAMAGED, id="truncated JPEG"),
        pytest.param(encoded("JPEG")[:20], Kind.DAMAGED, id="JPEG of 20 bytes"),
        pytest.param(vast_png(), Kind.DAMAGED, id="PNG of 10^10 pixels"),
        pytest.param(b"<html>404 Not Found</html>", Kind.NOT_AN_IMAGE, id="a web page"),
        pytest.param(encoded("BMP"), Kind.NOT_AN_IMAGE, id="another format"),
    ],
)
def test_a_bad_image_is_refused(content: bytes, kind: Kind) -> None:
    with pytest.raises(BadFileError) as caught:
        audit.image_size(content)
    assert caught.value.kind is kind


def test_an_empty_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(BadFileError) as caught:
        RawFolder(tmp_path).read("empty.png")
    assert caught.value.kind is Kind.EMPTY
    with pytest.raises(BadFileError) as caught:
        RawFolder(tmp_path).read("none.png")
    assert caught.value.kind is Kind.UNREADABLE and "No such file" in caught.value.detail


def test_the_report_groups_by_kind_and_names_the_file() -> None:
    problems = [
        Problem(Kind.EMPTY, "val", "val/b.png", "b"),
        Problem(Kind.LABEL_RANGE, "train", "trainannot/a.png", "a", "received 12 (3 px)"),
        Problem(Kind.EMPTY, "train", "train/a.png", "a"),
    ]
    assert audit.format_report("camvid", problems, "Put them right.").splitlines() == [
        "camvid: 3 bad raw files. Nothing was written.",
        "empty file (2):",
        "  train/a.png",
        "  val/b.png",
        "label out of range (1):",
        "  trainannot/a.png: received 12 (3 px)",
        "Put them right.",
    ]


def test_the_report_fits_a_screen() -> None:
    many = [Problem(Kind.EMPTY, "train", f"train/{index:03}.png", f"{index:03}") for index in range(audit.SHOWN + 7)]
    lines = audit.format_report("camvid", many, "Put them right.").splitlines()
    assert len(lines) == audit.REPORT_ROWS + 2
    assert lines[-2] == f"  ... and {audit.SHOWN + 7 - audit.REPORT_ROWS + 2} more"


@pytest.mark.parametrize("kinds", [1, 3, sum(kind.is_error for kind in Kind)])
@pytest.mark.parametrize("length", [5, 70, 150])
def test_a_report_of_long_lines_fits_a_screen_of_80_columns(kinds: int, length: int) -> None:
    detail = "received " + ", ".join(f"{value} ({value} px)" for value in range(12, 32))
    many = [Problem(kind, "train", f"{'x' * length}/{index}.png", "", detail) for kind in list(Kind)[:kinds]
            for index in range(30)]  # fmt: skip
    report = audit.format_report("camvid", many, "Put them right.")
    if kinds < 5 or length < 70:  # names are never truncated
        assert sum(-(-len(line) // 80) for line in report.splitlines()) <= 23
    assert all(f"{'x' * length}/" in line for line in report.splitlines() if "x" * length in line)
    assert report.count(" more") == kinds and " ... ..." not in report


def test_control_characters_of_a_file_name_are_escaped() -> None:
    problem = Problem(Kind.EMPTY, "train", "train/a\n\x1b[31mü.png", "a")
    assert "train/a\\n\\u001b[31mü.png" in audit.format_report("camvid", [problem], "Put it right.")


def test_json_keeps_every_problem(tmp_path: Path) -> None:
    problems = [Problem(Kind.EMPTY, "train", f"train/{index}.png", str(index)) for index in range(50)]
    audit.write(tmp_path / "audit.json", "camvid", {"train": {"found": 50, "written": 0}}, problems)
    facts = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert [Problem.from_json(problem) for problem in facts["problems"]] == sorted(problems)
