"""Small exported models with a known function: class 1 where red is above 100."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models.image_file import Reading
from models.servable import SIGNATURES, Servable, describe_signatures
from pipeline.config.model import ModelConfig
from pipeline.export import facts
from tests.pipeline import red_network
from tests.pipeline.serving.toy import COLOURS

OUTPUTS = ("argmax", "probabilities")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """serving/<name> with versions 2 and 10."""
    folder = tmp_path_factory.mktemp("serving")
    module = Servable(red_network.build(), None, reading=Reading(upright=True))
    tf.saved_model.save(module, folder / "10", signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), COLOURS, {}, (), "", "", "")
    facts.write(folder / "10", spec=spec, model=ModelConfig(name="fast"), fit=None, metrics={}, signatures=SIGNATURES)
    shutil.copytree(folder / "10", folder / "2")
    return folder


@pytest.fixture(scope="session")
def red_model(tmp_path_factory) -> Path:
    """serving/<name> with version 3, which accepts up to 1,000,000 pixels."""
    folder = tmp_path_factory.mktemp("serving") / "red" / "3"
    module = Servable(red_network.build(), None, outputs=OUTPUTS, max_pixels=1_000_000, reading=Reading(upright=True))
    tf.saved_model.save(module, folder, signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), ((128, 64, 128), (0, 0, 255)), {}, (), "https://example.org", "CC0", "")
    facts.write(
        folder,
        spec=spec,
        model=ModelConfig(name="fast"),
        fit=None,
        metrics={"miou": 0.75},
        signatures=describe_signatures(OUTPUTS),
        max_pixels=1_000_000,
    )
    return folder.parent
