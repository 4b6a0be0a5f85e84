"""An exported model that is small and known."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models.servable import SIGNATURES, Servable
from pipeline.config.recipe import ModelConfig
from pipeline.export import facts
from tests.pipeline.prediction.toy import COLOURS


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """serving/<name> with the versions 2 and 10; class 1 where red is above 100."""
    folder = tmp_path_factory.mktemp("serving")
    images = keras.Input([None, None, 3])
    convolution = keras.layers.Conv2D(2, 1)
    net = keras.Model(images, convolution(images))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0, 1] = 1
    convolution.set_weights([kernel, np.array([100, 0], np.float32)])
    module = Servable(net, None)
    tf.saved_model.save(module, folder / "10", signatures=module.signatures())
    spec = DatasetSpec("toy", ("dark", "red"), COLOURS, {}, (), "", "", "")
    facts.write(folder / "10", spec=spec, model=ModelConfig(name="fast"), fit=None, metrics={}, signatures=SIGNATURES)
    shutil.copytree(folder / "10", folder / "2")
    return folder
