"""A model that is small enough to serve: class 1 where red is above 100."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from datasets.spec import DatasetSpec
from models.servable import Servable, described
from pipeline.config.recipe import ModelConfig
from pipeline.export import facts

OUTPUTS = ("argmax", "probabilities")


@pytest.fixture(scope="session")
def red_model(tmp_path_factory) -> Path:
    """serving/<name> with version 3; takes up to 1,000,000 pixels."""
    folder = tmp_path_factory.mktemp("serving") / "red" / "3"
    images = keras.Input([None, None, 3])
    convolution = keras.layers.Conv2D(2, 1)
    net = keras.Model(images, convolution(images))
    kernel = np.zeros((1, 1, 3, 2), np.float32)
    kernel[0, 0, 0, 1] = 1
    convolution.set_weights([kernel, np.array([100, 0], np.float32)])
    module = Servable(net, None, outputs=OUTPUTS, max_pixels=1_000_000)
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
