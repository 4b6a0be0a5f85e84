"""The command line: --help, dry runs, and the messages of commands that fail early."""

import argparse
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

import pipeline.orchestration
from pipeline.__main__ import GPU_GROWTH, main
from pipeline.cli.headings import HEADINGS
from pipeline.cli.parser import build_parser
from pipeline.config.data import DataConfig
from pipeline.storage import raw_files

RECIPE = """
data: {name: camvid, manual_dir: nowhere}
model: {name: fast}
train: {epochs: 1, batch_size: 1, learning_rate: 1e-3}
schedule: {cron: "30 2 * * *"}
"""


def commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(action.choices)


def test_help_lists_every_command_once_under_a_heading(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ") and line[2] not in " -"]
    assert listed == [name for names in HEADINGS.values() for name in names]
    assert sorted(listed) == sorted(commands())
    assert [line[:-1] for line in lines if line.endswith(":") and line[:-1] in HEADINGS] == list(HEADINGS)
    assert max(map(len, lines)) <= 80


def test_every_command_that_changes_something_has_a_dry_run() -> None:
    with_dry_run = {name for name, parser in commands().items() if "--dry-run" in parser.format_help()}
    read_only = {"explain", "status", "runs", "recipes", "show", "check", "diff", "verify", "doctor", "completion"}
    servers = {"tensorboard", "serve"}
    write_only_their_output = {"inspect", "compare", "lineage", "browse", "compile"}
    assert with_dry_run == set(commands()) - read_only - servers - write_only_their_output


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("run-due nightly.yaml --dry-run", 0),
        ("schedule nightly.yaml", 0),
        ("schedule nightly.yaml --install-systemd --user --dry-run", 0),
        ("backfill nightly.yaml --from 2026-07-01 --to 2026-07-03 --dry-run", 0),
        ("sample camvid --out raw --dry-run", 0),
        ("sweep nightly.yaml --grid train.epochs=1,2 --dry-run", 0),
        ("run nightly.yaml --dry-run", 2),
        ("launch nightly.yaml --workers 2 --dry-run", 2),
        ("rollback nightly --dry-run", 2),
        ("rollback nightly", 2),
        ("promote run --dry-run", 2),
        ("gc --dry-run", 2),
        ("reproduce run --dry-run", 2),
        ("suspects run --out suspects --dry-run", 2),
        ("predict model raw --out masks --dry-run", 2),
    ],
)
def test_a_dry_run_in_an_empty_folder_leaves_it_empty(
    line: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEGLINE_WORKSPACE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "units"))
    (tmp_path / "nightly.yaml").write_text(RECIPE)
    assert main(line.split()) == code
    assert [path.name for path in tmp_path.iterdir()] == ["nightly.yaml"]


def test_check_prints_each_problem_as_one_block(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    problems = ["camvid: 2 bad raw files.\nempty file (2):\n  train/a.png", "train.batch_size: 8 is too many."]
    preflight = SimpleNamespace(check=lambda *_: problems)
    monkeypatch.setattr(pipeline.orchestration, "preflight", preflight, raising=False)
    assert main(["check", "demo"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "segline: 2 problems found:",
        "  camvid: 2 bad raw files.",
        "    empty file (2):",
        "      train/a.png",
        "  train.batch_size: 8 is too many.",
    ]


def test_the_list_of_recipes_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) > 10 and max(map(len, shown)) <= 80


def test_the_message_of_a_missing_folder_says_what_it_should_hold(tmp_path: Path) -> None:
    message = raw_files.missing_message(DataConfig(name="camvid", manual_dir=tmp_path / "nope"))
    assert "there is no folder" in message and "the raw files of camvid: train, trainannot" in message
    layout = tmp_path / "segline.yaml"
    message = raw_files.missing_message(DataConfig(name="image_folder", manual_dir=tmp_path / "nope", layout=layout))
    assert message.endswith(f"It should hold the images and masks that {layout} describes.")


@pytest.mark.parametrize(("own", "expected"), [(None, "true"), ("false", "false")])
def test_gpu_memory_grows_as_needed_unless_the_user_sets_otherwise(
    own: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GPU_GROWTH, "")  # so that monkeypatch undoes what the command sets
    monkeypatch.delenv(GPU_GROWTH) if own is None else monkeypatch.setenv(GPU_GROWTH, own)
    assert main(["recipes"]) == 0 and os.environ[GPU_GROWTH] == expected


@pytest.mark.parametrize("given", ["inf", "nan", "1e305", "0", "-1"])
def test_an_invalid_max_mb_is_refused(given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path), f"--max-mb={given}"]) == 2
    assert "--max-mb must be more than 0, and at most 1,000,000. Received:" in capsys.readouterr().err


def test_an_unknown_command_prints_one_line_with_a_guess(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runn", "demo"]) == 2
    assert capsys.readouterr().err == (
        "segline: there is no command 'runn'. Did you mean 'run'? `segline --help` lists all.\n"
    )
