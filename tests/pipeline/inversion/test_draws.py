"""Members do not depend on who draws them; rows are read once for sectors they see alike, and the sums are the same."""

import numpy as np
import pytest
import small_problem as small

from kernels.jit import set_threads
from pipeline.inversion import members, solve
from pipeline.inversion.posterior import draw, members_at


@pytest.fixture
def solution():
    yield solve(small.make_problem())
    set_threads(0)


def test_members_are_the_same_to_the_bit_on_any_number_of_threads(solution):
    found = {}
    for threads in (1, 2):
        set_threads(threads)
        whole = list(members(solution, 11, 5))
        some = list(members_at(solution, 11, 5, np.array([1, 4])))
        found[threads] = [part.tobytes() for pair in (*whole, *some) for part in pair]
    assert found[1] == found[2]
    assert len(found[1]) == 44


def test_a_member_is_that_of_its_number_whichever_are_drawn_with_it(solution):
    later = list(members(solution, 3, 5, first=4))
    every = list(members(solution, 7, 5))
    for one, two in zip(later, every[4:], strict=True):
        np.testing.assert_allclose(one[0], two[0], rtol=0, atol=1e-12)
    assert not np.array_equal(draw(solution.problem, 5, 0)[0], draw(solution.problem, 5, 1)[0])


def test_what_is_read_once_for_all_sectors_equals_the_matrices(solution):
    problem = solution.problem
    random = np.random.default_rng(7)
    flux = random.standard_normal(problem.prior.shape)
    weights = random.standard_normal(problem.value.size)
    matrices = [share[:, None] * problem.footprint.toarray() for share in problem.share]
    expected = sum(matrix @ part.ravel() for matrix, part in zip(matrices, flux, strict=True))
    np.testing.assert_allclose(problem.project(flux), expected, rtol=1e-12, atol=1e-12)
    for k, part in enumerate(problem.spreads(weights)):
        np.testing.assert_allclose(part.ravel(), matrices[k].T @ weights, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(part, problem.spread(weights, k), rtol=1e-12, atol=1e-12)
    left = problem.project(flux) @ weights
    right = sum(np.vdot(part, seen) for part, seen in zip(flux, problem.spreads(weights), strict=True))
    assert left == pytest.approx(right, rel=1e-12)
