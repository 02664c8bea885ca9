"""Log-normal sectors against brute force: a plain Hamiltonian chain over full matrices, and many synthetic truths."""

import os
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from kernels.jit import set_threads
from pipeline.errors import SolverError
from pipeline.inversion import Chain, log_problem, solve, solve_log
from pipeline.inversion.lognormal import LARGEST, TOLERANCE

IS_LOG = np.array([True, False])
NAMES = ["anthropogenic", "biosphere"]


@pytest.fixture(autouse=True)
def one_thread():
    # fields of 120 numbers are not worth a second thread
    set_threads(1)
    yield
    set_threads(0)


def make_problem(fraction=0.8, dtype=np.float64):
    """The small problem with a positive prior in the first sector, its sigma a share of it."""
    base = small.make_problem()
    random = np.random.default_rng(3)
    prior = base.prior.copy()
    prior[0] = random.gamma(4.0, 1.0, prior[0].shape)
    sigma = np.stack([fraction * prior[0], base.covariances[1].sigma])
    dense = random.exponential(0.4, (small.M, small.CELLS)) * (random.random((small.M, small.CELLS)) < 0.15)
    return replace(
        base,
        prior=prior.astype(dtype),
        covariances=small.covariances(sigma.astype(dtype)),
        footprint=scipy.sparse.csr_array(dense.astype(dtype)),
    )


def observed(log, random):
    """A draw of the prior, and the problem with observations of it."""
    problem = log.problem
    truth = log.flux(log.centre + np.stack([c.draw(random) for c in problem.covariances]))
    noise = np.sqrt(problem.variance) * random.standard_normal(small.M) + sum(e.draw(random) for e in problem.errors)
    value = problem.background + problem.project(truth) + noise
    return truth, replace(log, problem=replace(problem, value=value))


def members_of(log, count, seed=1):
    solution, found = solve_log(log, iterations=8, threads=1)
    return list(Chain(log, solution, found.point.flux, seed).members(count))


def region_totals(flux):
    """All, a half, one hour, a corner's hours: (..., sector, region)."""
    parts = (flux, flux[..., :2], flux[..., 3:4, :, :], flux[..., 2:4, 1:3, 1:3])
    return np.stack([part.sum(axis=(-3, -2, -1)) for part in parts], axis=-1)


