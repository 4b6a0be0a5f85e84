"""Commands that use the results of runs: compare, suspects, promote, rollback."""

import argparse
import itertools
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.commands import Commands
from pipeline.config.step_names import EVALUATE, EXPORT

if TYPE_CHECKING:
    from pipeline.workspace.layout import Workspace


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add("compare", compare_runs, "test whether runs differ by more than noise", "results")
    parser.add_argument("first", metavar="RUN", help="a run, or an artifact of the evaluate step")
    parser.add_argument("second", metavar="RUN", help="the same")
    parser.add_argument("others", metavar="RUN", nargs="*", help="more of them: every pair is compared")
    parser.add_argument(
        "--confidence", metavar="C", type=float, default=0.95, help="level of the intervals (default: 0.95)"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the numbers as JSON")

    parser = commands.add(
        "suspects", find_suspects, "find the regions whose masks are most likely wrong", "results dry_run"
    )
    parser.add_argument("run", metavar="RUN", help="a run that has trained")
    parser.add_argument("--out", metavar="DIR", type=Path, help="output folder (default: that of --html)")
    parser.add_argument("--html", metavar="DIR", type=Path, help="output folder of a page to look through the images")
    parser.add_argument("--split", metavar="S", action="append", help="a split; repeatable (default: train and val)")
    parser.add_argument("--count", metavar="N", type=int, default=50, help="number of regions (default: 50)")

    parser = commands.add("promote", promote_model, "serve an exported model by hand", "results dry_run")
    parser.add_argument(
        "model", metavar="RUN|ARTIFACT", help="a run that has exported, or an artifact of the export step"
    )
    parser.add_argument("--name", metavar="NAME", help="folder under serving/ (default: the recipe's)")

    parser = commands.add("rollback", roll_back, "serve an earlier version again", "results dry_run")
    parser.add_argument("name", metavar="NAME", help="folder under serving/")
    parser.add_argument("--to", metavar="VERSION", type=int, help="version to restore (default: the previous one)")


def compare_runs(options: argparse.Namespace) -> None:
    """Compare evaluations image by image, every pair of them; three and more are corrected for their number."""
    from pipeline.errors import UserError
    from pipeline.evaluation import comparison
    from pipeline.workspace import json_file

    if not 0.5 < options.confidence < 1:
        raise UserError(f"--confidence must be between 0.5 and 1. Received: {options.confidence:g}.")
    names = [options.first, options.second, *options.others]
    folders = {name: _artifact(options, name, EVALUATE) for name in names}
    pairs = list(itertools.combinations(names, 2))
    compared = comparison.corrected(
        [comparison.compare_folders(folders[a], folders[b], confidence=options.confidence) for a, b in pairs]
    )
    print("\n\n".join("\n".join(comparison.table(one, *pair)) for one, pair in zip(compared, pairs, strict=True)))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"a": a, "b": b, **one.as_dict()} for one, (a, b) in zip(compared, pairs, strict=True)]
        json_file.write(options.json, rows[0] if len(rows) == 1 else {"pairs": rows})


def find_suspects(options: argparse.Namespace) -> None:
    """Find the regions where a trained model contradicts the masks most."""
    from pipeline.analysis import searched
    from pipeline.cli import output_paths
    from pipeline.console.quiet import quiet
    from pipeline.console.terminal import WIDTH, cut, wrapped
    from pipeline.errors import UserError
    from pipeline.lineage.history import find_run
    from pipeline.report import gallery
    from pipeline.workspace.layout import Workspace
    from pipeline.workspace.run_folder import RunFolder

    if options.count < 1:
        raise UserError(f"--count must be at least 1. Received: {options.count}.")
    out = options.out or options.html
    if not out:
        raise UserError("Nothing to write. --html DIR writes a page to look through, --out DIR crops and lists.")
    output_paths.require_folder(out)
    if options.html:
        output_paths.require_folder(options.html, "--html")
        gallery.require_free(options.html, "--html")
    workspace = Workspace(options.workspace)
    run = RunFolder.open(workspace, find_run(workspace, options.run).id)
    splits = tuple(options.split or ("train", "val"))
    images = searched.count_images(run, splits)
    if options.dry_run:
        named = ", ".join(f"{split} ({number} images)" for split, number in images.items())
        print(wrapped(f"would search {named}"))
        return
    with quiet():
        from pipeline.analysis import suspects
    regions = suspects.find(run, out, splits=splits, count=options.count, html=options.html)
    for rank, region in enumerate(regions[:10], start=1):
        text = f": mask says {region.label}, model {region.answer}, {region.pixels:,} pixels"
        print(f"{rank:>3}. {cut(region.id, max(12, WIDTH - 5 - len(text)))}{text}")
    print(f"{len(regions)} regions in {out}", "sheet.png, crops/, suspects.csv, suspects.json", sep="\n  ")
    if options.html:
        print(f"{options.html / 'index.html'}: all images with such a region; open it in a browser")


def promote_model(options: argparse.Namespace) -> None:
    """Serve an exported model by hand."""
    from pipeline.lineage.history import open_store
    from pipeline.orchestration import promotion
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace)
    store = open_store(workspace)
    with _protected(options, workspace):
        artifact = _artifact(options, options.model, EXPORT)
        served = promotion.promote_by_hand(workspace, artifact, store, options.name, dry_run=options.dry_run)
    print(f"{'would be' if options.dry_run else 'serving':<9} {workspace.relative(served)}")
    if not options.dry_run:
        _upload(workspace, served)


def roll_back(options: argparse.Namespace) -> None:
    """Serve an earlier version again."""
    from pipeline.lineage.history import open_store
    from pipeline.orchestration import promotion
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace)
    store = open_store(workspace)
    with _protected(options, workspace):
        served, before, restored = promotion.rollback(
            workspace, options.name, store, options.to, dry_run=options.dry_run
        )
    print(f"{'would be' if options.dry_run else 'serving':<9} {workspace.relative(served)}")
    print(f"{'':<9} the model of version {restored}; version {before} is withdrawn")
    if not options.dry_run:
        _upload(workspace, served)


def _protected(options: argparse.Namespace, workspace: "Workspace") -> AbstractContextManager[None]:
    """Lock the workspace so that `segline gc` does not remove the model; a dry run needs no lock."""
    from pipeline.workspace import lock

    return nullcontext() if options.dry_run else lock.share(workspace.in_use)


def _upload(workspace: "Workspace", served: Path) -> None:
    """Upload the served model if the recipe of its run has `export.url`."""
    from pipeline.orchestration import served_origin
    from pipeline.storage import remote
    from pipeline.workspace.run_folder import RunFolder

    run = RunFolder(workspace.run(served_origin.read(served).get("run", "none")))
    url = run.recipe().export.url if run.exists else None
    if url and (uploaded := remote.publish(served, url)):
        print(f"uploaded  {uploaded}")


def _artifact(options: argparse.Namespace, text: str, step: str) -> Path:
    """Return a step's artifact, given its path (relative to here or the workspace) or the beginning of a run's name."""
    from pipeline.lineage.history import find_run
    from pipeline.workspace import integrity
    from pipeline.workspace.layout import Workspace
    from pipeline.workspace.run_folder import RunFolder
    from pipeline.workspace.seal import SEAL, read_seal

    workspace = Workspace(options.workspace)
    for path in (Path(text), workspace.root / text):
        if (path / SEAL).is_file() and read_seal(path)["step"] == step:
            artifact = path.resolve()
            break
    else:
        artifact = RunFolder.open(workspace, find_run(workspace, text).id).artifact(step)
    integrity.require_intact(workspace, artifact)
    return artifact
