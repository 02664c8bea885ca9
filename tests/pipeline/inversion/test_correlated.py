"""Errors that observations share: recursions and tiles against the dense matrix."""

import numpy as np
import pytest
import small_problem as small

from pipeline.inversion import CorrelatedError


@pytest.fixture(scope="module", params=["one group", "sensors", "many"])
def error(request):
    random = np.random.default_rng(2)
    m = 700 if request.param == "many" else 23
    hours = np.sort(random.integers(0, 9, m)).astype(float)  # several observations of one hour
    group = np.zeros(m, int) if request.param == "one group" else random.integers(0, 3, m)
    sigma = random.uniform(0.0, 2.0, m) * (random.random(m) < 0.8)
    return CorrelatedError("offset", sigma, hours, group, 4.0)


def test_product_is_the_dense_one(error):
    vector = np.random.default_rng(1).standard_normal(error.sigma.size)
    np.testing.assert_allclose(error.apply(vector), small.dense_error(error) @ vector, rtol=0, atol=1e-10)


def test_tiles_make_up_the_lower_triangle(error):
    m = error.sigma.size
    system = np.zeros((m, m))
    error.add_to(system)
    np.testing.assert_allclose(np.tril(system), np.tril(small.dense_error(error)), rtol=0, atol=1e-12)


def test_trace_reads_the_lower_triangle_alone(error):
    m = error.sigma.size
    root = np.random.default_rng(3).standard_normal((m, m))
    symmetric = root @ root.T
    expected = np.trace(small.dense_error(error) @ symmetric)
    assert error.trace_with(np.tril(symmetric)) == pytest.approx(expected, rel=1e-10)


def test_draws_have_the_covariance():
    problem = small.make_problem()
    random = np.random.default_rng(4)
    for error in problem.errors:
        draws = np.array([error.draw(random) for _ in range(4000)])
        exact = small.dense_error(error)
        sigma = np.sqrt(np.diag(exact))
        spread = np.sqrt((np.outer(sigma, sigma) ** 2 + exact**2) / 4000)
        assert np.all(np.abs(draws.T @ draws / 4000 - exact) <= 5 * spread)
