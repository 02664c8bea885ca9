"""A problem small enough to write out in full matrices, with everything a real one has, in a precision of choice."""

import numpy as np
import scipy.sparse

from pipeline.grid import Grid
from pipeline.inversion import CorrelatedError, Problem, rows_of, sector_covariance

SHAPE = (6, 4, 5)  # time, y, x
CELLS = int(np.prod(SHAPE))
M = 14
GRID = Grid.from_centres("EPSG:4326", 118.0 + 0.3 * np.arange(SHAPE[2]), 28.0 + 0.25 * np.arange(SHAPE[1]))
HOURS = np.arange(M) // 3 * 1.0
#: the kinds of covariance, as keywords of `sector_covariance`
KINDS = {
    "separable": {},
    "daily": {"daily": 3.0},
    "exponential": {"kind": "exponential"},
    "matern": {"kind": "matern"},
    "gaussian": {"kind": "gaussian"},
    "two lengths": {"wide": (150.0, 0.3)},
}


def covariances(sigma, kind="separable"):
    """Two sectors of other lengths and times."""
    return (
        sector_covariance(sigma[0], GRID, length=40.0, hours=5.0, **KINDS[kind]),
        sector_covariance(sigma[1], GRID, length=60.0, hours=2.0, **KINDS[kind]),
    )


def make_problem(seed=3, kind="separable", dtype=np.float64):
    random = np.random.default_rng(seed)
    prior = random.normal([[[[3.0]]], [[[-1.0]]]], 1.5, (2, *SHAPE))
    sigma = random.uniform(0.3, 2.0, (2, *SHAPE))
    sigma[1, :, 0, 0] = 0.0  # a cell known for certain, as sea is for the biosphere
    dense = random.exponential(0.2, (M, CELLS)) * (random.random((M, CELLS)) < 0.15)
    dense[4] = 0.0  # a footprint without an entry
    share = np.ones((2, M))
    share[0, 7] = 0.0  # a tower sees the biosphere alone
    group = np.arange(M) % 3
    errors = (
        CorrelatedError("background", np.where(np.arange(M) == 7, 0.0, 0.8), HOURS, np.zeros(M, int), 4.0),
        CorrelatedError("offset", np.where(group == 1, 1.5, 0.0), HOURS, group, 20.0),
    )
    return Problem(
        value=400 + random.normal(0, 3, M),
        variance=random.uniform(0.2, 1.0, M),
        background=np.full(M, 399.0),
        errors=errors,
        footprint=scipy.sparse.csr_array(dense.astype(dtype)),
        prior=prior.astype(dtype),
        covariances=covariances(sigma.astype(dtype), kind),
        share=share,
    )


def dense_covariance(covariance):
    """Q of one sector, column by column."""
    unit = np.eye(covariance.sigma.size).reshape(-1, *covariance.shape)
    return covariance.apply(unit).reshape(covariance.sigma.size, -1).astype(np.float64)


def dense_error(error):
    """C of a shared error, from its definition."""
    lag = np.abs(error.hours[:, None] - error.hours[None, :])
    same = error.group[:, None] == error.group[None, :]
    return np.where(same, np.exp(-lag / error.e_folding), 0.0) * error.sigma[:, None] * error.sigma[None, :]


def dense_algebra(problem):
    """The same problem in full matrices: state = both sectors stacked, shared errors in the observations' error."""
    n = problem.prior[0].size
    h = np.hstack([problem.share[k][:, None] * problem.footprint.toarray().astype(np.float64) for k in range(2)])
    q = np.zeros((2 * n, 2 * n))
    q[:n, :n], q[n:, n:] = (dense_covariance(c) for c in problem.covariances)
    shared = sum(dense_error(error) for error in problem.errors)
    k = h @ q @ h.T + shared + np.diag(problem.variance)
    d = problem.value - problem.background - h @ problem.prior.ravel().astype(np.float64)
    gain = q @ h.T @ np.linalg.inv(k)
    mean = problem.prior.ravel() + gain @ d
    return {"h": h, "q": q, "shared": shared, "k": k, "d": d, "mean": mean, "cov": q - gain @ h @ q}


def functionals(seed=6, count=5):
    """Rows of weights over (hour, cell), as a matrix and as `Rows`."""
    random = np.random.default_rng(seed)
    matrix = scipy.sparse.csr_array(random.random((count, CELLS)) * (random.random((count, CELLS)) < 0.4))
    return matrix, rows_of(matrix, SHAPE[0])
