"""The inversion against dense float64 algebra on a problem small enough to write out."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion import (
    Problem,
    exponential_matrix,
    leave_out,
    members,
    separable_covariance,
    signal_covariance,
    solve,
    spread_of,
    summarise,
    totals,
)

SHAPE = (6, 4, 5)  # time, y, x
M = 14


def make_problem(seed=3):
    random = np.random.default_rng(seed)
    grid = Grid.from_centres("EPSG:4326", 118.0 + 0.3 * np.arange(SHAPE[2]), 28.0 + 0.25 * np.arange(SHAPE[1]))
    prior = random.normal([[[[3.0]]], [[[-1.0]]]], 1.5, (2, *SHAPE))
    sigma = random.uniform(0.3, 2.0, (2, *SHAPE))
    sigma[1, :, 0, 0] = 0.0  # a cell known for certain, as sea is for the biosphere
    covariances = (
        separable_covariance(sigma[0], grid, length=40.0, hours=5.0),
        separable_covariance(sigma[1], grid, length=90.0, hours=2.0),
    )
    dense = random.exponential(0.2, (M, prior[0].size)) * (random.random((M, prior[0].size)) < 0.15)
    hours = np.arange(M) // 2 * 1.0
    background_covariance = 0.8**2 * exponential_matrix(hours, 4.0)
    variance = random.uniform(0.2, 1.0, M)
    value = 400 + random.normal(0, 3, M)
    return Problem(
        value, variance, np.full(M, 399.0), background_covariance, scipy.sparse.csr_array(dense), prior, covariances
    )


def dense_correlation(step):
    position = np.concatenate([[0.0], np.cumsum(step)])
    return np.exp(-np.abs(position[:, None] - position[None, :]))


def dense_covariance(covariance):
    t, y, x = (dense_correlation(step) for step in covariance.steps)
    d = covariance.sigma.ravel()
    return d[:, None] * np.kron(t, np.kron(y, x)) * d[None, :]


@pytest.fixture(scope="module")
def problem():
    return make_problem()


@pytest.fixture(scope="module")
def dense(problem):
    """The same problem in full matrices: state = both sectors stacked, then the background error."""
    n = problem.prior[0].size
    h = problem.footprint.toarray()
    q = np.zeros((2 * n, 2 * n))
    q[:n, :n], q[n:, n:] = (dense_covariance(c) for c in problem.covariances)
    h2 = np.hstack([h, h])
    k = h2 @ q @ h2.T + problem.background_covariance + np.diag(problem.variance)
    d = problem.value - problem.background - h2 @ problem.prior.ravel()
    gain = q @ h2.T @ np.linalg.inv(k)
    return {"h": h2, "q": q, "k": k, "d": d, "mean": problem.prior.ravel() + gain @ d, "cov": q - gain @ h2 @ q}


@pytest.fixture(scope="module")
def solution(problem):
    return solve(problem, block=4)


def test_covariance_apply_is_the_dense_kronecker_product(problem):
    random = np.random.default_rng(0)
    for covariance in problem.covariances:
        field = random.standard_normal((3, *SHAPE))
        expected = field.reshape(3, -1) @ dense_covariance(covariance)
        np.testing.assert_allclose(covariance.apply(field).reshape(3, -1), expected, rtol=0, atol=1e-12)


def test_square_root_and_its_adjoint_pass_the_dot_test(problem):
    random = np.random.default_rng(1)
    for covariance in problem.covariances:
        w, v = random.standard_normal((2, *SHAPE))
        left = np.sum(covariance.sqrt_apply(w) * v)
        assert left == pytest.approx(np.sum(w * covariance.sqrt_adjoint(v)), rel=1e-13)


def test_covariance_is_symmetric_and_leaves_its_input_alone(problem):
    random = np.random.default_rng(2)
    u, v = random.standard_normal((2, *SHAPE))
    kept = u.copy()
    covariance = problem.covariances[0]
    assert np.sum(v * covariance.apply(u)) == pytest.approx(np.sum(u * covariance.apply(v)), rel=1e-13)
    assert np.array_equal(u, kept)


def test_project_and_spread_pass_the_dot_test(problem):
    random = np.random.default_rng(4)
    flux, weight = random.standard_normal(SHAPE), random.standard_normal(M)
    left = problem.project(flux[None]) @ weight
    assert left == pytest.approx(np.sum(flux * problem.spread(weight)), rel=1e-13)


def test_project_matches_the_dense_operator_for_a_batch(problem, dense):
    flux = np.random.default_rng(5).standard_normal((3, 2, *SHAPE))
    np.testing.assert_allclose(problem.project(flux), flux.reshape(3, -1) @ dense["h"].T, rtol=0, atol=1e-12)


def test_block_size_does_not_change_the_signal_covariance(problem):
    whole = signal_covariance(problem, block=M)
    np.testing.assert_allclose(signal_covariance(problem, block=3), whole, rtol=1e-13, atol=1e-14)
    assert np.array_equal(whole, whole.T)


def test_mean_matches_dense_algebra(solution, dense):
    np.testing.assert_allclose(solution.flux.ravel(), dense["mean"], rtol=1e-10, atol=1e-10)


def test_state_space_route_gives_the_same_mean(solution, problem, dense):
    # minimise the cost function over fluxes, with the background error marginalised into the observation error
    active = np.diag(dense["q"]) > 0
    r = problem.background_covariance + np.diag(problem.variance)
    h, q = dense["h"][:, active], dense["q"][np.ix_(active, active)]
    hessian = np.linalg.inv(q) + h.T @ np.linalg.solve(r, h)
    step = np.linalg.solve(hessian, h.T @ np.linalg.solve(r, dense["d"]))
    expected = problem.prior.ravel().copy()
    expected[active] += step
    np.testing.assert_allclose(solution.flux.ravel(), expected, rtol=1e-8, atol=1e-9)


def test_background_and_modelled_mole_fraction_close_the_budget(solution, problem):
    modelled = problem.project(solution.flux) + solution.background
    np.testing.assert_allclose(solution.mole_fraction, modelled, rtol=0, atol=1e-9)


def functionals(seed=6):
    random = np.random.default_rng(seed)
    return scipy.sparse.csr_array(random.random((5, int(np.prod(SHAPE)))) * (random.random((5, 120)) < 0.4))


def test_totals_match_dense_means_and_covariances(solution, dense):
    rows = functionals()
    result = totals(solution, rows, block=2)
    n = rows.shape[1]
    full = np.zeros((10, 2 * n))
    full[:5, :n] = full[5:, n:] = rows.toarray()
    np.testing.assert_allclose(result.posterior_mean.ravel(), full @ dense["mean"], rtol=1e-10)
    np.testing.assert_allclose(
        result.prior_covariance.reshape(10, 10), full @ dense["q"] @ full.T, rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(
        result.posterior_covariance.reshape(10, 10), full @ dense["cov"] @ full.T, rtol=1e-10, atol=1e-10
    )


def test_ensemble_mean_and_covariance_converge_to_the_exact_ones(solution, dense):
    count = 4000
    rows = functionals()
    exact = totals(solution, rows)
    draws = np.array([(rows @ (deviation.reshape(2, -1)).T).T.ravel() for deviation, _ in members(solution, count, 9)])
    covariance = exact.posterior_covariance.reshape(10, 10)
    sigma = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(draws.mean(axis=0)) < 4.5 * sigma / np.sqrt(count))
    # the standard error of a sample covariance is sqrt((s_ii s_jj + s_ij^2) / N)
    error = np.sqrt((np.outer(sigma, sigma) ** 2 + covariance**2) / count)
    assert np.all(np.abs(np.cov(draws.T) - covariance) < 5 * error)


def test_a_member_depends_on_its_seed_and_number_alone(solution):
    first = [deviation for deviation, _ in members(solution, 3, 7)]
    again = [deviation for deviation, _ in members(solution, 5, 7)]
    other = next(iter(members(solution, 1, 8)))[0]
    assert np.array_equal(first[2], again[2])
    assert not np.array_equal(first[0], other)


def test_standard_deviations_converge_to_the_exact_and_never_exceed_the_prior(solution, problem, dense):
    exact = np.sqrt(np.clip(np.diag(dense["cov"]), 0, None)).reshape(problem.prior.shape)
    prior = np.stack([c.sigma for c in problem.covariances])
    estimate = spread_of(solution, members(solution, 2000, 1))
    assert np.all(estimate <= prior * (1 + 1e-12))
    moved = np.divide(prior**2 - exact**2, prior**2, out=np.zeros_like(prior), where=prior > 0)
    assert np.all(np.abs(estimate - exact) <= exact * 5 * moved / np.sqrt(2000) + 1e-12)


def test_left_out_residuals_equal_those_of_an_inversion_without_the_group(problem, solution):
    group = np.arange(M) % 4
    residual, sigma = leave_out(solution, group)
    for name in range(4):
        kept, out = np.flatnonzero(group != name), np.flatnonzero(group == name)
        without = solve(
            Problem(
                problem.value[kept],
                problem.variance[kept],
                problem.background[kept],
                problem.background_covariance[np.ix_(kept, kept)],
                problem.footprint[kept],
                problem.prior,
                problem.covariances,
            )
        )
        cross = problem.background_covariance[np.ix_(out, kept)]
        predicted = problem.background[out] + cross @ without.weights + problem.project(without.flux)[out]
        np.testing.assert_allclose(residual[out], problem.value[out] - predicted, rtol=1e-9, atol=1e-9)
    assert np.all(sigma > np.sqrt(problem.variance))


def test_degrees_of_freedom_and_chi2_match_their_definitions(solution, dense, problem):
    summary = summarise(solution, leave_out(solution, np.arange(M)))
    inverse = np.linalg.inv(dense["k"])
    assert summary.chi2 == pytest.approx(dense["d"] @ inverse @ dense["d"] / M, rel=1e-10)
    assert summary.dofs_flux == pytest.approx(np.trace(dense["h"] @ dense["q"] @ dense["h"].T @ inverse), rel=1e-10)
    assert summary.dofs_background == pytest.approx(np.trace(problem.background_covariance @ inverse), rel=1e-10)
    noise = np.trace(np.diag(problem.variance) @ inverse)
    assert summary.dofs_flux + summary.dofs_background + noise == pytest.approx(M, rel=1e-10)


def test_chi2_is_one_on_average_when_errors_are_as_stated(problem):
    random = np.random.default_rng(11)
    n = problem.prior[0].size
    root = np.linalg.cholesky(problem.background_covariance + 1e-12 * np.eye(M))
    values = []
    for _ in range(150):
        truth = problem.prior + np.stack([c.sqrt_apply(random.standard_normal(SHAPE)) for c in problem.covariances])
        noise = np.sqrt(problem.variance) * random.standard_normal(M) + root @ random.standard_normal(M)
        value = problem.background + problem.project(truth) + noise
        matched = replace(problem, value=value)
        solved = solve(matched, block=M)
        values.append(solved.innovation @ solved.weights / M)
    # chi2 of M degrees over M has variance 2/M
    assert n > M
    assert np.mean(values) == pytest.approx(1.0, abs=4 * np.sqrt(2 / M / 150))


def test_closed_form_of_one_cell_one_observation():
    grid = Grid("EPSG:4326", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    covariance = separable_covariance(np.array([[[2.0]]]), grid, length=10.0, hours=1.0)
    problem = Problem(
        value=np.array([405.0]),
        variance=np.array([1.0]),
        background=np.array([400.0]),
        background_covariance=np.array([[0.0]]),
        footprint=scipy.sparse.csr_array(np.array([[0.5]])),
        prior=np.array([[[[4.0]]]]),
        covariances=(covariance,),
    )
    solved = solve(problem)
    # d = 405 - 400 - 2 = 3; K = 0.25 * 4 + 1 = 2; f = 4 + 4 * 0.5 / 2 * 3 = 7; var = 4 - 4 * 0.25 * 4 / 2 = 2
    assert solved.flux.item() == pytest.approx(7.0, rel=1e-14)
    total = totals(solved, scipy.sparse.csr_array(np.array([[1.0]])))
    assert total.posterior_covariance.item() == pytest.approx(2.0, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"variance": np.zeros(M)}, "positive error"),
        ({"value": np.full(M, np.nan)}, "values must be finite"),
        ({"background": np.zeros(M - 1)}, "sizes must agree"),
    ],
)
def test_an_impossible_problem_is_refused(problem, change, text):
    with pytest.raises(SolverError, match=text):
        replace(problem, **change)


def test_a_badly_conditioned_system_is_refused(problem):
    huge = replace(problem, background_covariance=1e13 * np.ones((M, M)))
    with pytest.raises(SolverError, match="condition number"):
        solve(huge)
