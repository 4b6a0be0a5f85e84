"""An exported model that is small and known."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models.servable import SIGNATURES, Servable
from pipeline.config.recipe import ModelConfig
from pipeline.export import facts
from tests.pipeline import red_network
from tests.pipeline.prediction.toy import COLOURS


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """serving/<name> with the versions 2 and 10; class 1 where red is above 100."""
    folder = tmp_path_factory.mktemp("serving")
    module = Servable(red_network.build(), None)
    tf.saved_model.save(module, folder / "10", signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), COLOURS, {}, (), "", "", "")
    facts.write(folder / "10", spec=spec, model=ModelConfig(name="fast"), fit=None, metrics={}, signatures=SIGNATURES)
    shutil.copytree(folder / "10", folder / "2")
    return folder
