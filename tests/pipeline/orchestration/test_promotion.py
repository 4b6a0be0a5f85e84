"""Promotion: a version for each new model, rollback, and the comparison with the model of another training."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline.config import recipe_file
from pipeline.config.recipe import Recipe
from pipeline.errors import UserError
from pipeline.export import facts
from pipeline.orchestration import promotion, served_origin
from pipeline.workspace import digest
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.store import Store
from tests.pipeline.sealed import EMPTY, seal


class Exports:
    """A workspace in which `promote` makes and promotes a training and an export by name."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.store = Store(self.workspace.store)

    def promote(self, name: str, damage: bytes = b"") -> Path:
        train = self.workspace.root / "artifacts/train" / name
        export = self.workspace.root / "artifacts/export" / name
        for folder in (train, export / "saved_model/assets.extra"):
            folder.mkdir(parents=True, exist_ok=True)
        (export / "saved_model/saved_model.pb").write_text(name)
        (export / "saved_model" / facts.FILE).write_text(json.dumps({"name": name}))
        seal(export)
        with (export / "saved_model/saved_model.pb").open("ab") as file:
            file.write(damage)
        run = RunFolder(self.workspace.run(name))
        run.path.mkdir(parents=True, exist_ok=True)
        run.link("train", train)
        run.link("gate", self.judge(name, train))
        self.store.begin_run(name, "recipe", "", "", "stepwise")
        return promotion.promote(self.workspace, "net", export, run, self.store)

    def judge(self, name: str, train: Path) -> Path:
        """Return the folder of the verdict, made once: it compares with the model served at that time."""
        folder = self.workspace.root / "artifacts/gate" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            served = promotion.before(self.workspace, "net", train)
            inputs = {"served": digest.file_digest(served / facts.FILE)} if served else {}
            seal(folder, fingerprint={**EMPTY, "inputs": inputs})
        return folder

    def before(self, name: str) -> str | None:
        version = promotion.before(self.workspace, "net", self.workspace.root / "artifacts/train" / name)
        return version.name if version else None


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def test_only_a_new_model_makes_a_version(exports: Exports) -> None:
    assert [exports.promote(name).name for name in ("a", "a", "b", "b")] == ["1", "1", "2", "2"]
    assert (exports.workspace.serving / "net/2/saved_model.pb").read_text() == "b"


def test_a_model_is_compared_with_the_newest_version_of_another_training(exports: Exports) -> None:
    assert exports.before("a") is None
    exports.promote("a")
    assert (exports.before("a"), exports.before("b")) == (None, "1")
    exports.promote("b")
    assert (exports.before("a"), exports.before("b")) == ("2", "1")


def test_a_model_that_was_not_compared_with_the_served_one_is_refused(exports: Exports) -> None:
    exports.promote("a")
    exports.promote("b")
    with pytest.raises(UserError, match="Another model was promoted"):
        exports.promote("a")
    shutil.rmtree(exports.workspace.root / "artifacts/gate/a")  # judged again, it is compared with b
    assert exports.promote("a").name == "3"


def test_a_damaged_export_is_not_served(exports: Exports) -> None:
    exports.promote("a")
    with pytest.raises(UserError, match="is damaged"):
        exports.promote("b", damage=b"bit")
    assert promotion.versions(exports.workspace.serving / "net") == [1]


