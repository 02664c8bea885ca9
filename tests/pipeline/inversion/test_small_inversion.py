"""The inversion against dense float64 algebra on a problem small enough to write out."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion import (
    CorrelatedError,
    Problem,
    Span,
    leave_out,
    members,
    rows_of,
    sector_covariance,
    solve,
    spread_of,
    summarise,
    totals,
)

M, SHAPE = small.M, small.SHAPE


@pytest.fixture(scope="module", params=["separable", "daily", "matern", "two lengths"])
def problem(request):
    return small.make_problem(kind=request.param)


@pytest.fixture(scope="module")
def dense(problem):
    return small.dense_algebra(problem)


@pytest.fixture(scope="module")
def solution(problem):
    return solve(problem)


def test_project_and_spread_pass_the_dot_test(problem):
    random = np.random.default_rng(4)
    flux, weight = random.standard_normal((2, *SHAPE)), random.standard_normal(M)
    right = sum(np.sum(flux[k] * problem.spread(weight, k)) for k in range(2))
    assert problem.project(flux) @ weight == pytest.approx(right, rel=1e-13)


def test_project_matches_the_dense_operator(problem, dense):
    flux = np.random.default_rng(5).standard_normal((2, *SHAPE))
    np.testing.assert_allclose(problem.project(flux), dense["h"] @ flux.ravel(), rtol=0, atol=1e-12)


def test_mean_matches_dense_algebra(solution, dense):
    np.testing.assert_allclose(solution.flux.ravel(), dense["mean"], rtol=1e-10, atol=1e-10)


def test_single_precision_mean_agrees_with_double_to_its_digits(problem, solution):
    covariances = tuple(
        replace(covariance, sigma=covariance.sigma.astype(np.float32)) for covariance in problem.covariances
    )
    prior, footprint = problem.prior.astype(np.float32), problem.footprint.astype(np.float32)
    single = solve(replace(problem, prior=prior, footprint=footprint, covariances=covariances))
    assert single.flux.dtype == np.float32
    np.testing.assert_allclose(single.flux, solution.flux, rtol=0, atol=2e-5 * np.abs(solution.flux).max())


def test_state_space_route_gives_the_same_mean(solution, problem, dense):
    # minimise the cost function over fluxes, with the shared errors marginalised into the observation error
    active = np.diag(dense["q"]) > 0
    r = dense["shared"] + np.diag(problem.variance)
    h, q = dense["h"][:, active], dense["q"][np.ix_(active, active)]
    hessian = np.linalg.inv(q) + h.T @ np.linalg.solve(r, h)
    step = np.linalg.solve(hessian, h.T @ np.linalg.solve(r, dense["d"]))
    expected = problem.prior.ravel().copy()
    expected[active] += step
    np.testing.assert_allclose(solution.flux.ravel(), expected, rtol=1e-8, atol=1e-8)


def test_two_observations_in_turn_are_both_at_once(problem):
    # sequential: the posterior of the first half, as dense algebra, is the prior of the second
    dense = small.dense_algebra(problem)
    first, second = np.arange(M) < 8, np.arange(M) >= 8
    # shared errors tie the halves together: they join the state
    h = np.hstack([dense["h"], np.eye(M)])
    q = np.zeros((h.shape[1], h.shape[1]))
    n = dense["q"].shape[0]
    q[:n, :n], q[n:, n:] = dense["q"], dense["shared"]
    mean = np.concatenate([problem.prior.ravel(), np.zeros(M)])
    for half in (first, second):
        k = h[half] @ q @ h[half].T + np.diag(problem.variance[half])
        gain = q @ h[half].T @ np.linalg.inv(k)
        mean = mean + gain @ ((problem.value - problem.background)[half] - h[half] @ mean)
        q = q - gain @ h[half] @ q
    np.testing.assert_allclose(solve(problem).flux.ravel(), mean[:n], rtol=1e-8, atol=1e-8)


def test_fluxes_background_and_offset_close_the_budget(solution, problem):
    modelled = problem.project(solution.flux) + solution.background + solution.shared("offset")
    np.testing.assert_allclose(solution.modelled, modelled, rtol=0, atol=1e-9)


def test_shared_errors_are_estimated_as_dense_algebra_does(solution, problem, dense):
    weights = np.linalg.solve(dense["k"], dense["d"])
    for error in problem.errors:
        expected = small.dense_error(error) @ weights
        np.testing.assert_allclose(solution.shared(error.name), expected, rtol=0, atol=1e-9)


def test_totals_match_dense_means_and_covariances(solution, dense):
    matrix, rows = small.functionals()
    result = totals(solution, rows)
    n = matrix.shape[1]
    full = np.zeros((10, 2 * n))
    full[:5, :n] = full[5:, n:] = matrix.toarray()
    np.testing.assert_allclose(result.posterior_mean.ravel(), full @ dense["mean"], rtol=1e-9)
    np.testing.assert_allclose(
        result.prior_covariance.reshape(10, 10), full @ dense["q"] @ full.T, rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(
        result.posterior_covariance.reshape(10, 10), full @ dense["cov"] @ full.T, rtol=1e-8, atol=1e-8
    )


def test_ensemble_mean_and_covariance_converge_to_the_exact_ones(solution):
    count = 1200
    matrix, rows = small.functionals()
    exact = totals(solution, rows)
    draws = np.array([(matrix @ (d.reshape(2, -1)).T).T.ravel() for d, _ in members(solution, count, 9)])
    covariance = exact.posterior_covariance.reshape(10, 10)
    sigma = np.sqrt(np.diag(covariance))
    assert np.all(np.abs(draws.mean(axis=0)) < 4.5 * sigma / np.sqrt(count))
    # the standard error of a sample covariance is sqrt((s_ii s_jj + s_ij^2) / N)
    error = np.sqrt((np.outer(sigma, sigma) ** 2 + covariance**2) / count)
    assert np.all(np.abs(np.cov(draws.T) - covariance) < 5 * error)


def test_a_member_depends_on_its_seed_and_number_alone(solution):
    first = [deviation for deviation, _ in members(solution, 3, 7)]
    again = [deviation for deviation, _ in members(solution, 11, 7)]
    later = [deviation for deviation, _ in members(solution, 1, 7, first=2)]
    other = next(iter(members(solution, 1, 8)))[0]
    np.testing.assert_allclose(first[2], again[2], rtol=0, atol=1e-12)
    np.testing.assert_allclose(first[2], later[0], rtol=0, atol=1e-12)
    assert not np.allclose(first[0], other)


def test_standard_deviations_converge_to_the_exact_and_never_exceed_the_prior(solution, problem, dense):
    exact = np.sqrt(np.clip(np.diag(dense["cov"]), 0, None)).reshape(problem.prior.shape)
    prior = np.stack([c.sigma for c in problem.covariances])
    count = 800
    estimate = spread_of(solution, members(solution, count, 1))
    assert np.all(estimate <= prior * (1 + 1e-12))
    moved = np.divide(prior**2 - exact**2, prior**2, out=np.zeros_like(prior), where=prior > 0)
    assert np.all(np.abs(estimate - exact) <= exact * 5 * moved / np.sqrt(count) + 1e-12)


def without(problem, kept):
    """The problem of some observations only."""
    errors = tuple(
        CorrelatedError(e.name, e.sigma[kept], e.hours[kept], e.group[kept], e.e_folding) for e in problem.errors
    )
    return Problem(
        problem.value[kept],
        problem.variance[kept],
        problem.background[kept],
        errors,
        problem.footprint[kept],
        problem.prior,
        problem.covariances,
        problem.share[:, kept],
    )


def test_left_out_residuals_equal_those_of_an_inversion_without_the_group(problem, solution):
    group = np.arange(M) % 4
    found = leave_out(solution, solution.factor.inverse(), group)
    inverse = np.linalg.inv(small.dense_algebra(problem)["k"])
    for name in range(4):
        kept, out = np.flatnonzero(group != name), np.flatnonzero(group == name)
        alone = solve(without(problem, kept))
        cross = sum(small.dense_error(e) for e in problem.errors)[np.ix_(out, kept)]
        predicted = problem.background[out] + cross @ alone.weights + problem.project(alone.flux)[out]
        np.testing.assert_allclose(found.residual[out], problem.value[out] - predicted, rtol=1e-8, atol=1e-8)
        block = inverse[np.ix_(out, out)]
        expected = found.residual[out] @ block @ found.residual[out] / out.size
        assert found.chi2[name] == pytest.approx(expected, rel=1e-8)
    assert np.all(found.sigma > np.sqrt(problem.variance) * (1 - 1e-12))


def test_degrees_of_freedom_and_chi2_match_their_definitions(solution, dense, problem):
    reverse = solution.factor.inverse()
    air = np.arange(M) != 7
    summary = summarise(solution, reverse, leave_out(solution, reverse, np.arange(M)), air)
    inverse = np.linalg.inv(dense["k"])
    assert summary.chi2 == pytest.approx(dense["d"] @ inverse @ dense["d"] / M, rel=1e-9)
    assert summary.dofs_flux == pytest.approx(np.trace(dense["h"] @ dense["q"] @ dense["h"].T @ inverse), rel=1e-9)
    background, offset = (np.trace(small.dense_error(error) @ inverse) for error in problem.errors)
    assert summary.dofs_background == pytest.approx(background, rel=1e-9)
    assert summary.dofs_offset == pytest.approx(offset, rel=1e-9)
    assert summary.prior_rmse == pytest.approx(np.sqrt(np.mean(dense["d"][air] ** 2)), rel=1e-10)


def test_chi2_is_one_on_average_when_errors_are_as_stated():
    problem = small.make_problem()
    random = np.random.default_rng(11)
    values = []
    for _ in range(150):
        truth = problem.prior + np.stack([c.draw(random) for c in problem.covariances])
        noise = np.sqrt(problem.variance) * random.standard_normal(M) + sum(e.draw(random) for e in problem.errors)
        solved = solve(replace(problem, value=problem.background + problem.project(truth) + noise))
        values.append(solved.innovation @ solved.weights / M)
    # chi2 of M degrees over M has variance 2/M
    assert np.mean(values) == pytest.approx(1.0, abs=4 * np.sqrt(2 / M / 150))


def test_closed_form_of_one_cell_one_observation():
    grid = Grid("EPSG:4326", np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    covariance = sector_covariance(np.array([[[2.0]]]), grid, length=10.0, hours=1.0)
    problem = Problem(
        value=np.array([405.0]),
        variance=np.array([1.0]),
        background=np.array([400.0]),
        errors=(),
        footprint=scipy.sparse.csr_array(np.array([[0.5]])),
        prior=np.array([[[[4.0]]]]),
        covariances=(covariance,),
    )
    solved = solve(problem)
    # d = 405 - 400 - 2 = 3; K = 0.25 * 4 + 1 = 2; f = 4 + 4 * 0.5 / 2 * 3 = 7; var = 4 - 4 * 0.25 * 4 / 2 = 2
    assert solved.flux.item() == pytest.approx(7.0, rel=1e-14)
    total = totals(solved, rows_of(scipy.sparse.csr_array(np.array([[1.0]])), 1))
    assert total.posterior_covariance.item() == pytest.approx(2.0, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"variance": np.zeros(M)}, "positive error"),
        ({"value": np.full(M, np.nan)}, "values must be finite"),
        ({"background": np.zeros(M - 1)}, "sizes must agree"),
        ({"share": np.ones((1, M))}, "sizes must agree; got 'share"),
        ({"span": Span(np.full(M, 3), np.full(M, 5))}, "must lie within their hours"),
    ],
)
def test_an_impossible_problem_is_refused(change, text):
    with pytest.raises(SolverError, match=text):
        replace(small.make_problem(), **change)


def test_a_badly_conditioned_system_is_refused():
    problem = small.make_problem()
    huge = CorrelatedError("background", np.full(M, 1e7), small.HOURS, np.zeros(M, int), 1e9)
    with pytest.raises(SolverError, match="condition number"):
        solve(replace(problem, errors=(huge,)))


def test_a_system_that_is_not_positive_is_refused():
    from pipeline.inversion import factorise

    with pytest.raises(SolverError, match=r"positive definite; got 'observation 2 of 3 fails'"):
        factorise(np.array([[1.0, 0, 0], [2.0, 1.0, 0], [0, 0, 1.0]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(1, 1), (2, 0)])
def test_a_system_that_is_not_finite_is_refused(bad, place):
    from pipeline.inversion import factorise

    system = np.eye(3)
    system[place] = bad
    with pytest.raises(SolverError, match="must be finite; got 'a norm of"):
        factorise(system)
