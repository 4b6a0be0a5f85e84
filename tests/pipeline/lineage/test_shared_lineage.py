"""The lineage of hosts with separate workspaces: a model's origin from any of them, and from none of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.errors import UserError
from pipeline.lineage import ancestry, history
from pipeline.orchestration import shared_lineage
from pipeline.storage import connection
from pipeline.workspace.layout import SHARED, Workspace
from pipeline.workspace.store import Store


def indent_of(lines: list[str], text: str) -> int:
    (line,) = (line for line in lines if text in line)
    return len(line) - len(line.lstrip())


def test_a_model_s_origin_is_found_from_any_host(
    storage: Any,
    finished: Any,
    small_steps: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shared_lineage.socket, "gethostname", lambda: "gpu1")
    url, models = storage.at("results"), storage.at("models")
    first = replace(finished.copy(tmp_path / "a"), shared=url)
    assert finished.run(first, "three", settings=[f"export.url={models}"]) == 0
    name = first.shared_name.read_text().strip()
    assert name.startswith("gpu1-")
    second = Workspace(tmp_path / "b", url)
    second.root.mkdir()
    monkeypatch.setattr(shared_lineage.socket, "gethostname", lambda: "gpu2")
    assert finished.run(second, "other") == 0
    capsys.readouterr()

    alone = ancestry.lines(second, second.serving / "net/1")
    assert not any("made by   run one" in line for line in alone), "its own store knows only what it fetched"
    lines = ancestry.merged_lines(second, str(second.serving / "net/1"))
    assert indent_of(lines, "fetched   by run other") > 0 and any("made by   run one" in line for line in lines)
    assert f"recipe    {name}:runs/one/recipe.yaml" in "\n".join(lines)
    (export,) = (line.strip() for line in lines if f"export  {name}:artifacts/export/" in line)
    (raw,) = (line.strip() for line in lines if line.strip().startswith("raw"))
    assert raw.startswith(f"raw  {name}:/"), "the folder is on the other host"
    assert indent_of(lines, export) > indent_of(lines, "export  artifacts/export/")

    nobody = Workspace(tmp_path / "c", url)
    system, root = connection.connect(models)
    version = max(int(Path(path).name) for path in system.ls(f"{root}/net", detail=False))
    lines = ancestry.merged_lines(nobody, f"{models}/net/{version}")
    assert lines[0].startswith(f"served  {name}:serving/net/") and any("made by   run one" in line for line in lines)
    monkeypatch.setenv(SHARED, url)
    assert main(["lineage", "--merge", "--workspace", str(nobody.root)]) == 0
    served = capsys.readouterr().out.splitlines()
    assert f"{name}:serving/net/1  run one" in served and any(line.startswith("gpu2-") for line in served)
    assert not nobody.root.exists()
    assert [run.id for run in history.runs(second)] == ["other"], "no store takes over what another one holds"


def test_what_could_not_be_uploaded_is_uploaded_later(
    storage: Any, finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = replace(finished.copy(tmp_path / "a"), shared=storage.at("results"))
    shared_lineage.give(workspace, Store(workspace.store), "two")
    system, root = connection.connect(f"{workspace.shared}/lineage/{workspace.shared_name.read_text().strip()}")
    names = sorted(Path(path).name for path in system.ls(root, detail=False))
    assert names == ["one.json", "two.json"] and not capsys.readouterr().out
    system.pipe_file(f"{root}/one.json", b'{"run": {}}')
    with pytest.raises(UserError, match=r"one\.json is damaged"):
        ancestry.merged_lines(Workspace(tmp_path / "other", workspace.shared), "")


def test_a_storage_out_of_reach_does_not_end_a_run(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(url: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(connection, "connect", fail)
    workspace = replace(finished.copy(tmp_path / "a"), shared="memory://results")
    shared_lineage.give(workspace, Store(workspace.store), "one")
    assert "lineage   is uploaded by the next run: memory://results" in capsys.readouterr().out


def test_a_merge_needs_a_storage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="SEGLINE_ARTIFACTS names no storage"):
        ancestry.merged_lines(Workspace(tmp_path), "")
