"""A process of our own that is asked to stop: whatever it makes of that, nothing is begun after it."""

import os
import signal
import threading
from pathlib import Path

import pytest

from pipeline.orchestration.child_process import ChildError, run_module

LISTENS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))
"""
SLEEPS = """
from pathlib import Path
import sys, time
Path(sys.argv[1]).touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("listens", "code"), [("", 130), (LISTENS.format(code=0), 130), (LISTENS.format(code=7), 7)], ids=["deaf", "0", "7"]
)
def test_a_stop_is_not_forgotten(listens: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that does not listen yet, one that was done anyway, and one that says itself how it ended."""
    (tmp_path / "asked_to_stop.py").write_text(listens + SLEEPS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    begun = tmp_path / "begun"

    def stop() -> None:
        while not begun.exists():
            over.wait(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    over, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(ChildError) as ended:
        run_module("asked_to_stop", str(begun), environment={})
    assert ended.value.exit_code == code and signal.getsignal(signal.SIGTERM) == before
