"""The fast network: numbers of weights, synchronised normalisation."""

import numpy as np

from models import catalog


def test_the_number_of_weights_is_that_of_its_docstring() -> None:
    assert catalog.build("fast", 11).count_params() == 1_568_219


def test_width_scales_it() -> None:
    narrow, wide = (catalog.build("fast", 11, {"width": width}).count_params() for width in (16, 32))
    assert 3 < wide / narrow < 5


def test_batch_statistics_are_shared_if_synchronized() -> None:
    for synchronized in (False, True):
        model = catalog.build("fast", 3, {"width": 8}, synchronized=synchronized)
        flags = [layer.synchronized for layer in model.layers if layer.name.endswith("_norm")]
        assert flags and set(flags) == {synchronized}
        assert np.isfinite(model(np.zeros((1, 32, 32, 3)), training=True)).all()
