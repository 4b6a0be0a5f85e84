"""A model that is small enough to serve: class 1 where red is above 100."""

from pathlib import Path

import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models.servable import Servable, described
from pipeline.config.recipe import ModelConfig
from pipeline.export import facts
from tests.pipeline import red_network

OUTPUTS = ("argmax", "probabilities")


@pytest.fixture(scope="session")
def red_model(tmp_path_factory) -> Path:
    """serving/<name> with version 3; takes up to 1,000,000 pixels."""
    folder = tmp_path_factory.mktemp("serving") / "red" / "3"
    module = Servable(red_network.build(), None, outputs=OUTPUTS, max_pixels=1_000_000)
    tf.saved_model.save(module, folder, signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), ((128, 64, 128), (0, 0, 255)), {}, (), "https://example.org", "CC0", "")
    facts.write(
        folder,
        spec=spec,
        model=ModelConfig(name="fast"),
        fit=None,
        metrics={"miou": 0.75},
        signatures=described(OUTPUTS),
        max_pixels=1_000_000,
    )
    return folder.parent