def brute_force(log, count, random):
    """Draws of the posterior by a plain Hamiltonian chain: dense, whitened by the linear posterior's covariance."""
    problem, n = log.problem, log.problem.prior.size
    q = np.zeros((n, n))
    q[: n // 2, : n // 2], q[n // 2 :, n // 2 :] = (small.dense_covariance(c) for c in problem.covariances)
    values, vectors = np.linalg.eigh(q)
    root = vectors[:, values > 1e-9 * values.max()] * np.sqrt(values[values > 1e-9 * values.max()])
    h = np.hstack([problem.share[k][:, None] * problem.footprint.toarray() for k in range(2)])
    error = np.linalg.inv(sum(small.dense_error(e) for e in problem.errors) + np.diag(problem.variance))
    d, m, centre = problem.value - problem.background, problem.prior.ravel(), log.centre.ravel()
    is_log = np.arange(n) < n // 2

    def energy(white):
        state = centre + root @ white
        flux = np.where(is_log, m * np.exp(np.minimum(state, 30.0)), m + state)
        slope, residual = np.where(is_log, flux, 1.0), d - h @ flux
        weights = error @ residual
        return 0.5 * (residual @ weights + white @ white), white - root.T @ (slope * (h.T @ weights)), flux, slope

    # mass: the precision at a place where the flux is the prior, whitened
    jacobian = (h * np.where(is_log, m, 1.0)) @ root
    shape = np.linalg.cholesky(np.linalg.inv(np.eye(root.shape[1]) + jacobian.T @ error @ jacobian))
    at = np.zeros(root.shape[1])
    value, gradient, flux, _ = energy(at)
    draws, accepted = [], 0
    for number in range(count + 500):
        momentum = random.standard_normal(at.size)
        before, step, to, slope = value + 0.5 * momentum @ momentum, 0.14 * random.uniform(0.8, 1.2), at, gradient
        for _ in range(14):
            momentum = momentum - 0.5 * step * (shape.T @ slope)
            to = to + step * (shape @ momentum)
            new, slope, there, _ = energy(to)
            momentum = momentum - 0.5 * step * (shape.T @ slope)
        if np.log(random.random()) < before - new - 0.5 * momentum @ momentum:
            at, value, gradient, flux, accepted = to, new, slope, there, accepted + 1
        if number >= 500:
            draws.append(flux.reshape(problem.prior.shape))
    assert accepted > 0.6 * (count + 500)
    return np.array(draws)


def test_mean_and_sigma_of_totals_agree_with_brute_force():
    random = np.random.default_rng(12)
    log = observed(log_problem(make_problem(), IS_LOG, NAMES), random)[1]
    exact = region_totals(brute_force(log, 6000, random))
    drawn = region_totals(np.array([member.flux for member in members_of(log, 1200)]))
    sigma = exact.std(axis=0)
    # the halves of the reference tell how well it is known: by half of their difference
    halves = exact.reshape(2, -1, *exact.shape[1:]).mean(axis=1)
    assert np.all(np.abs(halves[0] - halves[1]) < 0.15 * sigma)
    assert np.all(np.abs(drawn.mean(axis=0) - exact.mean(axis=0)) < 0.15 * sigma)
    assert np.all(np.abs(drawn.std(axis=0, ddof=1) / sigma - 1) < 0.15)


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="45 s; `make soak` runs it (SOAK=1)")
def test_over_many_truths_the_mean_is_unbiased_and_the_intervals_cover():
    random = np.random.default_rng(21)
    log, errors, inside = log_problem(make_problem(), IS_LOG, NAMES), [], []
    for seed in range(60):
        truth, seen = observed(log, random)
        flux = np.array([member.flux for member in members_of(seen, 40, seed)])
        assert np.all(flux[:, 0] >= 0)
        drawn, true = region_totals(flux), region_totals(truth)
        errors.append(drawn.mean(axis=0) - true)
        inside.append(np.abs(errors[-1]) <= 1.645 * drawn.std(axis=0, ddof=1))
    errors = np.array(errors)
    standard = errors.std(axis=0, ddof=1) / np.sqrt(errors.shape[0])
    assert np.all(np.abs(errors.mean(axis=0)) < 3 * standard)
    assert 0.85 <= np.mean(np.array(inside)[:, 0]) <= 0.95
    assert 0.85 <= np.mean(np.array(inside)[:, 1]) <= 0.95


def test_the_prior_draws_have_the_stated_mean_and_variance():
    log, random = log_problem(make_problem(), IS_LOG, NAMES), np.random.default_rng(2)
    draws = np.array(
        [log.flux(log.centre + np.stack([c.draw(random) for c in log.problem.covariances])) for _ in range(4000)]
    )
    stated = 0.8 * log.problem.prior[0]
    np.testing.assert_allclose(log.prior_std[0], stated, rtol=1e-12)
    # the variance of a log-normal's sample variance is that of its fourth moment: 6 % of it at these widths
    assert np.mean(draws[:, 0] / log.problem.prior[0]) == pytest.approx(1.0, abs=0.01)
    assert np.mean(np.square(draws[:, 0] / log.problem.prior[0] - 1)) == pytest.approx(0.64, rel=0.06)


def test_for_small_sigma_it_is_the_normal_answer():
    problem = make_problem(0.02)
    log = log_problem(problem, IS_LOG, NAMES)
    log = observed(log, np.random.default_rng(4))[1]
    normal = solve(replace(problem, value=log.problem.value), threads=1)
    solution, found = solve_log(log, iterations=8, threads=1)
    assert found.converged
    sigma = normal.problem.covariances[0].sigma
    assert np.all(np.abs(solution.flux[0] - normal.flux[0]) < 0.05 * sigma)
    members = np.array([member.flux for member in Chain(log, solution, found.point.flux, 1).members(200)])
    apart = region_totals(members).mean(axis=0) - region_totals(normal.flux)
    assert np.all(np.abs(apart) < 0.25 * region_totals(members).std(axis=0))


