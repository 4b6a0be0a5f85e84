"""Which datasets there are: every folder here that holds `<name>_dataset_builder.py`. No registry to edit."""

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from datasets.errors import DatasetError
from datasets.spec import DatasetSpec


def names() -> list[str]:
    """Names of all datasets, sorted."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/*_dataset_builder.py"))


def configs(name: str, layout: Path | None = None) -> list[str]:
    """Names of a dataset's configurations; the first is the default."""
    return list(_specs(name, layout))


def spec(name: str, config: str | None = None, layout: Path | None = None) -> DatasetSpec:
    """Facts of a dataset, from its `classes.py`. Cheap: neither TFDS nor numpy is imported.

    Args:
        name: The dataset.
        config: One of its configurations; None: the first.
        layout: For a dataset that `takes_layout`: the YAML file that describes it.

    Raises:
        DatasetError: There is no such dataset or configuration, or the layout is missing or wrong.
    """
    specs = _specs(name, layout)
    if config is None:
        return next(iter(specs.values()))
    if config not in specs:
        near = difflib.get_close_matches(config, specs, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise DatasetError(f"{name} has no configuration {config!r} (data.config).{guess} Allowed: {', '.join(specs)}.")
    return specs[config]


def takes_layout(name: str) -> bool:
    """Whether a dataset is described by a YAML file of the user's: its `classes.py` has `read_specs(layout)`."""
    return hasattr(_module(name, "classes"), "read_specs")


def builder(name: str, layout: Path | None = None, **kwargs: Any) -> Any:
    """Make the TFDS builder of a dataset; `kwargs` go to its constructor. Imports TFDS and Beam."""
    described = {"layout": layout} if takes_layout(name) else {}
    return builder_class(name)(**described, **kwargs)


def builder_class(name: str) -> Any:
    """Give the class of a dataset's TFDS builder. Imports TFDS and Beam."""
    return _module(name, f"{name}_dataset_builder").Builder


def sample(name: str) -> ModuleType:
    """Give the module that writes sample data in the dataset's own on-disk layout.

    It holds `write`, that of a datasets.sample_folder.Sampler.
    """
    return _module(name, "sample")


def check(name: str) -> None:
    """Raise DatasetError if there is no dataset `name`; the text lists those there are, with the nearest first."""
    if name in names():
        return
    near = difflib.get_close_matches(name, names(), n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    raise DatasetError(f"There is no dataset {name!r}.{guess} Known datasets: {', '.join(names())}.")


def _specs(name: str, layout: Path | None) -> Mapping[str, DatasetSpec]:
    module = _module(name, "classes")
    if not takes_layout(name):
        specs: Mapping[str, DatasetSpec] = module.SPECS
        return specs
    if layout is None:
        raise DatasetError(f"{name} is described by a YAML file, and none is named (data.layout).")
    described: Mapping[str, DatasetSpec] = module.read_specs(layout)
    return described


def _module(name: str, part: str) -> ModuleType:
    check(name)
    return importlib.import_module(f"datasets.{name}.{part}")