def test_a_crash_while_copying_leaves_no_version(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    exports.promote("a")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        exports.promote("b")
    assert promotion.versions(exports.workspace.serving / "net") == [1]
    assert exports.promote("b").name == "2"
    assert not (exports.workspace.serving / "net/.partial").exists()


def test_a_version_copied_by_hand_counts_but_is_not_compared_with(exports: Exports) -> None:
    (exports.workspace.serving / "net/7").mkdir(parents=True)
    assert exports.promote("a").name == "8"
    assert exports.before("a") is None


def test_after_a_rollback_the_withdrawn_model_is_not_promoted_automatically(exports: Exports) -> None:
    for name in ("a", "b"):
        exports.promote(name)
    expected = promotion.rollback(exports.workspace, "net", exports.store, dry_run=True)
    assert not expected[0].exists()
    served, before, restored = promotion.rollback(exports.workspace, "net", exports.store)
    assert expected == (served, before, restored)
    assert (served.name, before, restored) == ("3", 2, 1)
    assert (served / "saved_model.pb").read_text() == "a"
    assert exports.promote("b").name == "3"  # the unchanged recipe runs again: no new version
    assert exports.before("a") is None and exports.before("c") == "3"
    steps = [row["step"] for run in exports.store.runs(9) for row in exports.store.executions(run["id"])]
    assert sorted(steps) == ["promote", "promote", "rollback"]


def test_a_withdrawn_model_can_be_promoted_by_hand(exports: Exports, tiny_recipe) -> None:
    for name in ("a", "b"):
        exports.promote(name)
    promotion.rollback(exports.workspace, "net", exports.store)
    export = exports.workspace.root / "artifacts/export/b"
    digest.write_atomically(exports.workspace.run("b") / "recipe.yaml", recipe_file.dump(tiny_recipe))
    for number in ("4", "4"):
        expected = promotion.promote_by_hand(exports.workspace, export, exports.store, "net", dry_run=True)
        assert expected.exists() == (exports.workspace.serving / "net/4").exists()
        served = promotion.promote_by_hand(exports.workspace, export, exports.store, "net")
        assert expected == served and served.name == number
        assert (served / "saved_model.pb").read_text() == "b"
    assert promotion.withdrawn(served) == []
    assert promotion.promote_by_hand(exports.workspace, export, exports.store).parent.name == "tiny"


def test_a_promotion_that_was_killed_is_recorded_by_the_same_command(
    exports: Exports, tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        exports.promote(name)
        digest.write_atomically(exports.workspace.run(name) / "recipe.yaml", recipe_file.dump(tiny_recipe))
    export = exports.workspace.root / "artifacts/export/a"
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(promotion, "record", None)
        promotion.promote_by_hand(exports.workspace, export, exports.store, "net")
    assert exports.store.artifact("serving/net/3") is None
    served = promotion.promote_by_hand(exports.workspace, export, exports.store, "net")
    assert served.name == "3" and exports.store.artifact("serving/net/3")


def test_every_version_has_its_own_origin(exports: Exports, tiny_recipe: Recipe) -> None:
    """The origin identifies a version wherever it is uploaded, whatever its number there."""
    for name in ("a", "b"):
        exports.promote(name)
        digest.write_atomically(exports.workspace.run(name) / "recipe.yaml", recipe_file.dump(tiny_recipe))
    for name in ("a", "b", "a", "b"):
        export = exports.workspace.root / "artifacts/export" / name
        served = promotion.promote_by_hand(exports.workspace, export, exports.store, "net")
    origins = [(served.parent / str(version) / served_origin.ORIGIN).read_text() for version in range(1, 7)]
    assert len(set(origins)) == 6


def test_an_impossible_rollback_lists_the_versions(exports: Exports) -> None:
    with pytest.raises(UserError, match=r"Nothing is served as 'net'\. Served: nothing"):
        promotion.rollback(exports.workspace, "net", exports.store)
    assert not (exports.workspace.serving / "net").exists()
    exports.promote("a")
    with pytest.raises(UserError, match="no earlier version of another model"):
        promotion.rollback(exports.workspace, "net", exports.store)
    with pytest.raises(UserError, match=r"--to must be an earlier version of net: there is none\. Received: 7"):
        promotion.rollback(exports.workspace, "net", exports.store, 7)


@pytest.mark.parametrize("name", ["../evil", "", ".", "a/b", "/tmp/x"])
def test_a_name_that_is_no_direct_folder_of_serving_is_refused(exports: Exports, name: str) -> None:
    served = exports.promote("a")
    export = exports.workspace.root / "artifacts/export/a"
    with pytest.raises(UserError, match="folder under serving/"):
        promotion.promote_by_hand(exports.workspace, export, exports.store, name)
    with pytest.raises(UserError, match="folder under serving/"):
        promotion.rollback(exports.workspace, name, exports.store)
    assert [path.name for path in served.parent.parent.iterdir()] == ["net"]


def damage(served: Path, file: str = "saved_model.pb") -> None:
    content = (served / file).read_bytes()
    (served / file).unlink()  # it may be one file with that of the artifact
    (served / file).write_bytes(content[:-1] + b"?")


def test_a_damaged_served_model_is_not_used_and_promote_serves_it_again(exports: Exports, tiny_recipe: Recipe) -> None:
    damage(exports.promote("a"))
    with pytest.raises(UserError, match=r"net/1 is damaged: saved_model\.pb.*as a new version: segline promote RUN"):
        exports.promote("a")
    digest.write_atomically(exports.workspace.run("a") / "recipe.yaml", recipe_file.dump(tiny_recipe))
    export = exports.workspace.root / "artifacts/export/a"
    served = promotion.promote_by_hand(exports.workspace, export, exports.store, "net")
    assert served.name == "2" and served_origin.is_intact(served)
    damage(served, "assets.extra/origin.json")
    with pytest.raises(UserError, match=r"net/2 is damaged.*Move this folder away.*even one that was rolled back"):
        exports.promote("a")


def test_rollback_passes_over_a_damaged_version_and_names_it(
    exports: Exports, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        exports.promote(name)
    damage(exports.workspace.serving / "net/2", "assets.extra/origin.json")
    assert promotion.rollback(exports.workspace, "net", exports.store)[1:] == (3, 1)
    assert "skipped   version 2: assets.extra/origin.json is damaged" in capsys.readouterr().out
