"""segline predict reuses results of the same file with the same contents only."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.serving.prediction_progress import FILE, PARTS, Journal


@pytest.fixture
def start(tmp_path):
    """Function that starts a prediction with one model into <tmp_path>/out."""
    for part in PARTS:
        path = tmp_path / "model" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "out").mkdir()
    return lambda **settings: Journal(tmp_path / "out", tmp_path / "model", settings)


def write(path: Path, text: str = "text", when: float = 1e9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (when, when))
    return path


def make(progress: Journal, source: Path, result: Path) -> bool:
    """Write a result as segline predict does; return whether it was reused instead."""
    if progress.is_done(source, [result]):
        return True
    with progress.writing(source, [result]):
        write(result)
    return False


def test_a_result_is_reused_for_its_own_file_only(start, tmp_path):
    result, one, two = tmp_path / "out/a.png", write(tmp_path / "1/a.png"), write(tmp_path / "2/a.png")
    assert [make(start(), path, result) for path in (one, one, two, two, one)] == [False, True, False, True, False]
    assert make(start(), one, result) and not make(start(alpha=1), one, result)
    for change in ({"when": 1e8}, {"text": "longer"}):
        write(one, **change)
        assert not make(start(alpha=1), one, result) and make(start(alpha=1), one, result)
    result.unlink()
    assert not make(start(alpha=1), one, result)


def test_a_link_to_another_folder_holds_other_files(start, tmp_path):
    result, link = tmp_path / "out/a.png", tmp_path / "latest"
    for folder in ("1", "2"):
        write(tmp_path / folder / "a.png")
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / folder)
        assert not make(start(), link / "a.png", result) and make(start(), link / "a.png", result)


def test_results_that_were_being_overwritten_are_not_reused(start, tmp_path):
    result, one, two = tmp_path / "out/a.png", write(tmp_path / "1/a.png"), write(tmp_path / "2/a.png")
    make(start(), one, result)
    progress = start()
    assert not progress.is_done(two, [result])
    with pytest.raises(KeyboardInterrupt), progress.writing(two, [result]):
        raise KeyboardInterrupt
    assert not start().is_done(one, [result]) and not start().is_done(two, [result])


def test_a_file_that_changes_while_it_is_read_is_not_reused(start, tmp_path):
    result, source = tmp_path / "out/a.png", write(tmp_path / "a.png")
    progress = start()
    assert not progress.is_done(source, [result])
    write(source, when=2e9)
    with progress.writing(source, [result]):
        write(result)
    assert not start().is_done(source, [result])


def test_a_truncated_line_costs_only_its_own_result(start, tmp_path):
    sources = [write(tmp_path / f"{number}.png") for number in range(3)]
    results = [tmp_path / f"out/{number}.png" for number in range(3)]
    for source, result in zip(sources[:2], results[:2], strict=True):
        make(start(), source, result)
    journal = tmp_path / "out" / FILE
    journal.write_bytes(journal.read_bytes()[:-5])
    make(start(), sources[2], results[2])
    reused = [start().is_done(source, [result]) for source, result in zip(sources, results, strict=True)]
    assert reused == [True, False, True]
    journal.write_bytes(journal.read_bytes() + b"\n[]\n[{}, 1, 2, 3]\n\xff\n7")
    assert start().is_done(sources[0], [results[0]])


def test_threads_lose_no_line_and_superseded_lines_are_removed(start, tmp_path):
    sources = [write(tmp_path / f"{number}.png") for number in range(200)]
    results = [tmp_path / f"out/{number}.png" for number in range(200)]
    for when in (1e9, 1e8, 1e7):
        for source in sources:
            os.utime(source, (when, when))
        progress = start()
        with ThreadPoolExecutor(8) as pool:
            assert not any(pool.map(make, [progress] * 200, sources, results))
        progress.close()
        assert all(start().is_done(source, [result]) for source, result in zip(sources, results, strict=True))
        assert len((tmp_path / "out" / FILE).read_text().split("\n")) == 201