def test_without_log_normal_sectors_the_iteration_ends_at_the_exact_solution():
    problem = make_problem()
    exact = solve(problem, threads=1)
    log = log_problem(problem, np.array([False, False]), NAMES)
    solution, found = solve_log(log, iterations=8, threads=1)
    np.testing.assert_allclose(found.point.flux, exact.flux, rtol=0, atol=1e-10)
    np.testing.assert_allclose(solution.flux, exact.flux, rtol=0, atol=1e-10)
    chain = Chain(log, solution, found.point.flux, 5)
    members = list(chain.members(30))
    assert all(member.accepted for member in members)


def test_at_the_end_of_the_iteration_the_gradient_of_the_cost_vanishes():
    log = observed(log_problem(make_problem(), IS_LOG, NAMES), np.random.default_rng(8))[1]
    _, found = solve_log(log, iterations=30, threads=1)
    assert found.converged
    random, nothing = np.random.default_rng(9), np.zeros_like(log.problem.prior)
    for _ in range(5):
        # along any direction Q v the cost is lowest there
        dual = random.standard_normal(nothing.shape) * 0.002
        away = np.stack([c.apply(part) for c, part in zip(log.problem.covariances, dual, strict=True)])
        at, costs = found.point, []
        for step in (-1.0, 0.0, 1.0):
            state = (at.dual + step * dual, at.deviation + step * away, at.weights)
            costs.append(log.point(log.problem.value, nothing, *state).cost)
        slope, bend = 0.5 * (costs[2] - costs[0]), costs[2] - 2 * costs[1] + costs[0]
        assert bend > 0
        # what could still be gained that way is less than a few of the last step's
        assert slope**2 / (2 * bend) < 5 * TOLERANCE * at.cost


def test_every_step_lowers_the_cost():
    log = observed(log_problem(make_problem(2.0), IS_LOG, NAMES), np.random.default_rng(8))[1]
    costs = [solve_log(log, iterations=number, threads=1)[1].point.cost for number in range(1, 6)]
    assert np.all(np.diff(costs) <= 0)
    assert costs[-1] < costs[0]


def test_the_same_seed_gives_the_same_members():
    log = observed(log_problem(make_problem(dtype=np.float32), IS_LOG, NAMES), np.random.default_rng(8))[1]
    one, two, other = members_of(log, 3), members_of(log, 3), members_of(log, 3, seed=2)
    assert one[0].flux.dtype == np.float32
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.flux, b.flux)
    assert not np.array_equal(one[0].flux, other[0].flux)


def test_where_the_prior_is_zero_the_flux_stays_zero_and_wide_sigma_is_bounded():
    problem = make_problem()
    prior, sigma = problem.prior.copy(), problem.covariances[0].sigma.copy()
    prior[0, :, 1, 1], sigma[:, 1, 1] = 0.0, 8.0
    prior[0, :, 2, 2], sigma[:, 2, 2] = 1e-200, 8.0
    covariances = (replace(problem.covariances[0], sigma=sigma), problem.covariances[1])
    log = log_problem(replace(problem, prior=prior, covariances=covariances), IS_LOG, NAMES)
    assert log.problem.covariances[0].sigma.max() == pytest.approx(LARGEST, rel=1e-12)
    kept = np.square(log.prior_std[0]).sum() / np.square(sigma).sum()
    assert log.dropped[0] == pytest.approx(1 - kept, rel=1e-9)
    assert 0.1 < log.dropped[0] < 0.9
    flux = members_of(log, 2)[1].flux
    assert np.all(flux[0, :, 1, 1] == 0)
    assert np.all(flux[0, :, 2, 2] > 0)


def test_a_negative_prior_is_refused_where_it_is_uncertain():
    problem = make_problem()
    prior = problem.prior.copy()
    prior[0, 2, 1, 3] = -0.5
    with pytest.raises(SolverError, match=r"sectors.anthropogenic: .*negative; got '1 of 120 cell-hours, -0.5"):
        log_problem(replace(problem, prior=prior), IS_LOG, NAMES)
    sigma = problem.covariances[0].sigma.copy()
    sigma[2, 1, 3] = 0.0
    covariances = (replace(problem.covariances[0], sigma=sigma), problem.covariances[1])
    log = log_problem(replace(problem, prior=prior, covariances=covariances), IS_LOG, NAMES)
    assert log.flux(log.centre)[0, 2, 1, 3] == -0.5
