"""What candidates' observations would tell, against full matrices, the solution itself and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from small_problem import M, dense_algebra, functionals, make_problem

from pipeline.errors import SolverError
from pipeline.inversion import solve, totals
from pipeline.inversion.expected import expected

NETWORK = 8
#: the candidates' observations, after the network's: one has a tower's, one is alone
BLOCKS = [np.array([0, 1, 2]), np.array([3, 4]), np.array([5])]


def given(problem, network=NETWORK, sectors=(0, 1)):
    return expected(problem, network, functionals()[1], sectors=sectors, threads=1)


def dense_variance(problem, kept, sectors):
    """Posterior variances of the totals of some sectors, of some observations, in full matrices."""
    matrix = functionals()[0].toarray()
    rows = np.hstack([matrix * (k in sectors) for k in range(2)])
    if not len(kept):
        return np.einsum("fi,ij,fj->f", rows, dense_algebra(problem)["q"], rows)
    return np.einsum("fi,ij,fj->f", rows, dense_algebra(problem.take(np.array(kept)))["cov"], rows)


@pytest.mark.parametrize("sectors", [(0, 1), (0,), (1,)])
@pytest.mark.parametrize("kind", ["separable", "daily", "two lengths"])
def test_variances_are_those_of_the_dense_posterior_with_the_candidate_among_its_observations(kind, sectors):
    problem = make_problem(kind=kind)
    found = given(problem, sectors=sectors)
    np.testing.assert_allclose(found.prior, dense_variance(problem, [], sectors), rtol=1e-9)
    np.testing.assert_allclose(found.variance, dense_variance(problem, range(NETWORK), sectors), rtol=1e-9)
    for rows in BLOCKS:
        kept = [*range(NETWORK), *(NETWORK + rows)]
        np.testing.assert_allclose(
            found.variance - found.reduction(rows), dense_variance(problem, kept, sectors), rtol=1e-9
        )


def test_variances_are_those_of_the_solution_with_the_candidate_among_its_observations():
    problem, rows = make_problem(), BLOCKS[0]
    solution = solve(problem.take(np.array([*range(NETWORK), *(NETWORK + rows)])), threads=1)
    covariance = totals(solution, functionals()[1], threads=1).posterior_covariance
    whole = np.einsum("kflf->f", covariance)
    found = given(problem)
    np.testing.assert_allclose(found.variance - found.reduction(rows), whole, rtol=1e-9)


def test_values_and_background_change_nothing():
    problem = make_problem()
    other = replace(problem, value=np.zeros(M), background=np.full(M, 7.0), prior=problem.prior * 3)
    for name in ("prior", "variance", "system", "totals"):
        np.testing.assert_array_equal(getattr(given(problem), name), getattr(given(other), name))


def test_without_a_network_candidates_are_judged_by_the_prior():
    problem = make_problem()
    found = given(problem, network=0)
    np.testing.assert_array_equal(found.variance, found.prior)
    rows = np.arange(4)
    np.testing.assert_allclose(found.variance - found.reduction(rows), dense_variance(problem, rows, (0, 1)), rtol=1e-9)


def test_one_after_the_other_is_both_together_in_either_order():
    found = given(make_problem())
    one, two = BLOCKS[:2]
    both = found.variance - found.reduction(np.concatenate([one, two]))
    for first, second in ((one, two), (two, one)):
        step = found.given(first)
        np.testing.assert_allclose(step.variance - step.reduction(second), both, rtol=1e-10)
        np.testing.assert_allclose(step.given(second).variance, both, rtol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_no_observation_ever_adds_to_a_variance_and_none_falls_below_zero(seed):
    found = given(make_problem(seed))
    for rows in (*BLOCKS, np.concatenate(BLOCKS), np.zeros(0, int)):
        less = found.reduction(rows)
        assert np.all(less >= 0)
        assert np.all(less <= found.variance)
    assert found.reduction(np.concatenate(BLOCKS)).max() > 0
    # one that saw the same before tells less
    after = found.given(BLOCKS[0])
    assert np.all(after.variance <= found.variance)


def twin(spread, noise):
    """Two observations of one footprint with independent errors, and the variance they see."""
    problem = make_problem()
    footprint = scipy.sparse.csr_array(scipy.sparse.vstack([problem.footprint[[0]]] * 2))
    alone = replace(
        problem,
        value=np.zeros(2), variance=np.full(2, noise), background=np.zeros(2), errors=(), footprint=footprint * spread,
        share=None, span=None,
    )  # fmt: skip
    dense = dense_algebra(make_problem())
    row = np.tile(footprint[[0]].toarray().ravel() * spread, 2)
    weights = np.hstack([functionals()[0].toarray()] * 2)
    return alone, row @ dense["q"] @ row, weights @ dense["q"] @ row


def test_a_twin_of_the_only_station_lowers_the_variance_as_half_its_error_would():
    noise = 0.7
    problem, seen, both = twin(2.0, noise)
    found = given(problem, network=1)
    np.testing.assert_allclose(found.variance, found.prior - both**2 / (seen + noise), rtol=1e-9)
    np.testing.assert_allclose(
        found.variance - found.reduction(np.array([0])), found.prior - both**2 / (seen + noise / 2), rtol=1e-9
    )


def test_a_candidate_that_cannot_be_is_refused():
    found = given(make_problem())
    broken = replace(found, system=-found.system)
    with pytest.raises(SolverError, match="covariance of a candidate's observations must be positive definite"):
        broken.reduction(BLOCKS[0])


def test_single_precision_agrees_with_double():
    single, double = (given(make_problem(dtype=dtype)) for dtype in (np.float32, np.float64))
    for name in ("prior", "variance"):
        np.testing.assert_allclose(getattr(single, name), getattr(double, name), rtol=2e-5)
