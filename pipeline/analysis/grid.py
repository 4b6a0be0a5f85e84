"""`segline sweep`: run a recipe with combinations of some settings, one run a combination.

Runs share the steps that their settings do not change: data is ingested and validated once. A sweep ends with evaluate
and promotes nothing; after an interruption the same command resumes it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from datasets.errors import DatasetError
from pipeline.analysis import halving, member_run, optuna_search, search_space
from pipeline.analysis.member_run import Member, Result
from pipeline.config import recipe_file
from pipeline.config.step_names import TRAIN
from pipeline.errors import UserError
from pipeline.evaluation import evaluation_check, metric_names
from pipeline.orchestration.recipe_loader import load_recipe
from pipeline.workspace.layout import Workspace


def members(
    recipe: str, overrides: Sequence[str], grids: Sequence[str], *, sample: int | None = None, seed: int = 0
) -> list[Member]:
    """Return every combination of the grids, the last one varying fastest, or a random sample of them.

    >>> [member.name for member in members("demo", [], ["train.epochs=8,16"])]
    ['train.epochs=8', 'train.epochs=16']

    Args:
        recipe: Name or path.
        overrides: Settings in the form of --set.
        grids: "key=a,b,..." or, for a sample, "key=low..high" each; see search_space.parse.
        sample: Number of combinations to draw; None: all.
        seed: Of the sample.

    Raises:
        UserError: A grid is not of that form, or some combinations are invalid; all of them are listed.
    """
    space = search_space.parse(grids)
    drawn = search_space.combinations(space) if sample is None else search_space.sample(space, sample, seed)
    combinations, problems = [], []
    for settings in drawn:
        try:
            combinations.append(_member(recipe, overrides, settings))
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(dict.fromkeys(problems)))
    return combinations


def require_metric(chosen: Sequence[Member], by: str) -> None:
    """Check before any training that every member's evaluation can have the metric `by`. Raises UserError."""
    for member in chosen:
        try:
            spec = member.recipe.data.spec()
        except DatasetError:
            continue  # its ingest reports what is wrong with the layout
        if problems := evaluation_check.metric_problems([by], member.recipe.evaluate, spec, key="--by"):
            raise UserError("\n".join(problems))


def run(workspace: Workspace, chosen: Sequence[Member], *, by: str, factor: int | None = None) -> int:
    """Run the members one after the other; one that fails does not stop the others.

    Writes results.json and results.csv to sweeps/<id>/ after each member, and prints them at the end, the best first.
    Of several workers, only the chief writes and prints; the others take part in each member's training.

    Args:
        workspace: Where results go.
        chosen: Return value of `members`.
        by: Metric that orders the members, named as for the gate (pipeline/evaluation/metric_names.py).
        factor: Successive halving: one of so many members continues after each pause; None: all train to the end.

    Returns:
        0, or 1 if a member failed.

    Raises:
        UserError: `by` is no metric of an evaluation; or all members have run, and none has it.
    """
    require_metric(chosen, by)
    pauses = halving.rungs([member.recipe for member in chosen], factor, by) if factor else []
    if any(member_run.is_worker(member) for member in chosen):
        if factor:
            raise UserError("--halving needs the results of all members, which only the first worker has: use one.")
        return max(member_run.help_run(workspace, member) for member in chosen)
    folder = folder_of(workspace, chosen)
    results = [Result(member.settings, None, "waiting", {}) for member in chosen]
    names = [workspace.new_run_id(member.recipe.name) for member in chosen]
    alive = list(range(len(chosen)))
    for rung in pauses:
        for place, number in enumerate(alive, start=1):
            member = chosen[number]
            print(f"\nsweep     to epoch {rung.epochs}, {place} of {len(alive)}: {member.name}", flush=True)
            recipe = halving.paused(member.recipe, rung.epochs)
            result = member_run.run(workspace, member, names[number], recipe=recipe, until=TRAIN)
            if result.state == "done":
                value = halving.value(workspace, names[number], by, rung.epochs)
                early = value if rung is pauses[0] else results[number].early
                result = replace(result, state="stopped", figures={by: value}, epochs=rung.epochs, early=early)
            results[number] = result
            member_run.write(folder, results, by)
        alive = _best([number for number in alive if results[number].state == "stopped"], results, by)[: rung.kept]
    for place, number in enumerate(alive, start=1):
        print(f"\nsweep     {place} of {len(alive)}: {chosen[number].name}", flush=True)
        result = member_run.run(workspace, chosen[number], names[number], recipe=chosen[number].recipe)
        results[number] = replace(result, early=results[number].early)
        member_run.write(folder, results, by)
    return member_run.conclude(workspace, folder, results, by)


def run_adaptive(
    workspace: Workspace,
    recipe: str,
    overrides: Sequence[str],
    grids: Sequence[str],
    *,
    number: int,
    by: str,
    seed: int = 0,
) -> int:
    """Run `number` members, each chosen by Optuna from the results of those before; otherwise as `run`.

    Raises:
        UserError: Optuna is not installed; or as from `members` and `run`.
    """
    optuna_search.require()
    space = search_space.parse(grids)
    first = _member(recipe, overrides, search_space.sample(space, 1, seed)[0])
    require_metric([first], by)
    if member_run.is_worker(first):
        raise UserError("--sampler tpe needs the results of all members, which only the first worker has: use one.")
    text = "\n".join([recipe_file.dump(load_recipe(recipe, overrides)), *grids, str(number), str(seed)])
    folder, results = _folder(workspace, first.recipe.name, text), list[Result]()

    def measure(settings: dict[str, str]) -> float | None:
        member = Member(settings, first.recipe)
        print(f"\nsweep     {len(results) + 1} of {number}: {member.name}", flush=True)
        try:
            member = _member(recipe, overrides, settings)
            name = workspace.new_run_id(member.recipe.name)
            results.append(member_run.run(workspace, member, name, recipe=member.recipe))
        except UserError as error:  # this combination is not valid
            results.append(Result(settings, None, "failed", {}, str(error)))
        member_run.write(folder, results, by)
        return results[-1].figures.get(by)

    optuna_search.search(space, number, seed=seed, maximise=not metric_names.at_most(by), measure=measure)
    return member_run.conclude(workspace, folder, results, by)


def folder_of(workspace: Workspace, chosen: Sequence[Member]) -> Path:
    """Return the folder of a sweep's results, the same for the same members."""
    text = "\n".join(recipe_file.dump(member.recipe) for member in chosen)
    return _folder(workspace, chosen[0].recipe.name, text)


def _folder(workspace: Workspace, name: str, text: str) -> Path:
    return workspace.root / "sweeps" / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _member(recipe: str, overrides: Sequence[str], settings: dict[str, str]) -> Member:
    return Member(settings, load_recipe(recipe, [*overrides, *(f"{key}={value}" for key, value in settings.items())]))


def _best(numbers: Sequence[int], results: Sequence[Result], by: str) -> list[int]:
    """Order members by their metric at a pause, the best first; those without it come last."""

    def rank(number: int) -> float:
        value = results[number].figures[by]
        return float("-inf") if value is None else value

    return sorted(numbers, key=rank, reverse=True)
