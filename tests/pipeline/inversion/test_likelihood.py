"""The likelihood of innovations, its gradient and information, against dense algebra and differences."""

import numpy as np
import pytest
import scipy.linalg
import small_problem as small

from pipeline.errors import SolverError
from pipeline.inversion import Likelihood, Parameter, drifts_of, parameters_of, restated

M = small.M
SECTORS = ("one", "two")
CLASSES = np.where(np.arange(M) % 3 == 1, "micro", "city")


def likelihood_of(kind="separable", *, restricted=False):
    problem = small.make_problem(kind=kind)
    parameters = parameters_of(problem, SECTORS, CLASSES, offset_hours=True)
    return Likelihood(problem, SECTORS, CLASSES, parameters, drifts_of(problem) if restricted else None, 1)


def theta_of(likelihood, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.3, len(likelihood.parameters))


def dense_of(likelihood, theta):
    """K and d of the problem stated anew, in full matrices."""
    factors = dict(zip(likelihood.parameters, np.exp(theta), strict=True))
    return small.dense_algebra(restated(likelihood.problem, SECTORS, CLASSES, factors))


@pytest.mark.parametrize("kind", small.KINDS)
def test_system_is_the_dense_one_of_the_problem_stated_anew(kind):
    likelihood = likelihood_of(kind)
    theta = theta_of(likelihood)
    expected = dense_of(likelihood, theta)["k"]
    np.testing.assert_allclose(likelihood.system(theta)[0], expected, rtol=0, atol=1e-12 * expected.max())


def test_plain_likelihood_is_that_of_a_normal_distribution():
    likelihood = likelihood_of()
    theta = theta_of(likelihood)
    dense = dense_of(likelihood, theta)
    expected = scipy.stats.multivariate_normal(np.zeros(M), dense["k"]).logpdf(dense["d"]) + M / 2 * np.log(2 * np.pi)
    found = likelihood.evaluate(theta)
    assert found.value == pytest.approx(expected, rel=1e-10)
    assert found.chi2 == pytest.approx(dense["d"] @ np.linalg.solve(dense["k"], dense["d"]) / M, rel=1e-9)


def test_restricted_likelihood_is_that_of_what_the_drifts_cannot_make():
    # independent of the formula: the data are turned into the space the drifts do not reach
    likelihood = likelihood_of(restricted=True)
    theta = theta_of(likelihood)
    dense = dense_of(likelihood, theta)
    apart = scipy.linalg.null_space(drifts_of(likelihood.problem).T)
    assert apart.shape == (M, M - 3)
    reduced = scipy.stats.multivariate_normal(np.zeros(M - 3), apart.T @ dense["k"] @ apart)
    expected = reduced.logpdf(apart.T @ dense["d"]) + (M - 3) / 2 * np.log(2 * np.pi)
    assert likelihood.evaluate(theta).value == pytest.approx(expected, rel=1e-9)


def test_restricted_likelihood_does_not_see_the_drifts():
    likelihood = likelihood_of(restricted=True)
    drifts = drifts_of(likelihood.problem)
    moved = small.make_problem()
    moved.value[:] += drifts @ np.array([3.0, -0.4, 0.7])
    other = Likelihood(moved, SECTORS, CLASSES, likelihood.parameters, drifts, 1)
    theta = theta_of(likelihood)
    assert other.evaluate(theta).value == pytest.approx(likelihood.evaluate(theta).value, rel=1e-9)


def test_a_drift_given_twice_counts_once():
    problem = small.make_problem()
    once = drifts_of(problem)
    twice = np.concatenate([once, once.sum(axis=1, keepdims=True), np.zeros((M, 1))], axis=1)
    values = [Likelihood(problem, SECTORS, CLASSES, (), drifts, 1).evaluate(np.zeros(0)) for drifts in (once, twice)]
    assert values[0].value == pytest.approx(values[1].value, rel=1e-9)
    assert values[0].chi2 == pytest.approx(values[1].chi2, rel=1e-9)


@pytest.mark.parametrize("restricted", [False, True])
@pytest.mark.parametrize("kind", small.KINDS)
def test_gradient_is_the_slope_of_the_likelihood_in_every_parameter(kind, restricted):
    likelihood = likelihood_of(kind, restricted=restricted)
    theta, step = theta_of(likelihood), 1e-5
    slopes = [
        (likelihood.evaluate(theta + step * unit).value - likelihood.evaluate(theta - step * unit).value) / (2 * step)
        for unit in np.eye(theta.size)
    ]
    gradient = likelihood.evaluate(theta).gradient
    kinds = {"sigma", "hours", "inflation", "shared sigma", "shared hours"}
    assert {p.kind for p in likelihood.parameters} == kinds | (
        {"length"} if kind in {"separable", "daily", "two lengths"} else set()
    )
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("restricted", [False, True])
def test_information_is_the_spread_of_gradients_over_draws(restricted):
    # E[g g^T] = I where data are drawn from the stated errors
    likelihood = likelihood_of(restricted=restricted)
    at = likelihood.evaluate(np.zeros(len(likelihood.parameters)))
    system, derivatives = likelihood.system(np.zeros(len(likelihood.parameters)))
    random, count = np.random.default_rng(5), 20_000
    draws = at.projection @ (np.linalg.cholesky(system) @ random.standard_normal((M, count)))
    full = [np.diag(d) if d.ndim == 1 else d for d in derivatives]
    gradients = np.array([np.sum(draws * (d @ draws), axis=0) - np.sum(at.projection * d) for d in full]) / 2
    information = at.information()
    size = np.sqrt(np.diagonal(information))
    np.testing.assert_allclose(np.cov(gradients) / np.outer(size, size), information / np.outer(size, size), atol=0.08)
    assert np.all(np.abs(gradients.mean(axis=1)) < 5 * size / np.sqrt(count))


def test_rows_of_any_hours_and_number_give_the_same_products():
    # more rows than lanes, whose hours differ, one without entries
    import scipy.sparse

    from pipeline.inversion import rows_of
    from pipeline.inversion.slopes import slopes

    random = np.random.default_rng(1)
    dense = random.random((70, *small.SHAPE)) * (random.random((70, *small.SHAPE)) < 0.3)
    for row, last in enumerate(np.sort(random.integers(0, small.SHAPE[0], 70))):
        dense[row, : max(0, last - 2)] = dense[row, last + 1 :] = 0
    dense[33] = 0
    matrix = scipy.sparse.csr_array(dense.reshape(70, -1))
    covariance = small.make_problem().covariances[0]
    found = slopes(rows_of(matrix, small.SHAPE[0]).scaled(covariance.sigma), covariance, threads=2)
    expected = matrix.toarray() @ small.dense_covariance(covariance) @ matrix.toarray().T
    np.testing.assert_allclose(found.signal, expected, rtol=0, atol=1e-12 * expected.max())
    lag = np.abs(np.subtract.outer(np.arange(small.SHAPE[0]), np.arange(small.SHAPE[0]))) / covariance.temporal.hours
    slope = small.dense_covariance(covariance) * np.kron(lag, np.ones((20, 20)))
    np.testing.assert_allclose(
        found.by_hours, matrix.toarray() @ slope @ matrix.toarray().T, rtol=0, atol=1e-12 * expected.max()
    )


def test_the_length_of_an_isotropic_correlation_is_not_offered_and_not_moved():
    problem = small.make_problem(kind="matern")
    assert Parameter("length", "one") not in parameters_of(problem, SECTORS, CLASSES)
    with pytest.raises(SolverError, match="must be separable"):
        restated(problem, SECTORS, CLASSES, {Parameter("length", "one"): 2.0})
