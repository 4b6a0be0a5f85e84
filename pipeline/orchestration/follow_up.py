"""What is checked before a step and what follows it: one table, so that the runner knows no step by name."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.config.step_names import EVALUATE, EXPORT, GATE, INGEST, TRAIN, VALIDATE
from pipeline.data import drift
from pipeline.errors import Unreachable, UserError
from pipeline.evaluation import evaluation_check, gate
from pipeline.orchestration import mlflow_log, network_check, promotion, served_origin
from pipeline.orchestration.plan import Context
from pipeline.storage import remote
from pipeline.workspace import json_file
from pipeline.workspace.digest import text_digest, write_atomically
from pipeline.workspace.layout import Workspace

Action = Callable[[Context], None]


def build_network(context: Context) -> None:
    """Build the model before ingest, so that bad weights fail early.

    Raises:
        ChildError: It cannot be built.
    """
    network_check.require(context.recipe, context.run)


def require_tracker(context: Context) -> None:
    """Raise UserError if the recipe asks for a tracker that is not installed."""
    mlflow_log.require(context.recipe)


def check_evaluation(context: Context) -> None:
    """Check the evaluate section against the ingested data before hours of training. Raises UserError."""
    evaluation_check.require(context.run.artifact(INGEST), context.recipe.evaluate)


def require_verdict(context: Context) -> None:
    """Raise GateError unless the run's verdict is that its model may be served."""
    gate.require_passed(json_file.read(context.run.artifact(GATE) / "verdict.json"))


def promote(context: Context) -> None:
    """Serve the exported model unless it is served already, and upload it where the recipe names a URL."""
    workspace, recipe, run = context.workspace, context.recipe, context.run
    served = promotion.promote(workspace, recipe.serving_name, run.artifact(EXPORT), run, context.store)
    print(f"{'serving':<9} {workspace.relative(served)}")
    if recipe.export.url and (uploaded := remote.publish(served, recipe.export.url)):
        print(f"{'uploaded':<9} {uploaded}")


def is_promoted(context: Context, artifact: Path) -> bool:
    """Return whether `promote` would do nothing for an exported model. Changes nothing."""
    served = promotion.newest(context.workspace, context.recipe.serving_name)
    if served is None or served_origin.read(served).get("export") != context.workspace.relative(artifact):
        return False
    try:
        if not served_origin.is_intact(served):
            return False  # the run says what is wrong with it
        return not context.recipe.export.url or remote.is_published(served, context.recipe.export.url)
    except Unreachable:
        return False  # not known: the run uploads it, or says that it cannot


def write_report(context: Context) -> None:
    """Write report.html and report.md into the run's folder."""
    from pipeline.report import page  # NumPy and Pillow: where a report is due, and not before

    page.write(context.workspace, context.run)


def check_drift(context: Context) -> None:
    """Compare a run's data with those of the served model, print what differs, and write drift.json.

    Nothing is compared where no model is served, or the served one learned from the same data.

    Raises:
        UserError: A limit is passed whose severity is "error".
    """
    workspace, run, store = context.workspace, context.run, context.store
    served, validated = _baseline(workspace, context.recipe.serving_name), run.artifact(VALIDATE)
    if served is None:
        return
    origin, now = served_origin.read(served), json_file.read(validated / "statistics.json")
    if origin["statistics"] == now:
        return
    against = workspace.relative(served)
    findings = drift.compare(origin["statistics"], now, context.recipe.validate_.drift)
    text = json.dumps(
        {"against": against, "run": origin["run"], "findings": [asdict(finding) for finding in findings]},
        indent=2,
        ensure_ascii=False,
    )
    write_atomically(run.path / drift.FILE, text)
    execution = store.begin(run.id, "drift", f"compared with {against}", text_digest(text), "{}")
    for kind, path in ((VALIDATE, validated), ("served", served)):
        if row := store.artifact(workspace.relative(path)):
            store.link(execution, "input", kind, kind, row["uri"], row["digest"])
    errors = [finding for finding in findings if finding.severity == "error"]
    refusal = drift.refusal(against, errors) if errors else None
    store.end(execution, "failed" if errors else "done", refusal)
    print("\n".join(drift.lines(against, findings)))
    if refusal:
        raise UserError(refusal)


def _baseline(workspace: Workspace, name: str) -> Path | None:
    """Return the newest served version that carries the statistics of its training data, or None."""
    for version in sorted(promotion.versions(workspace.serving / name), reverse=True):
        served = workspace.serving / name / str(version)
        if "statistics" in served_origin.read(served):
            return served
    return None


@dataclass(frozen=True)
class Around:
    """What surrounds a step.

    Attributes:
        foresee: Checks that `segline run` makes before it runs this step, where the run reaches the step named beside
            each: what would fail there fails before this step's work.
        before: Checks before the step is reused or run, whether by `segline run` or `segline step`.
        after: What is done with its result, whether it was made, fetched or reused.
        is_settled: Whether `after` would change nothing outside the run's own folder.
    """

    foresee: tuple[tuple[str, Action], ...] = ()
    before: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    is_settled: Callable[[Context, Path], bool] = lambda context, artifact: True


AROUND: Mapping[str, Around] = {
    INGEST: Around(foresee=((TRAIN, build_network),), before=(require_tracker,)),
    VALIDATE: Around(foresee=((TRAIN, check_evaluation),), after=(check_drift,)),
    TRAIN: Around(before=(check_evaluation,), after=(mlflow_log.update,)),
    EVALUATE: Around(after=(write_report, mlflow_log.update)),
    GATE: Around(after=(write_report, mlflow_log.update)),
    EXPORT: Around(before=(require_verdict,), after=(promote, write_report, mlflow_log.update), is_settled=is_promoted),
}

_NOTHING = Around()


def is_settled(context: Context, step: str, artifact: Path) -> bool:
    """Return whether a complete artifact of a step passes the checks before it and needs nothing after it."""
    surroundings = around(step)
    try:
        for check in surroundings.before:
            check(context)
    except UserError:
        return False  # the run says why
    return surroundings.is_settled(context, artifact)


def around(step: str) -> Around:
    """Return what surrounds a step; nothing for one that the table does not name."""
    return AROUND.get(step, _NOTHING)
