"""`segline sweep --sampler tpe`: Optuna chooses each next combination from the results of those before."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from pipeline.analysis.search_space import Range, Space
from pipeline.errors import UserError

Measure = Callable[[dict[str, str]], float | None]
"""From a combination to its metric; None: its run failed, or has no such metric."""


def require() -> None:
    """Raise UserError unless Optuna is installed."""
    if find_spec("optuna") is None:
        raise UserError("--sampler tpe needs Optuna: pip install 'segline[sweep]'. Without it: --sampler random.")


def search(space: Space, number: int, *, seed: int, maximise: bool, measure: Measure) -> None:
    """Measure `number` combinations, each chosen by the tree-structured Parzen estimator (Bergstra et al. 2011).

    The same seed and the same results give the same combinations, so that a repeated search reuses its runs.
    """
    require()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize" if maximise else "minimize", sampler=sampler)
    for _ in range(number):
        trial = study.ask()
        value = measure({key: _suggested(trial, key, values) for key, values in space.items()})
        if value is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, value)


def _suggested(trial: Any, key: str, values: tuple[str, ...] | Range) -> str:
    if not isinstance(values, Range):
        return str(trial.suggest_categorical(key, values))
    if values.is_whole:
        return str(trial.suggest_int(key, int(values.low), int(values.high), log=values.is_logarithmic))
    return f"{trial.suggest_float(key, values.low, values.high, log=values.is_logarithmic):.3g}"
