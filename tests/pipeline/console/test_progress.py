"""Progress: a bar on a terminal, lines in a log."""

import io

import pytest

from pipeline.console import progress
from pipeline.console.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress("evaluate", 1300, done=100, screen=io.StringIO()) as shown:
        for clock[0] in (4.0, 8.0, 12.0, 16.0, 24.0):
            shown.add(100)
    assert capsys.readouterr().out.splitlines() == [
        "evaluate  400 of 1,300 images, 36 s left",
        "evaluate  600 of 1,300 images, 34 s left",
    ]


def test_a_terminal_gets_a_bar_and_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Terminal()
    with Progress("ingest", None, screen=screen) as shown:
        shown.show(3, 12)
    assert "ingest" in screen.getvalue() and "of 12 images" in screen.getvalue()
    assert capsys.readouterr().out == ""
