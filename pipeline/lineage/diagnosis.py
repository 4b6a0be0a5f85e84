"""What is damaged in a workspace, where a command has failed with an error that does not say so itself."""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pipeline.errors import UserError
from pipeline.orchestration import promotion, served_origin
from pipeline.workspace import integrity, json_file
from pipeline.workspace.layout import Workspace
from pipeline.workspace.run_folder import RunFolder
from pipeline.workspace.seal import SEAL
from pipeline.workspace.store import Store


def damage(workspace: Workspace) -> list[str]:
    """Return a message for each thing that is damaged: store, artifacts, facts of served models, folders of runs.

    Of an artifact only files are read whose size or mtime has changed, so that this takes a second.
    """
    problems = []
    try:
        for subject, check in _checks(workspace):
            try:
                check()
            except UserError as error:
                problems.append(str(error))
            except (OSError, ValueError, sqlite3.Error) as error:
                problems.append(f"{subject} is damaged: {error}")
    except OSError as error:
        problems.append(f"{error.filename} cannot be listed: {error.strerror}")
    return problems


def _checks(workspace: Workspace) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield what is looked at, each with a function that raises if it is damaged."""
    if workspace.store.exists():
        yield workspace.store, partial(Store.reading, workspace.store)
    for seal in sorted((workspace.root / "artifacts").glob(f"*/[!.]*/{SEAL}")):
        if seal.parent.suffix != ".partial":
            yield seal.parent, partial(integrity.require_intact, workspace, seal.parent)
    for served in sorted(workspace.serving.glob("[!.]*")):
        for version in sorted(promotion.versions(served)):
            yield served / str(version), partial(served_origin.require_facts, served / str(version))
    for run in sorted(path for path in (workspace.root / "runs").glob("[!.]*") if path.is_dir()):
        yield run / "recipe.yaml", RunFolder(run).recipe
        for name in ("command.txt", "code.txt", "lock.txt"):
            yield run / name, partial((run / name).read_text, encoding="utf-8")
        for file in sorted(run.glob("*.json")):
            yield file, partial(json_file.read, file)
        for link in sorted(path for path in run.glob("[!.]*") if path.is_symlink()):
            yield link, link.stat
