"""Commands for finished runs: compare, suspects, promote, rollback. Each imports what it needs inside its function."""

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.workspace.layout import Workspace


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", *, workspace: argparse.ArgumentParser) -> None:
    """Add these commands to the parser; `workspace` is the option that they share with others."""
    add = commands.add_parser("compare", parents=[workspace], help="which of two runs is better by more than noise")
    add.add_argument("first", metavar="RUN", help="a run, or the folder of an evaluate step")
    add.add_argument("second", metavar="RUN", help="the same")
    add.add_argument("--confidence", metavar="C", type=float, default=0.95, help="of the intervals (default: 0.95)")
    add.add_argument("--json", metavar="FILE", type=Path, help="write the figures as JSON too")
    add.set_defaults(command=compare)

    add = commands.add_parser("suspects", parents=[workspace], help="where masks are most likely wrong, as crops")
    add.add_argument("run", metavar="RUN", help="a run that has trained")
    add.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write")
    add.add_argument("--split", metavar="S", action="append", help="a split (default: train and val)")
    add.add_argument("--count", metavar="N", type=int, default=50, help="number of regions (default: 50)")
    add.add_argument("--dry-run", action="store_true", help="say what would be looked through, write nothing")
    add.set_defaults(command=suspects)

    add = commands.add_parser("promote", parents=[workspace], help="serve an exported model by hand")
    add.add_argument("model", metavar="RUN|ARTIFACT", help="a run that has exported, or the folder of an export step")
    add.add_argument("--name", metavar="NAME", help="folder under serving/ (default: the recipe's)")
    add.add_argument("--dry-run", action="store_true", help="say which version it would be, write nothing")
    add.set_defaults(command=promote)

    add = commands.add_parser("rollback", parents=[workspace], help="serve an earlier model again")
    add.add_argument("name", metavar="NAME", help="folder under serving/")
    add.add_argument("--to", metavar="VERSION", type=int, help="version to go back to (default: the one before)")
    add.add_argument("--dry-run", action="store_true", help="say which version it would be, write nothing")
    add.set_defaults(command=rollback)


def compare(options: argparse.Namespace) -> None:
    """Compare two evaluations image by image."""
    from pipeline.errors import UserError
    from pipeline.evaluation import comparison
    from pipeline.workspace import json_file

    if not 0.5 < options.confidence < 1:
        raise UserError(f"--confidence must be between 0.5 and 1. Received: {options.confidence:g}.")
    first, second = (_folder(options, name, "evaluate") for name in (options.first, options.second))
    found = comparison.folders(first, second, confidence=options.confidence)
    print("\n".join(comparison.table(found, options.first, options.second)))
    if options.json:
        told = {"a": options.first, "b": options.second, **found.as_dict()}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        json_file.write(options.json, told)


def suspects(options: argparse.Namespace) -> None:
    """Look for wrong masks with a trained model."""
    from pipeline.cli import output_paths
    from pipeline.console.quiet import quiet
    from pipeline.console.terminal import WIDTH, cut, wrapped
    from pipeline.errors import UserError
    from pipeline.lineage.history import find
    from pipeline.workspace.layout import Workspace
    from pipeline.workspace.run_folder import RunFolder

    if options.count < 1:
        raise UserError(f"--count must be at least 1. Received: {options.count}.")
    output_paths.require_folder(options.out)
    workspace = Workspace(options.workspace)
    run = RunFolder.open(workspace, find(workspace, options.run).id)
    splits = tuple(options.split or ("train", "val"))
    with quiet():
        from pipeline.analysis import suspects as finder
    if options.dry_run:
        images = finder.foresee(run, splits)
        told = ", ".join(f"{split} ({number} images)" for split, number in images.items())
        print(wrapped(f"would look through {told}"))
        return
    found = finder.find(run, options.out, splits=splits, count=options.count)
    for rank, one in enumerate(found[:10], start=1):
        told = f": mask says {one.label}, model {one.answer}, {one.pixels:,} pixels"
        print(f"{rank:>3}. {cut(one.id, max(12, WIDTH - 5 - len(told)))}{told}")
    print(f"{len(found)} regions in {options.out}", "sheet.png, crops/, suspects.csv, suspects.json", sep="\n  ")


def promote(options: argparse.Namespace) -> None:
    """Serve a model by hand."""
    from pipeline.lineage.history import open_store
    from pipeline.orchestration import promotion
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace)
    store = open_store(workspace)
    with _kept(options, workspace):
        artifact = _folder(options, options.model, "export")
        served = promotion.promote_by_hand(workspace, artifact, store, options.name, dry_run=options.dry_run)
    print(f"{'would be' if options.dry_run else 'serving':<9} {workspace.relative(served)}")
    if not options.dry_run:
        _upload(workspace, served)


def rollback(options: argparse.Namespace) -> None:
    """Serve an earlier model again."""
    from pipeline.lineage.history import open_store
    from pipeline.orchestration import promotion
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace)
    store = open_store(workspace)
    with _kept(options, workspace):
        served, before, restored = promotion.rollback(
            workspace, options.name, store, options.to, dry_run=options.dry_run
        )
    said = "would be" if options.dry_run else "serving"
    print(f"{said:<9} {workspace.relative(served)}")
    print(f"{'':<9} the model of version {restored}; version {before} is withdrawn")
    if not options.dry_run:
        _upload(workspace, served)


def _kept(options: argparse.Namespace, workspace: "Workspace") -> AbstractContextManager[None]:
    """Keep `segline gc` from removing what is about to be served; nothing where nothing is written."""
    from pipeline.workspace import lock

    return nullcontext() if options.dry_run else lock.share(workspace.in_use)


def _upload(workspace: "Workspace", served: Path) -> None:
    """Upload what is served to where the recipe of its run says."""
    from pipeline.orchestration import promotion
    from pipeline.storage import remote
    from pipeline.workspace.run_folder import RunFolder

    run = RunFolder(workspace.run(promotion.origin(served).get("run", "none")))
    url = run.recipe().export.url if run.exists else None
    if url and (uploaded := remote.publish(served, url)):
        print(f"uploaded  {uploaded}")


def _folder(options: argparse.Namespace, text: str, step: str) -> Path:
    """Find a step's folder by its own path, from here or from the workspace, or by the beginning of a run's name."""
    from pipeline.lineage.history import find
    from pipeline.workspace.layout import SEAL, Workspace, read_seal
    from pipeline.workspace.run_folder import RunFolder

    workspace = Workspace(options.workspace)
    for path in (Path(text), workspace.root / text):
        if (path / SEAL).is_file() and read_seal(path)["step"] == step:
            return path.resolve()
    return RunFolder.open(workspace, find(workspace, text).id).artifact(step)
