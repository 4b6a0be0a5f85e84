"""The fast net keeps to its size."""

import numpy as np

from models import catalog


def test_it_has_the_weights_that_it_says() -> None:
    assert catalog.build("fast", 11).count_params() == 1_568_219


def test_width_scales_it() -> None:
    narrow, wide = (catalog.build("fast", 11, {"width": width}).count_params() for width in (16, 32))
    assert 3 < wide / narrow < 5


def test_batch_statistics_are_shared_where_asked() -> None:
    for synchronized in (False, True):
        model = catalog.build("fast", 3, {"width": 8}, synchronized=synchronized)
        flags = [layer.synchronized for layer in model.layers if layer.name.endswith("_norm")]
        assert flags and set(flags) == {synchronized}
        assert np.isfinite(model(np.zeros((1, 32, 32, 3)), training=True)).all()
