"""Commands that explain, check and clear: lineage, runs, diff, explain, gc, verify, reproduce.

Each imports what it needs inside its function.
"""

import argparse
import os
from pathlib import Path


def add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    *,
    recipe: argparse.ArgumentParser,
    workspace: argparse.ArgumentParser,
    logs: argparse.ArgumentParser,
) -> None:
    """Add these commands to the parser; `recipe`, `workspace` and `logs` are what they share with others."""
    add = commands.add_parser("lineage", parents=[workspace], help="where a served model or an artifact came from")
    add.add_argument("path", metavar="PATH", type=Path, nargs="?", help="served model, artifact, or a file in one")
    add.add_argument("--openlineage", metavar="FILE", type=Path, help="write the events of all runs, a JSON a line")
    add.set_defaults(command=lineage)

    add = commands.add_parser("runs", parents=[workspace], help="every run, its mIoU, and what it serves")
    add.add_argument("--limit", metavar="N", type=int, default=-1, help="the newest N (default: all)")
    add.add_argument("--json", action="store_true", help="print JSON")
    add.set_defaults(command=runs)

    add = commands.add_parser(
        "diff", parents=[workspace], help="recipe, code, data, libraries, metrics: what two runs differ in"
    )
    add.add_argument("first", metavar="RUN", help="name of a run, or the beginning of it")
    add.add_argument("second", metavar="RUN", help="the same")
    add.add_argument("--json", action="store_true", help="print JSON")
    add.set_defaults(command=diff)

    add = commands.add_parser(
        "explain", parents=[recipe, workspace], help="each step of a recipe: reuse or run, and why"
    )
    add.set_defaults(command=explain)

    add = commands.add_parser("gc", parents=[workspace], help="remove what no kept run and no served model needs")
    add.add_argument("--keep-last", metavar="N", type=int, default=10, help="runs to keep, the newest (default: 10)")
    add.add_argument("--keep-promoted", action="store_true", help="keep also the runs of all that lies in serving/")
    add.add_argument("--dry-run", action="store_true", help="say what would be removed, remove nothing")
    add.add_argument("--no-wait", action="store_true", help="end with code 2 where a run is at work")
    add.set_defaults(command=gc)

    add = commands.add_parser("verify", help="read every artifact again; is it still what was published?")
    default = Path(os.environ.get("SEGLINE_WORKSPACE", "workspace"))
    add.add_argument("workspace", metavar="WORKSPACE", type=Path, nargs="?", default=default, help="its folder")
    add.set_defaults(command=verify)

    add = commands.add_parser("reproduce", parents=[workspace, logs], help="make a run anew elsewhere, and compare")
    add.add_argument("run", metavar="RUN", help="name of a run, or the beginning of it")
    add.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a setting of its recipe")
    add.add_argument("--into", metavar="DIR", type=Path, help="workspace to make it in (default: reproduced/RUN)")
    add.add_argument("--tolerance", metavar="T", type=float, default=0.005, help="of mIoU and others (default: 0.005)")
    add.add_argument("--dry-run", action="store_true", help="say what has changed since, run nothing")
    add.set_defaults(command=reproduce)


def lineage(options: argparse.Namespace) -> None:
    """Say where a model or an artifact came from, or export everything."""
    from pipeline.errors import UserError
    from pipeline.lineage import ancestry as lineages
    from pipeline.lineage import openlineage
    from pipeline.workspace.layout import Workspace

    if options.openlineage:
        number = openlineage.export(Workspace(options.workspace), options.openlineage)
        print(f"{options.openlineage}: {number} events")
    if options.path:
        around = [folder for folder in options.path.resolve().parents if (folder / "store.sqlite").is_file()]
        workspace = Workspace(around[0] if around else options.workspace)
        print("\n".join(lineages.lines(workspace, options.path)))
    elif not options.openlineage:
        raise UserError("Name a PATH, such as workspace/serving/<name>/<version>, or --openlineage FILE.")


def runs(options: argparse.Namespace) -> None:
    """List the runs."""
    from pipeline.lineage import history
    from pipeline.workspace.layout import Workspace

    found = history.runs(Workspace(options.workspace), options.limit)
    print(history.to_json(found) if options.json else "\n".join(history.lines(found)))


def diff(options: argparse.Namespace) -> None:
    """Say what two runs differ in."""
    import json
    from dataclasses import asdict

    from pipeline.lineage import diff as diffs
    from pipeline.workspace.layout import Workspace

    found = diffs.diff(Workspace(options.workspace), options.first, options.second)
    print(json.dumps(asdict(found), indent=2) if options.json else "\n".join(diffs.lines(found)))


def explain(options: argparse.Namespace) -> None:
    """Say what `segline run` would do, and why."""
    from pipeline.config import recipe_file as recipes
    from pipeline.orchestration import forecast
    from pipeline.workspace.layout import Workspace

    recipe = recipes.load(options.recipe, options.set)
    workspace = Workspace.of(options.workspace.resolve(), os.environ)
    print("\n".join(forecast.lines(forecast.forecast(workspace, recipe))))


def gc(options: argparse.Namespace) -> None:
    """Remove what nobody needs."""
    from pipeline.lineage import gc as collector
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace.resolve())
    waste = collector.gc(
        workspace,
        keep_last=options.keep_last,
        keep_promoted=options.keep_promoted,
        dry_run=options.dry_run,
        wait=not options.no_wait,
    )
    print("\n".join(collector.lines(workspace, waste, dry_run=options.dry_run)))


def verify(options: argparse.Namespace) -> None:
    """Read everything again."""
    from pipeline.lineage import verification as verifier
    from pipeline.workspace.layout import Workspace

    found = []
    for finding in verifier.verify(Workspace(options.workspace.resolve())):
        found.append(finding)
        if not finding.problems:
            print(f"intact  {finding.uri}  {finding.files} files, {finding.bytes / 1e6:,.1f} MB", flush=True)
    verifier.require_sound(found)


def reproduce(options: argparse.Namespace) -> None:
    """Make a run anew and compare."""
    from pipeline.lineage import reproduction as reproducer
    from pipeline.lineage.diff import figure_lines
    from pipeline.workspace import lock
    from pipeline.workspace.layout import Workspace

    workspace = Workspace(options.workspace.resolve())
    attempt = reproducer.prepare(workspace, options.run, options.set, options.into)
    print(f"again     {attempt.run.id} until {attempt.until}, in {attempt.workspace.root}")
    changed = attempt.changed or ["nothing: code and libraries are the same"]
    print("\n".join(f"changed   {line}" for line in changed[: None if options.dry_run else 12]))
    if len(changed) > 12 and not options.dry_run:
        print(f"changed   and {len(changed) - 12} more; --dry-run lists them all")
    if options.dry_run:
        return
    with lock.share(workspace.in_use):  # `segline gc` would remove what is compared, and what is made
        same, figures = reproducer.compare(workspace, attempt, reproducer.make(attempt))
    words = {True: "the same, bit by bit", False: "differs", None: "is no longer there to be compared"}
    print("\n".join(f"{name:<28} {words[found]}" for name, found in same.items()))
    if figures:
        print(f"{'':<28} {'then':>8} {'now':>8}")
        print("\n".join(figure_lines(figures)))
    reproducer.require_close(figures, options.tolerance)
