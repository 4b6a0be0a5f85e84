"""Commands that keep Segline running: run-due, schedule, backfill, compile, doctor, completion."""

import argparse
from pathlib import Path

from pipeline.cli import completion
from pipeline.cli.commands import Commands
from pipeline.config.step_names import GATE, STEP_NAMES

ENGINES = ("airflow", "argo", "kfp")
"""Of `segline compile`: Apache Airflow 3, Argo Workflows, Kubeflow Pipelines v2."""


def add(commands: Commands) -> None:
    """Add these commands to the parser."""
    commands.add(
        "run-due", run_due, "run a recipe if its `schedule:` is due (for timers)", "recipe workspace dry_run logs"
    )

    parser = commands.add(
        "schedule", manage_schedule, "print when a recipe runs; --watch runs it then", "recipe workspace logs"
    )
    parser.add_argument("--watch", action="store_true", help="keep running, and run the recipe whenever it is due")
    parser.add_argument("--install-systemd", action="store_true", help="write a timer that calls `segline run-due`")
    parser.add_argument("--user", action="store_true", help="with --install-systemd: as units of your own user")
    parser.add_argument("--dry-run", action="store_true", help="with --install-systemd: print the units, write nothing")
    parser.add_argument("--limit", metavar="N", type=int, default=5, help="number of past attempts (default: 5)")

    parser = commands.add(
        "backfill", backfill_slots, "run the past slots of a schedule, oldest first", "recipe workspace dry_run logs"
    )
    parser.add_argument("--from", metavar="DATE", dest="first", required=True, help="such as 2026-07-01, in `timezone`")
    parser.add_argument("--to", metavar="DATE", dest="last", required=True, help="such as 2026-07-31")
    parser.add_argument(
        "--until", metavar="STEP", choices=STEP_NAMES, default=GATE, help="last step (default: gate); export promotes"
    )

    parser = commands.add("compile", compile_recipe, "write a recipe as a pipeline of another engine", "recipe")
    parser.add_argument("--to", metavar="ENGINE", choices=ENGINES, required=True, help=", ".join(ENGINES))
    parser.add_argument("--image", default="segline:gpu", help="image of the containers (default: segline:gpu)")
    resources = "what a step may use, as in --resources train=8,32Gi,1"
    parser.add_argument("--resources", metavar="STEP=CPU,MEMORY,GPUS", action="append", default=[], help=resources)
    parser.add_argument("--out", metavar="FILE", type=Path, help="file to write (default: standard output)")

    parser = commands.add("doctor", examine_machine, "check that this machine can run Segline", "workspace")
    parser.add_argument("--deep", action="store_true", help="also compute something on every device with TensorFlow")
    parser.add_argument("--quiet", action="store_true", help="print only what needs attention")
    parser.add_argument("--json", action="store_true", help="print JSON")

    parser = commands.add("completion", print_completion, "print a shell script that completes commands and options")
    parser.add_argument("shell", metavar="SHELL", choices=completion.SHELLS, help=", ".join(completion.SHELLS))


def run_due(options: argparse.Namespace) -> int:
    """Run a recipe if its schedule is due."""
    from pipeline.schedule import actions

    return actions.run_due(options)


def manage_schedule(options: argparse.Namespace) -> int:
    """Print when a recipe runs, run it then, or install a timer for it."""
    from pipeline.schedule import actions

    return actions.schedule(options)


def backfill_slots(options: argparse.Namespace) -> int:
    """Run the past slots of a schedule."""
    from pipeline.schedule import actions

    return actions.backfill(options)


def compile_recipe(options: argparse.Namespace) -> None:
    """Write a recipe's pipeline for another engine."""
    from pipeline.engines.compilation import compile_pipeline
    from pipeline.engines.tasks import pipeline_of
    from pipeline.workspace.digest import write_atomically

    pipeline = pipeline_of(options.recipe, options.set, image=options.image, resources=options.resources)
    text = compile_pipeline(pipeline, options.to)
    if options.out is None:
        print(text, end="")
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.out, text)
    print(f"{options.out}: {len(pipeline.tasks)} tasks")


def examine_machine(options: argparse.Namespace) -> int:
    """Print what this machine offers and lacks; return 1 if something will fail, else 0."""
    from pipeline.host import doctor
    from pipeline.workspace.layout import Workspace

    findings = list(doctor.examine(Workspace(options.workspace), deep=options.deep))
    if options.json:
        print(doctor.to_json(findings))
    else:
        for line in doctor.lines(findings, quiet=options.quiet):
            print(line)
    return int(any(finding.level == "bad" for finding in findings))


def print_completion(options: argparse.Namespace) -> None:
    """Print the completion script for a shell."""
    print(completion.script(options.parser, options.shell))
