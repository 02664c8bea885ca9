"""The exact solution in observation space (science.md section 3; Tarantola 2005, eq. 3.37-3.38).

    d = y - H f^a - b,   K = H Q H^T + B + R = L L^T,   z = K^-1 d,   f^_k = f_k^a + Q_k H^T z

m observations, n cell-hours: K is m x m; H Q is built a block of rows at a time and never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from pipeline.errors import SolverError
from pipeline.inversion.problem import Problem

#: K is refused above this condition number (reliability.md row 55)
_MAX_CONDITION = 1e12


@dataclass(frozen=True, eq=False)
class Solution:
    """The factored system; every result below is derived from it.

    Parameters
    ----------
    problem
        What was solved.
    innovation : (m,)
        d, observed minus prior mole fraction.
    signal : (m, m)
        H Q H^T, what flux errors contribute to K.
    factor : (m, m) lower triangular
        L with L L^T = K.
    weights : (m,)
        z = K^-1 d.
    """

    problem: Problem
    innovation: np.ndarray
    signal: np.ndarray
    factor: np.ndarray
    weights: np.ndarray

    @cached_property
    def inverse(self) -> np.ndarray:
        """K^-1, (m, m): for the diagnostics; the solution itself only needs the factor."""
        return self.solve(np.eye(self.problem.value.size))

    @cached_property
    def flux(self) -> np.ndarray:
        """Posterior mean fluxes, (sector, time, y, x)."""
        return self.problem.prior + self.correction(self.weights)

    @property
    def background(self) -> np.ndarray:
        """Posterior mean background at each observation, (m,): b + B z."""
        return self.problem.background + self.problem.background_covariance @ self.weights

    @property
    def mole_fraction(self) -> np.ndarray:
        """Posterior modelled mole fraction, (m,): y - R z, equal to H f^ + b^."""
        return self.problem.value - self.problem.variance * self.weights

    def correction(self, weights: np.ndarray) -> np.ndarray:
        """Return Q_k H^T w for each sector: (..., m) to (..., sector, time, y, x)."""
        field = self.problem.spread(weights)
        return np.stack([c.apply(field) for c in self.problem.covariances], axis=-4)

    def solve_factor(self, right: np.ndarray) -> np.ndarray:
        """Return L^-1 r for r : (m, ...)."""
        return scipy.linalg.solve_triangular(self.factor, right, lower=True)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return K^-1 r for r : (m, ...)."""
        return scipy.linalg.cho_solve((self.factor, True), right)


def solve(problem: Problem, *, block: int = 32, progress: Callable[[int], None] | None = None) -> Solution:
    """Return the exact solution.

    Parameters
    ----------
    problem
        The window.
    block
        Observations whose H Q is held at once: memory of block x time x y x x float64.
    progress
        Called with the number of observations done after each block.

    Raises
    ------
    SolverError
        When K is not positive definite or its condition number exceeds 1e12.
    """
    signal = signal_covariance(problem, block=block, progress=progress)
    system = signal + problem.background_covariance
    system[np.diag_indices_from(system)] += problem.variance
    factor = _cholesky(system)
    innovation = problem.value - problem.prior_mole_fraction()
    weights = scipy.linalg.cho_solve((factor, True), innovation)
    return Solution(problem, innovation, signal, factor, weights)


def signal_covariance(
    problem: Problem, *, block: int = 32, progress: Callable[[int], None] | None = None
) -> np.ndarray:
    """Return H Q H^T summed over sectors, (m, m), symmetric to the last bit."""
    m = problem.value.size
    out = np.empty((m, m))
    for start in range(0, m, block):
        stop = min(start + block, m)
        rows = problem.footprint[start:stop].toarray().reshape(stop - start, *problem.state_shape)
        smoothed = sum(c.apply(rows) for c in problem.covariances)
        out[:, start:stop] = problem.footprint @ np.asarray(smoothed).reshape(stop - start, -1).T
        if progress is not None:
            progress(stop)
    return 0.5 * (out + out.T)


def _cholesky(system: np.ndarray) -> np.ndarray:
    try:
        factor = scipy.linalg.cholesky(system, lower=True)
    except scipy.linalg.LinAlgError as error:
        raise SolverError(
            "K = HQH' + B + R must be positive definite",
            got=str(error),
            remedy="check the error settings; none may be 0",
            where="solve",
        ) from error
    reciprocal, status = scipy.linalg.lapack.dpocon(factor, np.linalg.norm(system, 1), uplo="L")
    if status != 0 or reciprocal * _MAX_CONDITION < 1:
        raise SolverError(
            f"the condition number of K must stay below {_MAX_CONDITION:g}",
            got=f"1/{reciprocal:g}",
            remedy="raise the smallest observation errors",
            where="solve",
        )
    return factor
