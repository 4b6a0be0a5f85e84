"""Choice of the protocols of an evaluation. A protocol's module is imported once its definition is asked for."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.evaluate import protocol_names
from pipeline.errors import UserError

if TYPE_CHECKING:
    from datasets.spec import DatasetSpec
    from pipeline.evaluation.protocols.protocol import Definition, Protocol


def definition(name: str) -> "Definition":
    """Return the definition of a protocol, one of `protocol_names()`. Imports its module, and NumPy."""
    loaded: Definition = importlib.import_module(f"pipeline.evaluation.protocols.{name}").DEFINITION
    return loaded


def chosen(names: Sequence[str] | None, spec: "DatasetSpec") -> tuple[str, ...]:
    """Return the names of the protocols to use: those of the recipe, or the dataset's defaults if it names none.

    Raises:
        UserError: One does not fit the dataset; all are named.
    """
    if names is None:
        definitions = {name: definition(name) for name in protocol_names()}
        return tuple(name for name, one in definitions.items() if one.default(spec) and not one.misfit(spec))
    if misfits := problems(names, spec):
        raise UserError("\n".join(misfits))
    return tuple(names)


def problems(names: Sequence[str], spec: "DatasetSpec") -> list[str]:
    """Return one line for each protocol that cannot be used with a dataset, with the reason."""
    return [f"evaluate.protocols: {name}: {why}" for name in names if (why := definition(name).misfit(spec))]


def build(name: str, spec: "DatasetSpec", records: Path, split: str) -> "Protocol":
    """Make a protocol ready to count.

    Args:
        name: One of `protocol_names()`.
        spec: The dataset.
        records: The records folder; a protocol may read instances/<split>/ and calibration.json there, if they exist.
        split: The split that is measured.
    """
    return definition(name).build(spec, records, split)
