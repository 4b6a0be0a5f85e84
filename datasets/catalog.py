"""Which datasets there are: every folder here that holds `<name>_dataset_builder.py`. No registry to edit."""

import difflib
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from datasets.errors import DatasetError
from datasets.spec import DatasetSpec


def names() -> list[str]:
    """Names of all datasets, sorted."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/*_dataset_builder.py"))


def spec(name: str) -> DatasetSpec:
    """Facts of a dataset, from its `classes.py`. Cheap: neither TFDS nor numpy is imported."""
    facts: DatasetSpec = _module(name, "classes").SPEC
    return facts


def builder(name: str, **kwargs: Any) -> Any:
    """Make the TFDS builder of a dataset; `kwargs` go to its constructor. Imports TFDS and Beam."""
    return _module(name, f"{name}_dataset_builder").Builder(**kwargs)


def sample(name: str) -> ModuleType:
    """Give the module that writes sample data in the dataset's own on-disk layout: `write(out, count, seed)`."""
    return _module(name, "sample")


def check(name: str) -> None:
    """Raise DatasetError if there is no dataset `name`; the text lists those there are, with the nearest first."""
    if name in names():
        return
    near = difflib.get_close_matches(name, names(), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise DatasetError(f"There is no dataset {name!r}.{guess} Known datasets: {', '.join(names())}.")


def _module(name: str, part: str) -> ModuleType:
    check(name)
    return importlib.import_module(f"datasets.{name}.{part}")
