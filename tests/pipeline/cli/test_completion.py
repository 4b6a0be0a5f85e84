"""The completion script, called as a shell calls it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main

CALL = """
source {script}
COMP_WORDS=(segline {words}); COMP_CWORD={last}; COMP_LINE="segline {words}"; COMP_POINT=${{#COMP_LINE}}
_shtab_segline; printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [("sch", {"schedule"}), ("run cam", {"camvid_fast", "camvid_fcn8s"}), ("run demo --unt", {"--until"})],
)
def test_bash_completes(words: str, expected: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="shtab is not installed (segline[completion])")
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "segline.bash"
    script.write_text(capsys.readouterr().out)
    call = CALL.format(script=script, words=words, last=len(words.split()))
    shown = subprocess.run(["bash", "-c", call], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert expected <= set(shown.stdout.split())


def test_without_shtab_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'segline[completion]'" in capsys.readouterr().err
