"""Totals of regions by hour and by period: dense algebra, sums, and what the data tell of each region."""

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from pipeline.inversion import (
    averaging_kernel,
    combined,
    hourly_functionals,
    hourly_totals,
    period_totals,
    solve,
)

T, CELLS = small.SHAPE[0], small.SHAPE[1] * small.SHAPE[2]
PERIODS = np.array([[0, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], dtype=bool)


@pytest.fixture(scope="module")
def fractions():
    random = np.random.default_rng(1)
    return scipy.sparse.csr_array(random.random((3, CELLS)) * (random.random((3, CELLS)) < 0.6))


@pytest.fixture(scope="module")
def weights(fractions):
    return scipy.sparse.csr_array(fractions * np.linspace(2.0, 3.0, CELLS))


@pytest.fixture(scope="module")
def solution(weights):
    return solve(small.make_problem(), functionals=hourly_functionals(weights, T, np.dtype(float)))


@pytest.fixture(scope="module")
def dense(solution):
    return small.dense_algebra(solution.problem)


def rows_over(weights, hours):
    """Dense functionals of every sector and region over some hours: (sector * region, state)."""
    one = np.kron(hours.astype(float), weights.toarray())
    return np.kron(np.eye(2), one)


def test_hourly_totals_match_dense_algebra(solution, weights, dense):
    found = hourly_totals(solution, weights)
    for t in range(T):
        a = rows_over(weights, np.arange(T) == t)
        np.testing.assert_allclose(found.posterior_mean[:, :, t].ravel(), a @ dense["mean"], rtol=1e-9)
        covariance = found.posterior_covariance[t].reshape(6, 6)
        np.testing.assert_allclose(covariance, a @ dense["cov"] @ a.T, rtol=0, atol=1e-9)
        prior = found.prior_covariance[t].reshape(6, 6)
        np.testing.assert_allclose(prior, a @ dense["q"] @ a.T, rtol=0, atol=1e-9)


def test_period_totals_match_dense_algebra_with_all_their_covariances(solution, weights, dense):
    found = period_totals(solution, weights, PERIODS)
    # functionals are period by period within a sector
    a = [rows_over(weights, hours).reshape(2, 3, -1) for hours in PERIODS]
    full = np.concatenate([np.concatenate([part[k] for part in a]) for k in range(2)])
    np.testing.assert_allclose(found.posterior_mean.ravel(), full @ dense["mean"], rtol=1e-9)
    np.testing.assert_allclose(
        found.posterior_covariance.reshape(12, 12), full @ dense["cov"] @ full.T, rtol=0, atol=1e-8
    )


def test_a_union_of_periods_has_the_sum_and_its_variance(solution, weights):
    found = period_totals(solution, weights, PERIODS)
    union = combined(found, np.array([[True, True], [True, False]]), 3)
    whole = period_totals(solution, weights, PERIODS.any(axis=0)[None])
    np.testing.assert_allclose(union.posterior_mean[:, :3], whole.posterior_mean, rtol=1e-10)
    np.testing.assert_allclose(union.posterior_covariance[:, :3, :, :3], whole.posterior_covariance, rtol=0, atol=1e-9)
    np.testing.assert_allclose(union.prior_covariance[:, 3:, :, 3:], found.prior_covariance[:, :3, :, :3], rtol=1e-12)


def test_averaging_kernel_is_the_answer_to_a_change_of_the_truth(solution, weights, fractions, dense):
    problem = solution.problem
    hours = PERIODS[0]
    found = averaging_kernel(solution, weights, fractions, hours).reshape(6, 6)
    a = rows_over(weights, hours)
    gain = dense["q"] @ dense["h"].T @ np.linalg.inv(dense["k"])
    expected = np.empty((6, 6))
    for other in range(2):
        for q in range(3):
            shape = np.where(hours[:, None], problem.covariances[other].sigma.reshape(T, -1), 0)
            truth = np.zeros((2, T, CELLS))
            truth[other] = shape * fractions.toarray()[q] / np.sum(shape * weights.toarray()[q])
            expected[:, 3 * other + q] = a @ gain @ dense["h"] @ truth.ravel()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def test_single_precision_totals_agree_with_double_to_their_digits(solution, weights):
    single = solve(small.make_problem(dtype=np.float32), functionals=hourly_functionals(weights, T, np.dtype("f4")))
    exact, found = hourly_totals(solution, weights), hourly_totals(single, weights)
    scale = np.abs(exact.posterior_covariance).max()
    np.testing.assert_allclose(found.posterior_covariance, exact.posterior_covariance, rtol=0, atol=1e-5 * scale)
    days, double = period_totals(single, weights, PERIODS), period_totals(solution, weights, PERIODS)
    scale = np.abs(double.posterior_covariance).max()
    np.testing.assert_allclose(days.posterior_covariance, double.posterior_covariance, rtol=0, atol=1e-5 * scale)
