"""Commands about runs and artifacts: status, runs, lineage, diff, verify, recover, reproduce, gc."""

import argparse
import os
from pathlib import Path

from pipeline.cli.commands import Commands, default_workspace, require_workspace


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    parser = commands.add("status", print_status, "state of the newest runs and of their steps", "results")
    parser.add_argument("--limit", metavar="N", type=int, default=5, help="number of runs (default: 5)")

    parser = commands.add("runs", list_runs, "list all runs, their mIoU and what they serve", "results")
    parser.add_argument("--limit", metavar="N", type=int, default=-1, help="the newest N (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON")

    parser = commands.add("lineage", trace_lineage, "trace a served model or an artifact to its sources", "workspace")
    parser.add_argument("path", metavar="PATH", nargs="?", help="served model, artifact, or a file in one")
    merge = "read the lineage of all workspaces of $SEGLINE_ARTIFACTS; PATH may be the URL of an uploaded model"
    parser.add_argument("--merge", action="store_true", help=merge)
    parser.add_argument("--openlineage", metavar="FILE", type=Path, help="write the events of all runs, a JSON a line")

    parser = commands.add(
        "diff", diff_runs, "differences of two runs: recipe, code, data, libraries, metrics", "results"
    )
    parser.add_argument("first", metavar="RUN", help="name of a run, or the beginning of it")
    parser.add_argument("second", metavar="RUN", help="the same")
    parser.add_argument("--json", action="store_true", help="print JSON")

    parser = commands.add("verify", verify_artifacts, "check that every artifact is as it was published")
    parser.add_argument(
        "workspace",
        metavar="WORKSPACE",
        type=Path,
        nargs="?",
        default=default_workspace(),
        help="its folder (default: $SEGLINE_WORKSPACE, or ./workspace)",
    )

    commands.add(
        "recover", recover_store, "complete or rebuild a lost or damaged store.sqlite", "results no_wait dry_run"
    )

    parser = commands.add(
        "reproduce", reproduce_run, "repeat a run in another workspace, and compare", "settings results dry_run logs"
    )
    parser.add_argument("run", metavar="RUN", help="name of a run, or the beginning of it")
    parser.add_argument("--into", metavar="DIR", type=Path, help="workspace to repeat it in (default: reproduced/RUN)")
    parser.add_argument(
        "--tolerance", metavar="T", type=float, default=0.005, help="for mIoU and the other metrics (default: 0.005)"
    )

    parser = commands.add(
        "gc", collect_garbage, "remove what no kept run and no served model needs", "results no_wait dry_run"
    )
    parser.add_argument("--keep-last", metavar="N", type=int, default=10, help="keep the newest N runs (default: 10)")
    parser.add_argument("--keep-promoted", action="store_true", help="also keep the runs of all versions in serving/")


def print_status(options: argparse.Namespace) -> None:
    """Print the newest runs and their steps."""
    from pipeline.lineage import status
    from pipeline.workspace.layout import Workspace

    print("\n".join(status.lines(Workspace(options.workspace), options.limit)))


def list_runs(options: argparse.Namespace) -> None:
    """Print the runs, as a table or as JSON."""
    from pipeline.lineage import history
    from pipeline.workspace.layout import Workspace

    runs = history.runs(Workspace(options.workspace), options.limit)
    print(history.to_json(runs) if options.json else "\n".join(history.lines(runs)))


def trace_lineage(options: argparse.Namespace) -> None:
    """Print where a model or an artifact came from, or export the events of all runs."""
    from pipeline.errors import UserError
    from pipeline.lineage import ancestry, openlineage
    from pipeline.workspace.layout import Workspace

    if options.openlineage:
        require_workspace(options.workspace)
        number = openlineage.export(Workspace(options.workspace), options.openlineage)
        print(f"{options.openlineage}: {number} events")
    if options.merge:
        workspace = Workspace.of(options.workspace.resolve(), os.environ)
        print("\n".join(ancestry.merged_lines(workspace, options.path or "")))
    elif options.path:
        path = Path(options.path)
        around = [folder for folder in path.resolve().parents if (folder / "store.sqlite").is_file()]
        workspace = Workspace(around[0] if around else options.workspace)
        print("\n".join(ancestry.lines(workspace, path)))
    elif not options.openlineage:
        raise UserError("Name a PATH, such as workspace/serving/<name>/<version>, or --openlineage FILE.")


def diff_runs(options: argparse.Namespace) -> None:
    """Print the differences of two runs, as text or as JSON."""
    import json
    from dataclasses import asdict

    from pipeline.lineage import diff
    from pipeline.workspace.layout import Workspace

    difference = diff.diff(Workspace(options.workspace), options.first, options.second)
    print(json.dumps(asdict(difference), indent=2) if options.json else "\n".join(diff.lines(difference)))


def verify_artifacts(options: argparse.Namespace) -> None:
    """Read every artifact again and compare it with its seal."""
    from pipeline.lineage import verification
    from pipeline.workspace.layout import Workspace

    require_workspace(options.workspace)
    findings = []
    for finding in verification.verify(Workspace(options.workspace.resolve())):
        findings.append(finding)
        if not finding.problems:
            size = f"{finding.files} files, {finding.bytes / 1e6:,.1f} MB"
            print(f"intact  {finding.uri}  {size}{finding.note and f'; {finding.note}'}", flush=True)
    verification.require_sound(findings)


def recover_store(options: argparse.Namespace) -> None:
    """Write into the store what the seals of the results say and it does not."""
    from pipeline.lineage import rebuild
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace.resolve())
    recovered = rebuild.recover(workspace, dry_run=options.dry_run, wait=not options.no_wait)
    print("\n".join(rebuild.lines(recovered, dry_run=options.dry_run)))


def reproduce_run(options: argparse.Namespace) -> None:
    """Repeat a run in another workspace and compare the results."""
    from pipeline.lineage import reproduction
    from pipeline.lineage.diff import metric_lines
    from pipeline.workspace import lock
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace.resolve())
    attempt = reproduction.prepare(workspace, options.run, options.set, options.into)
    print(f"repeat    {attempt.run.id} until {attempt.until}, in {attempt.workspace.root}")
    changed = attempt.changed or ["nothing: code and libraries are the same"]
    print("\n".join(f"changed   {line}" for line in changed[: None if options.dry_run else 12]))
    if len(changed) > 12 and not options.dry_run:
        print(f"changed   and {len(changed) - 12} more; --dry-run lists them all")
    if options.dry_run:
        return
    with lock.share(workspace.in_use):  # so that `segline gc` removes neither side of the comparison
        same, figures = reproduction.compare(workspace, attempt, reproduction.make(attempt))
    verdicts = {True: "bitwise identical", False: "differs", None: "removed, so not compared"}
    print("\n".join(f"{name:<28} {verdicts[equal]}" for name, equal in same.items()))
    if figures:
        print(f"{'':<28} {'then':>8} {'now':>8}")
        print("\n".join(metric_lines(figures)))
    reproduction.require_close(figures, options.tolerance)


def collect_garbage(options: argparse.Namespace) -> None:
    """Remove what no kept run and no served model needs."""
    from pipeline.lineage import gc
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace.resolve())
    waste = gc.gc(
        workspace,
        keep_last=options.keep_last,
        keep_promoted=options.keep_promoted,
        dry_run=options.dry_run,
        wait=not options.no_wait,
    )
    print("\n".join(gc.lines(workspace, waste, dry_run=options.dry_run)))
