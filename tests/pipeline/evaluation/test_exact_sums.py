"""Sums that do not depend on the order of their terms."""

import math

import numpy as np

from pipeline.evaluation import exact_sums


def test_sum_of_floats_is_exact_in_any_order() -> None:
    rng = np.random.default_rng(0)
    values = rng.standard_normal(500) * 10.0 ** rng.integers(-300, 15, 500)
    values[:3] = 1e17, 5e-324, -1e17  # the middle one is float64's smallest
    for order in (values, values[::-1], rng.permutation(values)):
        total = sum(exact_sums.exact(order), exact_sums.exact(np.zeros([])))
        assert float(exact_sums.value(total)) == math.fsum(values)


def test_sums_survive_json_with_their_shapes() -> None:
    sums: exact_sums.Sums = {
        "counts": np.arange(6).reshape(2, 3),
        "shares": exact_sums.exact(np.array([[0.1, 1 / 3]])),
    }
    read = exact_sums.from_json(exact_sums.to_json(sums))
    assert all(np.array_equal(read[name], array) and read[name].dtype == array.dtype for name, array in sums.items())
    exact_sums.add(read, {"counts": np.ones((2, 3), np.int64), "new": np.ones(1, np.int64)})
    assert read["counts"].sum() == 21 and read["new"][0] == 1
    assert exact_sums.value(read["shares"]).tolist() == [[0.1, 1 / 3]]
