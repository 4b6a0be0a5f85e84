"""TFDS's own builder test, for every dataset and configuration: registration, tags, features, reading, reloading.

A dataset that is described by a YAML file has its own tests.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import tensorflow_datasets as tfds

from datasets import catalog

pytestmark = pytest.mark.slow


class Case(tfds.testing.DatasetBuilderTestCase):
    """TFDS's builder test, on sample data of one configuration."""

    __test__ = False
    NAME = CONFIG = ""

    @classmethod
    def setUpClass(cls) -> None:
        cls.EXAMPLE_DIR = Path(cls.enterClassContext(tempfile.TemporaryDirectory())) / cls.CONFIG
        cls.SPLITS = catalog.sample(cls.NAME).write(cls.EXAMPLE_DIR, count=6, seed=1, size=(48, 96), config=cls.CONFIG)
        cls.BUILDER_CONFIG_NAMES_TO_TEST = [cls.CONFIG]
        super().setUpClass()

    def _make_builder(self, config: Any = None) -> Any:
        return self.dataset_class(data_dir=self.tmp_dir, config=config or self.CONFIG, allow_partial=True)


def case(name: str, config: str) -> type[Case]:
    attributes = {"__test__": True, "NAME": name, "CONFIG": config, "DATASET_CLASS": catalog.builder_class(name)}
    return type(f"Test_{name}_{config}", (Case,), attributes)


for _name in catalog.names():
    for _config in () if catalog.takes_layout(_name) else catalog.configs(_name):
        globals()[f"Test_{_name}_{_config}"] = case(_name, _config)
