"""The catalog of datasets: every folder here that contains `<name>_dataset_builder.py`. No registry to edit."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from datasets.errors import DatasetError, did_you_mean
from datasets.spec import DatasetSpec


def names() -> list[str]:
    """Return the names of all datasets, sorted.

    >>> "camvid" in names()
    True
    """
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/*_dataset_builder.py"))


def configs(name: str, layout: Path | None = None) -> list[str]:
    """Return the names of a dataset's configurations; the first is the default."""
    return list(_specs(name, layout))


def spec(name: str, config: str | None = None, layout: Path | None = None) -> DatasetSpec:
    """Return the spec of a dataset, from its `classes.py`. Cheap: neither TFDS nor NumPy is imported.

    Args:
        name: The dataset.
        config: One of its configurations; None: the first.
        layout: For a dataset that `takes_layout`: the YAML file that describes it.

    Raises:
        DatasetError: There is no such dataset or configuration, or the layout is missing or invalid.

    >>> camvid = spec("camvid")
    >>> camvid.config, camvid.num_classes, camvid.classes[:3]
    ('segnet', 11, ('Sky', 'Building', 'Pole'))
    """
    specs = _specs(name, layout)
    if config is None:
        return next(iter(specs.values()))
    if config not in specs:
        hint = did_you_mean(config, specs)
        raise DatasetError(f"{name} has no configuration {config!r} (data.config).{hint} Allowed: {', '.join(specs)}.")
    return specs[config]


def takes_layout(name: str) -> bool:
    """Whether a dataset is described by the user's YAML file: its `classes.py` has `read_specs(layout)`."""
    return hasattr(_module(name, "classes"), "read_specs")


def builder(name: str, layout: Path | None = None, **kwargs: Any) -> Any:
    """Return the TFDS builder of a dataset; `kwargs` go to its constructor. Imports TFDS and Beam."""
    if takes_layout(name):
        kwargs["layout"] = layout
    return builder_class(name)(**kwargs)


def builder_class(name: str) -> Any:
    """Return the class of a dataset's TFDS builder. Imports TFDS and Beam."""
    return _module(name, f"{name}_dataset_builder").Builder


def sample(name: str) -> ModuleType:
    """Return the module whose `write`, a `datasets.sample_folder.Sampler.write`, writes sample data of the dataset."""
    return _module(name, "sample")


def check(name: str) -> None:
    """Raise DatasetError if there is no dataset `name`; the text suggests the closest name and lists all."""
    if name not in names():
        hint = did_you_mean(name, names())
        raise DatasetError(f"There is no dataset {name!r}.{hint} Known datasets: {', '.join(names())}.")


def _specs(name: str, layout: Path | None) -> Mapping[str, DatasetSpec]:
    module = _module(name, "classes")
    if takes_layout(name) and layout is None:
        raise DatasetError(f"{name} is described by a YAML file, and none is named (data.layout).")
    specs: Mapping[str, DatasetSpec] = module.read_specs(layout) if takes_layout(name) else module.SPECS
    return specs


def _module(name: str, part: str) -> ModuleType:
    check(name)
    return importlib.import_module(f"datasets.{name}.{part}")
