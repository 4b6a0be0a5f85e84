"""`segline verify` while others work: what a run or `segline gc` replaces or removes meanwhile is no damage."""

import shutil
from pathlib import Path

import pytest

from pipeline.lineage import verification
from pipeline.workspace import lock
from pipeline.workspace.layout import Workspace
from pipeline.workspace.store import Store
from tests.pipeline.finished import Finished


@pytest.fixture
def work(finished: Finished, tmp_path: Path) -> Workspace:
    return finished.copy(tmp_path / "work")


def problems(work: Workspace) -> dict[str, tuple[str, ...]]:
    return {finding.uri: finding.problems for finding in verification.verify(work) if finding.problems}


def test_what_gc_removes_meanwhile_is_no_damage(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, read = (work.run("one") / "gate").resolve(), verification._artifact
    uri = work.relative(gone)

    def remove_and_read(workspace: Workspace, store: Store, row: dict) -> verification.Finding:
        if row["uri"] == uri:
            shutil.rmtree(gone)
            store.remove(uri)
        return read(workspace, store, row)

    monkeypatch.setattr(verification, "_artifact", remove_and_read)
    findings = {finding.uri: finding for finding in verification.verify(work)}
    assert not findings[uri].problems and "removed while" in findings[uri].note
    shutil.rmtree(next(work.root.glob("artifacts/evaluate/*")))
    assert set(problems(work)) > {"runs/one/gate"}
    with lock.exclusive(work.in_use, wait=False, on_wait=print):  # as gc does
        assert not problems(work)


def test_the_folder_of_a_run_that_gc_removes_meanwhile_misses_no_link(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = verification._wrong_links

    def remove_and_look(workspace: Workspace, store: Store, run: Path) -> list[verification.Finding]:
        shutil.rmtree(work.run("one"), ignore_errors=True)
        return look(workspace, store, run)

    monkeypatch.setattr(verification, "_wrong_links", remove_and_look)
    assert not problems(work)


def test_a_result_that_is_being_recorded_is_no_damage_and_one_that_is_not_is(work: Workspace) -> None:
    new = next(work.root.glob("artifacts/gate/*"))
    uri = work.relative(new)
    Store(work.store).remove(uri)  # as of a run that has published it and not recorded it yet
    with lock.hold(work.lock("gate", new.name.partition("-")[0]), "run", wait=False, on_wait=print):
        assert not problems(work)
    found = problems(work)
    assert found.pop(uri) == ("is complete, but not in the store",) and found
    assert all("leads to" in text for (text,) in found.values())
